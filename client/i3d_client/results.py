"""The files that a classified video leaves in its output folder.

Every file is written beside its name and renamed when it is complete, ``run.json`` last: a folder
with a ``run.json`` is whole.
"""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_client.errors import OutputError
from i3d_client.streaming import Window
from i3d_client.windows import labelling_windows

FRAMES_FILE = "frames.csv"
WINDOWS_FILE = "windows.csv"
RUN_FILE = "run.json"
TOP_LABELS = 5


@dataclass(frozen=True, kw_only=True)
class Ethogram:
    """Which behaviour, when, for one video.

    Attributes:
        times_s: (frames,) float64, seconds from the first frame.
        windows: in order.
        window_of_frame: (frames,) int64, the window that labels each frame; −1 where none does.
    """

    times_s: NDArray[np.float64]
    windows: tuple[Window, ...]
    window_of_frame: NDArray[np.int64]

    @property
    def num_frames(self) -> int:
        """Frames of the video, scored or not."""
        return len(self.window_of_frame)

    @property
    def num_frames_scored(self) -> int:
        """Frames that have a label."""
        return int((self.window_of_frame >= 0).sum())

    def share_of_labels(self) -> list[tuple[str, float]]:
        """Return each label's share of the scored frames, 0 … 1, the largest first."""
        indices = self.window_of_frame[self.window_of_frame >= 0]
        frames = np.bincount(indices, minlength=len(self.windows))
        totals: Counter[str] = Counter()
        for window, count in zip(self.windows, frames.tolist(), strict=True):
            if window.label is not None and count:
                totals[window.label] += count
        return [(label, count / len(indices)) for label, count in totals.most_common()]


def make_ethogram(
    windows: Sequence[Window], *, times_s: NDArray[np.float64], contract: ModelContract
) -> Ethogram:
    """Give every frame the window that labels it, by the contract's rule."""
    return Ethogram(
        times_s=times_s,
        windows=tuple(windows),
        window_of_frame=labelling_windows(
            len(times_s),
            starts=np.array([window.start_frame for window in windows], np.int64),
            scored=np.array([window.probabilities is not None for window in windows], bool),
            clip_frames=contract.clip_frames,
            stride=contract.stride,
            label_frame=contract.label_frame,
        ),
    )


def write_results(ethogram: Ethogram, *, run: Mapping[str, Any], folder: Path) -> None:
    """Write ``frames.csv``, ``windows.csv`` and ``run.json``.

    Raises:
        OutputError: the folder or a file cannot be written; no half-written file is left.
    """
    with _write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN_FILE).unlink(missing_ok=True)
        _write_table(folder / FRAMES_FILE, _frame_rows(ethogram))
        _write_table(folder / WINDOWS_FILE, _window_rows(ethogram))
        with _complete_file(folder / RUN_FILE) as file:
            json.dump(run, file, indent=2, ensure_ascii=False)
            file.write("\n")


def check_writable(folder: Path) -> None:
    """See that results can be written below a folder, before hours of work.

    Raises:
        OutputError: they cannot.
    """
    with _write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable-{os.getpid()}"
        probe.touch()
        probe.unlink()


@contextmanager
def _write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or folder}: cannot be written: {error.strerror}. Choose another "
            "folder with --out, or make room or give permission there"
        ) from error


@contextmanager
def _complete_file(path: Path) -> Iterator[IO[str]]:
    """Open a file beside ``path`` that takes its name once it is complete and on the disk."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with _complete_file(path) as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def _frame_rows(ethogram: Ethogram) -> Iterator[Sequence[object]]:
    yield ("frame", "time_s", "label", "score")
    answers = [
        ("", "") if window.label is None else (window.label, f"{window.score:.6f}")
        for window in ethogram.windows
    ]
    numbered = zip(ethogram.times_s.tolist(), ethogram.window_of_frame.tolist(), strict=True)
    for frame, (time_s, window) in enumerate(numbered):
        label, score = answers[window] if window >= 0 else ("", "")
        yield (frame, f"{time_s:.6f}", label, score)


def _window_rows(ethogram: Ethogram) -> Iterator[Sequence[object]]:
    labels = len(ethogram.windows[0].labels) if ethogram.windows else TOP_LABELS
    count = min(TOP_LABELS, labels)
    ranked = [name for rank in range(1, count + 1) for name in (f"label_{rank}", f"score_{rank}")]
    yield ("start_frame", "stop_frame", "label", "score", *ranked)
    for window in ethogram.windows:
        cells = [cell for label, score in window.top(count) for cell in (label, f"{score:.6f}")]
        cells = cells or [""] * (2 * count)
        yield (window.start_frame, window.stop_frame, *cells[:2], *cells)
