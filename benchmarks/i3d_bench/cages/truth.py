"""What happens in the videos, as tables: intervals, a label a frame, which animal."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.behaviours import FPS, LABELS

FrameLabels = NDArray[np.int8]


def intervals_of(frame_labels: FrameLabels) -> list[tuple[int, int, str]]:
    """Return ``(start, stop, label)``, half open, in frames; neighbours of one label are one."""
    borders = np.flatnonzero(np.diff(frame_labels)) + 1
    starts = [0, *borders.tolist()]
    stops = [*borders.tolist(), len(frame_labels)]
    return [
        (start, stop, LABELS[frame_labels[start]])
        for start, stop in zip(starts, stops, strict=True)
    ]


def write_intervals(path: Path, labels: Sequence[tuple[str, FrameLabels]]) -> None:
    """Write ``video,start_s,stop_s,label`` of several videos."""
    _write(
        path,
        ("video", "start_s", "stop_s", "label"),
        (
            (video, f"{start / FPS:.6f}", f"{stop / FPS:.6f}", label)
            for video, frame_labels in labels
            for start, stop, label in intervals_of(frame_labels)
        ),
    )


def write_frames(path: Path, frame_labels: FrameLabels) -> None:
    """Write ``frame,label`` of one video."""
    _write(path, ("frame", "label"), ((i, LABELS[code]) for i, code in enumerate(frame_labels)))


def write_animals(path: Path, recordings: Sequence[tuple[str, str]]) -> None:
    """Write ``recording,animal``, as ``--metadata`` takes it."""
    _write(path, ("recording", "animal"), recordings)


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(header)
        table.writerows(rows)
