"""What a fit may write over."""

from pathlib import Path

import pytest

from i3d_client.errors import OutputError
from i3d_fit.fit_options import FitFiles, fit_files
from i3d_fit.replaceable import alone_in, check_replaceable


@pytest.fixture
def files(tmp_path: Path) -> FitFiles:
    found = fit_files(tmp_path / "mine")
    found.folder.mkdir()
    return found


def check(files: FitFiles, *given: Path, overwrite: bool = False) -> None:
    check_replaceable(files, given=given, overwrite=overwrite)


def test_a_profile_that_no_fit_wrote_is_replaced_only_if_asked(files: FitFiles) -> None:
    check(files)
    for text in ('profile = "mine"\n', "not TOML"):
        files.profile.write_text(text)
        with pytest.raises(OutputError, match=r"mine\.toml: is there, and i3d fit did not"):
            check(files)
        check(files, overwrite=True)


@pytest.mark.parametrize(
    "text", ['head_file = "mine.head.npz"\n', 'checkpoint_file = "mine.keras"\n']
)
def test_a_fits_own_profile_is_replaced(files: FitFiles, text: str) -> None:
    files.profile.write_text(text)
    check(files)


def test_what_is_given_is_never_written_over(files: FitFiles, tmp_path: Path) -> None:
    given = files.folder / "annotations.csv"
    given.write_text("video,start_s,stop_s,label\n")
    files.head.write_bytes(b"of an earlier fit")
    (tmp_path / "link.csv").symlink_to(given)
    for path in (given, tmp_path / "link.csv"):
        with pytest.raises(OutputError, match="is given, and this fit would write over it"):
            check(files, path, overwrite=True)
    check(files, files.folder / "animals.csv")


def test_a_folder_of_somebody_elses_tables_is_left_alone(files: FitFiles) -> None:
    (files.folder / "notes.csv").write_text("mine")
    check(files)
    (files.folder / "windows.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"has windows\.csv, which i3d fit did not write"):
        check(files)
    check(files, overwrite=True)
    (files.folder / "fit.json").write_text("{}")
    check(files)


def test_one_fit_of_a_name_at_a_time(files: FitFiles) -> None:
    with (
        alone_in(files.folder),
        pytest.raises(OutputError, match="another fit of this name is running"),
        alone_in(files.folder),
    ):
        pass
    with alone_in(files.folder):
        pass
