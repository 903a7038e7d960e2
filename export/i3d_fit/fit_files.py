"""The tables of a fit: each window's answer, and what was understood of the annotations."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from i3d_client.durable import complete_file
from i3d_client.printable import printable
from i3d_ethogram.ethogram import seconds_text
from i3d_ethogram.tables.csv_file import write_csv
from i3d_fit.features import VideoFeatures
from i3d_fit.training import Trained, windows_of

FIT_FILE = "fit.json"
WINDOWS_FILE = "windows.csv"
ANNOTATIONS_FILE = "annotations.csv"
SUGGESTIONS_FILE = "suggestions.csv"
SUGGESTIONS_PROJECT = "suggestions.boris"

_WINDOWS_HEADER = (
    "recording",
    "start_frame",
    "stop_frame",
    "label",
    "predicted",
    "probability",
    "fold",
    "trained_on",
)
_ANNOTATIONS_HEADER = ("video", "start_s", "stop_s", "label")


def write_windows(path: Path, trained: Trained, videos: Sequence[VideoFeatures]) -> None:
    """Write one row a window that has a label, with what a head says that has not seen it.

    Raises:
        OutputError: it cannot be written.
    """
    write_csv(path, header=_WINDOWS_HEADER, rows=_window_rows(trained, videos))


def _window_rows(trained: Trained, videos: Sequence[VideoFeatures]) -> Iterator[tuple[object, ...]]:
    material, labels = trained.material, trained.material.labels
    predicted = trained.cross_validation.predicted
    folds = trained.cross_validation.folds.of_windows
    for video in videos:
        for row in windows_of(trained, video.recording).tolist():
            start = int(material.starts[row])
            yield (
                printable(video.recording),
                start,
                min(start + material.clip_frames, video.grid.num_frames),
                labels[material.codes[row]],
                labels[predicted[row]],
                f"{trained.probabilities[row, predicted[row]]:.6f}",
                int(folds[row]) + 1,
                int(material.pure[row]),
            )


def write_annotations(path: Path, trained: Trained, videos: Sequence[VideoFeatures]) -> None:
    """Write what was understood, as ``i3d export --annotations`` reads it: ``[start_s, stop_s)``.

    Times are a microsecond early, so that a frame which is shown then is inside, however its time
    is rounded.

    Raises:
        OutputError: it cannot be written.
    """
    names = shortest_paths([video.path for video in videos])
    write_csv(path, header=_ANNOTATIONS_HEADER, rows=_annotation_rows(trained, videos, names))


def _annotation_rows(
    trained: Trained, videos: Sequence[VideoFeatures], names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    labels = trained.material.labels
    for video, name in zip(videos, names, strict=True):
        codes = trained.windows[video.recording].frame_codes
        borders = np.flatnonzero(np.diff(codes)) + 1
        for start, stop in zip([0, *borders], [*borders, len(codes)], strict=True):
            if codes[start] >= 0:
                begin, end = (max(0, int(video.times_us[at]) - 1) for at in (start, stop))
                yield (name, seconds_text(begin), seconds_text(end), labels[codes[start]])


def shortest_paths(paths: Sequence[Path]) -> list[str]:
    """Return for each path as much of its end as no other one has."""
    parts = [path.resolve().parts for path in paths]
    found = []
    for own in parts:
        count = next(
            count
            for count in range(1, len(own) + 1)
            if sum(other[-count:] == own[-count:] for other in parts) == 1 or count == len(own)
        )
        found.append(str(PurePath(*own[-count:])))
    return found


def write_fit(path: Path, document: Mapping[str, Any]) -> None:
    """Write ``fit.json``; a number that is not finite, which JSON does not have, is null.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as file:
        text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
        file.write(text + "\n")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
