"""``scores.npz``: every probability of a recording, and when each frame is shown.

What all other results follow from, so that they can be made again without server and video. Plain
numpy arrays, not compressed, so that they are read in place, however long the recording is:

    probabilities   (windows, classes) float32
    scored          (windows,) bool
    lost_frames     (lost,) int64, frames that could not be decoded, from the first classified frame
    given_up        (spans, 2) int64, windows [first, stop) of the spans that were given up
    times_us        (frames + 1,) int64, µs from the recording's first frame; the last is the end
    first_frame     () int64, number of the first classified frame in the recording
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_client.durable import CompleteFile, FileRecord, complete_file
from i3d_client.errors import ResultError
from i3d_client.frame_status import frame_statuses
from i3d_client.printable import printable
from i3d_client.windows import WindowGrid

SCORES_FILE = "scores.npz"
_ROWS_AT_ONCE = 1 << 16
_CELLS_AT_ONCE = 1 << 20
_TIMES_AT_ONCE = 1 << 12
_MOST_PROBABLE = 1.01  # a network in half precision may round 1 upwards
_LOCAL_HEADER_BYTES = 30  # of a member of a ZIP archive (APPNOTE.TXT 4.3.7)

Times = Callable[[int, int], NDArray[np.int64]]
"""Returns when frames ``[first, stop)`` are shown: (stop − first,) int64, µs from the recording's
first frame. The frame after the last stands for the end."""


@dataclass(frozen=True, kw_only=True)
class FrameBatch:
    """Consecutive frames of a recording.

    Attributes:
        first_frame: number of the first of them in the recording.
        times_us: (m + 1,) int64, µs; frame i is shown during ``[times_us[i], times_us[i + 1])``.
        probabilities: (m, classes) float32, 0 … 1, of the window that labels each frame; 0 where
            none does.
        statuses: (m,) uint8, values of ``Status``.
    """

    first_frame: int
    times_us: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    statuses: NDArray[np.uint8]


class Scores:
    """A recording's ``scores.npz``, read in place.

    Attributes:
        labels: of the classes, in the contract's order.
        num_frames: that were classified.
        first_frame: number of the first of them in the recording.
    """

    def __init__(self, path: Path, contract: ModelContract) -> None:
        self._path = path
        try:
            arrays = dict(_arrays_in_place(path))
            self._probabilities = _expected(arrays, "probabilities", 2, "float32")
            self._scored = np.array(_expected(arrays, "scored", 1, "bool"))
            self._lost = np.array(_expected(arrays, "lost_frames", 1, "int64"))
            self._given_up = _expected(arrays, "given_up", 2, "int64").tolist()
            self._times_us = _expected(arrays, "times_us", 1, "int64")
            self.first_frame = int(_expected(arrays, "first_frame", 0, "int64"))
            self.num_frames = len(self._times_us) - 1
            self._grid = WindowGrid(self.num_frames, contract.clip_frames, contract.stride)
            if self.num_frames < 1:
                raise ValueError("times_us: expected a frame or more, and the end")
            windows = (self._grid.count, len(contract.labels))
            if self._probabilities.shape != windows or len(self._scored) != windows[0]:
                raise ValueError(f"expected {windows} probabilities: {self._probabilities.shape}")
        except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
            raise _unusable(path, str(error)) from error
        self.labels = contract.labels
        self._label_frame = contract.label_frame

    def batches(self) -> Iterator[FrameBatch]:
        """Yield all frames in order; memory does not depend on how many there are.

        Raises:
            ResultError: a frame ends before it is shown, or what should be probabilities is none.
        """
        rows = max(256, min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // len(self.labels)))
        for first in range(0, self.num_frames, rows):
            yield self._batch(first, min(first + rows, self.num_frames))

    def _batch(self, first: int, stop: int) -> FrameBatch:
        windows = self._grid.labelling_windows(
            first, stop, scored=self._scored, label_frame=self._label_frame
        )
        probabilities = np.zeros((stop - first, len(self.labels)), np.float32)
        labelled = windows >= 0
        probabilities[labelled] = self._probabilities[windows[labelled]]
        times_us = np.array(self._times_us[first : stop + 1])
        self._check(first, times_us, probabilities)
        return FrameBatch(
            first_frame=first + self.first_frame,
            times_us=times_us,
            probabilities=probabilities,
            statuses=frame_statuses(
                windows,
                first_frame=first,
                grid=self._grid,
                label_frame=self._label_frame,
                lost_frames=self._lost,
                given_up=self._given_up,
            ),
        )

    def _check(
        self, first: int, times_us: NDArray[np.int64], probabilities: NDArray[np.float32]
    ) -> None:
        earlier = np.flatnonzero(times_us[1:] < times_us[:-1])
        if len(earlier):
            frame = first + int(earlier[0])
            raise _unusable(
                self._path,
                f"times_us: expected times that do not decrease, got one after frame {frame} of "
                "those classified that does",
            )
        # Of one with NaN in it, the smallest is NaN, and NaN is not at least 0.
        low, high = float(probabilities.min()), float(probabilities.max())
        if not (low >= 0 and high <= _MOST_PROBABLE):
            raise _unusable(
                self._path,
                f"probabilities: expected 0 to 1, got {low:g} to {high:g} in the frames from "
                f"{first} on of those classified",
            )


def _unusable(path: Path, why: str) -> ResultError:
    return ResultError(
        f"{printable(path)}: cannot be used: {why}. Classify the video again, with --overwrite"
    )


def write_scores(
    folder: Path,
    *,
    probabilities: Iterable[NDArray[np.float32]],
    scored: NDArray[np.bool_],
    num_classes: int,
    lost_frames: NDArray[np.int64],
    given_up: Sequence[tuple[int, int]],
    times_us: Times,
    num_frames: int,
    first_frame: int,
) -> FileRecord:
    """Write ``scores.npz`` into ``folder``, complete or not at all.

    Args:
        folder: is there.
        probabilities: of all windows in order, in parts: (part, classes) float32.
        scored: (windows,) of all of them.
        num_classes: of each window.
        lost_frames: as in the file.
        given_up: as in the file.
        times_us: called for every frame once, in order, and for the end.
        num_frames: that were classified.
        first_frame: as in the file.

    Raises:
        OutputError: it cannot be written.
    """

    def times() -> Iterator[NDArray[np.int64]]:
        for first in range(0, num_frames + 1, _TIMES_AT_ONCE):
            yield times_us(first, min(first + _TIMES_AT_ONCE, num_frames + 1))

    spans = np.array(given_up, np.int64).reshape(-1, 2)
    with complete_file(folder / SCORES_FILE) as file:
        # A zip that is written from its start to its end needs no more than this of a file.
        with zipfile.ZipFile(cast(BinaryIO, _Sink(file)), "w", zipfile.ZIP_STORED) as archive:
            shape = (len(scored), num_classes)
            _put(archive, "probabilities", np.dtype(np.float32), shape, probabilities)
            _put(archive, "scored", np.dtype(np.bool_), scored.shape, [scored])
            _put(archive, "lost_frames", np.dtype(np.int64), lost_frames.shape, [lost_frames])
            _put(archive, "given_up", np.dtype(np.int64), spans.shape, [spans])
            _put(archive, "times_us", np.dtype(np.int64), (num_frames + 1,), times())
            _put(archive, "first_frame", np.dtype(np.int64), (), [np.array(first_frame)])
        return file.record()


class _Sink:
    """What ``zipfile`` asks of a file that cannot be sought."""

    def __init__(self, file: CompleteFile) -> None:
        self._file = file

    def write(self, content: bytes) -> int:
        self._file.write(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing: the file is put on the disk when it is complete."""


