"""The view of the model repository that a lab server's Triton is shown."""

from pathlib import Path

import pytest

from i3d_bench.number_network import number_contract, write_number_model
from i3d_server.errors import RepositoryError
from i3d_server.prepare import prepare_view


def test_the_view_follows_the_repository(tmp_path: Path) -> None:
    repository, view = tmp_path / "repository", tmp_path / "view"
    view.mkdir()
    write_number_model(repository, "first", number_contract())
    assert prepare_view(repository=repository, engine="openvino", view=view).models == ("first",)
    write_number_model(repository, "second", number_contract())
    prepare_view(repository=repository, engine="openvino", view=view)
    assert sorted(path.name for path in (view / "models").iterdir()) == ["first", "second"]
    prepare_view(repository=repository, engine="openvino", view=view, models=["second"])
    assert [path.name for path in (view / "models").iterdir()] == ["second"]
    assert [path.name for path in view.iterdir()] == ["models"]


def test_what_cannot_be_served_leaves_the_view_as_it_was(tmp_path: Path) -> None:
    repository, view = tmp_path / "repository", tmp_path / "view"
    view.mkdir()
    write_number_model(repository, "first", number_contract())
    prepare_view(repository=repository, engine="openvino", view=view)
    (repository / "first" / "1" / "model.bin").unlink()
    with pytest.raises(RepositoryError, match=r"model\.bin missing"):
        prepare_view(repository=repository, engine="openvino", view=view)
    assert (view / "models" / "first" / "configs" / "cpu.pbtxt").is_file()


def test_models_that_only_their_owner_reads_are_refused(tmp_path: Path) -> None:
    repository, view = tmp_path / "repository", tmp_path / "view"
    view.mkdir()
    write_number_model(repository, "first", number_contract())
    (repository / "first" / "1" / "model.bin").chmod(0o600)
    with pytest.raises(RepositoryError, match=r"may not read it. Run: chmod -R a\+rX"):
        prepare_view(repository=repository, engine="openvino", view=view)
