"""What a person saw: a CSV file of ``video,start_s,stop_s,label``.

One row for a stretch of one video, half-open, in seconds from its first frame. ``video`` is a
file's name or the end of its path. What no row covers is unlabelled.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3d_client.contract import ModelContract
from i3d_client.video import open_video
from i3d_export.accuracy import UNLABELLED, Classes
from i3d_export.errors import ExportError
from i3d_export.sampling import Piece, SampledVideo, label_frames

COLUMNS = ["video", "start_s", "stop_s", "label"]


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """``[start_s, stop_s)`` of a video shows the class of that index."""

    video: Path
    start_s: float
    stop_s: float
    label: int


def read_annotations(path: Path, *, labels: Sequence[str]) -> list[Annotation]:
    """Read the file.

    Raises:
        ExportError: it cannot be read, or a row is wrong; names the row, the value and the rule.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != COLUMNS:
                raise ExportError(
                    f"{path}: expected the columns {','.join(COLUMNS)}, "
                    f"got {','.join(reader.fieldnames or []) or 'none'}"
                )
            return [
                _annotation(row, labels, where=f"{path}, line {reader.line_num}") for row in reader
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ExportError(f"{path}: cannot be read as CSV: {error}") from error


def frame_classes(video: SampledVideo, annotations: Sequence[Annotation]) -> Classes:
    """Return the class that a person gave each frame of a video.

    Returns:
        ``(frames,)``, int64; ``UNLABELLED`` where no row covers the frame; of rows that overlap
        the first counts.
    """
    times = open_video(video.path).times_s(0, video.num_frames)
    classes = np.full(len(times), UNLABELLED, np.int64)
    for annotation in reversed(_of_video(video, annotations)):
        classes[(times >= annotation.start_s) & (times < annotation.stop_s)] = annotation.label
    return classes


def annotated_classes(
    pieces: Sequence[Piece], classes: Sequence[Classes], *, contract: ModelContract
) -> Classes:
    """Return the class that a person gave each window of the pieces, in order, at its label frame.

    Args:
        pieces: of videos.
        classes: each video's, as ``frame_classes`` gives them.
        contract: the model's.

    Returns:
        ``(windows,)``, int64; ``UNLABELLED`` where no row covers the frame.
    """
    windows = [classes[piece.video][label_frames(piece, contract)] for piece in pieces]
    return np.concatenate(windows) if windows else np.empty(0, np.int64)


def _of_video(video: SampledVideo, annotations: Sequence[Annotation]) -> list[Annotation]:
    parts = video.path.resolve().parts
    return [a for a in annotations if parts[-len(a.video.parts) :] == a.video.parts]


def _annotation(row: dict[str, str], labels: Sequence[str], *, where: str) -> Annotation:
    if row["label"] not in labels:
        raise ExportError(f"{where}: label: expected one of the model's, got {row['label']!r}")
    try:
        start_s, stop_s = float(row["start_s"]), float(row["stop_s"])
    except (TypeError, ValueError) as error:
        raise ExportError(f"{where}: start_s, stop_s: expected seconds ({error})") from error
    if not 0 <= start_s < stop_s < float("inf"):
        raise ExportError(
            f"{where}: start_s, stop_s: expected 0 ≤ start_s < stop_s, got {start_s:g}, {stop_s:g}"
        )
    return Annotation(
        video=Path(row["video"]), start_s=start_s, stop_s=stop_s, label=labels.index(row["label"])
    )