def _put(
    archive: zipfile.ZipFile,
    name: str,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    parts: Iterable[NDArray[Any]],
) -> None:
    # The same bytes for the same arrays: no time of writing.
    member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
    with archive.open(member, "w", force_zip64=True) as file:
        header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for part in parts:
            file.write(np.ascontiguousarray(part, dtype).tobytes())


def _arrays_in_place(path: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield each array by name, mapped from the file; nothing is unpickled.

    Raises:
        ValueError, zipfile.BadZipFile, OSError: it is not such a file.
    """
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                if np.lib.format.read_magic(file) != (1, 0):  # type: ignore[no-untyped-call]
                    raise ValueError(f"{member.filename}: unknown version of the NPY format")
                shape, _fortran, dtype = np.lib.format.read_array_header_1_0(file)  # type: ignore[no-untyped-call]
                header = file.tell()
            if dtype.hasobject or member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename}: not a plain array")
            if member.file_size != header + int(np.prod(shape)) * dtype.itemsize:
                raise ValueError(f"{member.filename}: does not have the size that it states")
            yield member.filename.removesuffix(".npy"), _mapped(path, member, header, dtype, shape)


def _mapped(
    path: Path, member: zipfile.ZipInfo, header: int, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> NDArray[Any]:
    with path.open("rb") as file:
        file.seek(member.header_offset)
        local = file.read(_LOCAL_HEADER_BYTES)
        name, extra = (int.from_bytes(local[at : at + 2], "little") for at in (26, 28))
        offset = member.header_offset + _LOCAL_HEADER_BYTES + name + extra + header
        if 0 in shape:
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, mode="r", offset=offset, shape=shape)


def _expected(arrays: dict[str, NDArray[Any]], name: str, ndim: int, dtype: str) -> NDArray[Any]:
    array = arrays.get(name)
    if array is None:
        raise ValueError(f"there is no array {name!r} in it")
    if array.ndim != ndim or array.dtype != dtype:
        raise ValueError(f"{name}: expected {ndim} dimensions of {dtype}, found {array.dtype}")
    return array
