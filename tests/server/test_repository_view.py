"""What Triton is shown of a model repository."""

import json
import shutil
from pathlib import Path

import pytest
from google.protobuf import text_format
from tests.server.tiny_network import CONTRACT

from i3d_client.contract import ModelContract
from i3d_server.errors import RepositoryError
from i3d_server.repository_view import make_view, read_config


def test_a_complete_model_is_linked_and_its_build_merged(
    own_repository: Path, tmp_path: Path
) -> None:
    before = (own_repository / "tiny_fp32/configs/cpu.pbtxt").read_text()
    view = make_view(own_repository, engine="openvino", folder=tmp_path / "view")
    assert view.models == ("tiny_fp32",)
    assert view.skipped == ()
    link = view.folder / "tiny_fp32"
    assert (link / "1").is_symlink()
    assert (link / "1/model.xml").samefile(own_repository / "tiny_fp32/1/model.xml")
    assert (link / "labels.txt").samefile(own_repository / "tiny_fp32/labels.txt")
    parameters = read_config(link / "configs/cpu.pbtxt").parameters
    assert json.loads(parameters["i3d_build"].string_value) == {"precision": "fp32"}
    assert ModelContract.from_json(parameters["i3d"].string_value) == CONTRACT
    assert (own_repository / "tiny_fp32/configs/cpu.pbtxt").read_text() == before


def test_incomplete_models_are_listed_with_the_command_that_builds_them(
    own_repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(own_repository / "tiny_fp32", own_repository / "other_int8")
    (own_repository / "other_int8/1/model.bin").unlink()
    view = make_view(own_repository, engine="openvino", folder=tmp_path / "view")
    assert view.models == ("tiny_fp32",)
    assert [str(model) for model in view.skipped] == [
        "other_int8: 1/model.bin missing; build it with: i3d export tiny"
    ]
    assert not (view.folder / "other_int8").exists()


def test_no_complete_model_is_an_error_that_says_what_to_do(
    own_repository: Path, tmp_path: Path
) -> None:
    with pytest.raises(RepositoryError, match=r"model\.plan, .*plan\.json missing") as raised:
        make_view(own_repository, engine="tensorrt", folder=tmp_path / "view")
    assert "build it with: i3d plans" in str(raised.value)
    (own_repository / "tiny_fp32/1/model.onnx").unlink()
    with pytest.raises(RepositoryError, match="build it with: i3d export tiny"):
        make_view(own_repository, engine="tensorrt", folder=tmp_path / "view")


def test_tensorrt_is_shown_its_own_files(own_repository: Path, tmp_path: Path) -> None:
    (own_repository / "tiny_fp32/1/model.plan").write_bytes(b"plan")
    (own_repository / "tiny_fp32/1/plan.json").write_text('{"gpu": "L4"}')
    view = make_view(own_repository, engine="tensorrt", folder=tmp_path / "view")
    parameters = read_config(view.folder / "tiny_fp32/config.pbtxt").parameters
    assert json.loads(parameters["i3d_build"].string_value) == {"gpu": "L4"}
    assert not (view.folder / "tiny_fp32/configs").exists()


def test_models_can_be_chosen_and_unknown_names_are_refused(
    own_repository: Path, tmp_path: Path
) -> None:
    shutil.copytree(own_repository / "tiny_fp32", own_repository / "second_fp32")
    view = make_view(
        own_repository, engine="openvino", folder=tmp_path / "view", models=["second_fp32"]
    )
    assert view.models == ("second_fp32",)
    with pytest.raises(RepositoryError, match="no model named nosuch; there is second_fp32, tiny"):
        make_view(
            own_repository,
            engine="openvino",
            folder=tmp_path / "other",
            models=["tiny_fp32", "nosuch"],
        )


def test_a_named_model_that_is_incomplete_is_an_error(own_repository: Path, tmp_path: Path) -> None:
    shutil.copytree(own_repository / "tiny_fp32", own_repository / "second_fp32")
    (own_repository / "second_fp32/1/build.json").unlink()
    with pytest.raises(RepositoryError, match=r"second_fp32: 1/build\.json missing"):
        make_view(
            own_repository,
            engine="openvino",
            folder=tmp_path / "view",
            models=["tiny_fp32", "second_fp32"],
        )


@pytest.mark.parametrize("make_it", [True, False])
def test_a_missing_or_empty_repository_is_explained(tmp_path: Path, make_it: bool) -> None:
    repository = tmp_path / "repository"
    if make_it:
        (repository / "not_a_model").mkdir(parents=True)
    with pytest.raises(RepositoryError, match="i3d export kinetics400"):
        make_view(repository, engine="openvino", folder=tmp_path / "view")


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("configs/cpu.pbtxt", "name: {", "not a Triton model configuration"),
        ("1/build.json", "{", "not JSON"),
        ("1/build.json", "[]", "expected a JSON object, got list"),
    ],
)
def test_files_that_cannot_be_read_are_named(
    own_repository: Path, tmp_path: Path, file: str, text: str, message: str
) -> None:
    (own_repository / "tiny_fp32" / file).write_text(text)
    with pytest.raises(RepositoryError, match=message) as raised:
        make_view(own_repository, engine="openvino", folder=tmp_path / "view")
    assert file in str(raised.value)


def test_the_copied_config_is_still_the_same_but_for_the_build(
    own_repository: Path, tmp_path: Path
) -> None:
    view = make_view(own_repository, engine="openvino", folder=tmp_path / "view")
    copied = read_config(view.folder / "tiny_fp32/configs/cpu.pbtxt")
    del copied.parameters["i3d_build"]
    source = read_config(own_repository / "tiny_fp32/configs/cpu.pbtxt")
    assert text_format.MessageToString(copied) == text_format.MessageToString(source)
