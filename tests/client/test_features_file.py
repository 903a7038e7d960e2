"""``features.npy``: what is read is what was written, and what is not such a file is refused."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from i3d_client.errors import ResultError
from i3d_client.features_file import open_features, write_features


def some_features(windows: int) -> np.ndarray:
    return np.random.default_rng(windows).normal(size=(windows, 1024)).astype(np.float32)


def write(folder: Path, features: np.ndarray, *, cuts: tuple[int, ...] = ()) -> Path:
    parts = np.split(features, cuts)
    write_features(folder, parts=iter(parts), num_windows=len(features))
    return folder / "features.npy"


def test_parts_become_one_array_that_numpy_reads(tmp_path: Path) -> None:
    features = some_features(7)
    path = write(tmp_path, features, cuts=(0, 3, 4))
    np.testing.assert_array_equal(np.load(path, allow_pickle=False), features)
    np.save(tmp_path / "whole.npy", features)
    assert path.read_bytes() == (tmp_path / "whole.npy").read_bytes()


def test_it_is_read_in_place_and_not_to_be_written_to(tmp_path: Path) -> None:
    features = some_features(5)
    write(tmp_path, features)
    opened = open_features(tmp_path, num_windows=5)
    assert isinstance(opened, np.memmap)
    np.testing.assert_array_equal(opened, features)
    with pytest.raises(ValueError, match="read-only"):
        opened[0, 0] = 1


def test_an_array_that_is_no_row_after_row_in_memory_is_written_so(tmp_path: Path) -> None:
    features = some_features(6)
    write(tmp_path, np.asfortranarray(features))
    np.testing.assert_array_equal(open_features(tmp_path, num_windows=6), features)


@pytest.mark.parametrize(
    "parts",
    [[(4, 1024)], [(2, 1024), (4, 1024)], [(5, 1023)], [(5,)], []],
    ids=str,
)
def test_other_rows_than_were_announced_leave_no_file(
    tmp_path: Path, parts: list[tuple[int, ...]]
) -> None:
    with pytest.raises(ValueError, match="features: expected"):
        write_features(
            tmp_path, parts=(np.zeros(shape, np.float32) for shape in parts), num_windows=5
        )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"features\.npy: is not there\. .*--features"):
        open_features(tmp_path, num_windows=5)


@pytest.mark.parametrize(
    "harm",
    [
        *("cut", "cut header", "damaged header", "text", "empty", "pickle", "zip", "folder"),
        *("columns first", "float64"),
    ],
)
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, harm: str) -> None:
    features = some_features(5)
    path = write(tmp_path, features)
    content = path.read_bytes()
    if harm == "cut":
        path.write_bytes(content[:-1])
    elif harm == "cut header":
        path.write_bytes(content[:40])
    elif harm == "text":
        path.write_text("not an array")
    elif harm == "empty":
        path.write_bytes(b"")
    elif harm == "pickle":
        np.save(path, np.array([{}], object), allow_pickle=True)
    elif harm == "zip":
        with zipfile.ZipFile(path, "w"):
            pass
    elif harm == "columns first":
        np.save(path, np.asfortranarray(features))
    elif harm == "float64":
        np.save(path, features.astype(np.float64))
    elif harm == "damaged header":
        path.write_bytes(content.replace(b"'shape': (5, 1024)", b"'shape': (5, 1024[", 1))
    else:
        path.unlink()
        path.mkdir()
    with pytest.raises(ResultError, match=r"features\.npy: cannot be used: .*--overwrite"):
        open_features(tmp_path, num_windows=5)


@pytest.mark.parametrize("windows", [4, 6])
def test_features_of_another_number_of_windows_are_refused(tmp_path: Path, windows: int) -> None:
    write(tmp_path, some_features(5))
    with pytest.raises(ResultError, match=rf"expected \({windows}, 1024\).*found \(5, 1024\)"):
        open_features(tmp_path, num_windows=windows)
