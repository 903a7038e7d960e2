"""Annotations and frames of known content."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from i3d_client.windows import WindowGrid
from i3d_ethogram.annotations.annotation import Annotation, Interval
from i3d_ethogram.compare.annotated_frames import Frames
from i3d_fit.annotated import AnnotatedWindows, annotate_windows

STEP_US = 100_000


def annotation(*events: tuple[str, int, int], unit: str = "frames", **fields) -> Annotation:
    """Events of ``(label, start, stop)``; all of their labels, unless others are given."""
    intervals = tuple(Interval(label=label, start=a, stop=b) for label, a, b in events)
    occurring = tuple(dict.fromkeys(label for label, _, _ in events))
    values = {"file": Path("a.csv"), "kind": "", "labels": occurring, **fields}
    return Annotation(unit=unit, intervals=intervals, **values)


def frames(count: int, *, videos: tuple[str, ...] = ("mouse.mp4",)) -> Frames:
    """Frames of 0.1 s."""
    times_us = np.arange(count + 1, dtype=np.int64) * STEP_US
    return Frames(first_frame=0, times_us=times_us, videos=videos, video_frames=(0,))


def annotated(
    *annotations: Annotation,
    count: int = 20,
    clip: int = 4,
    stride: int = 1,
    labels: Sequence[str] = ("rest", "groom"),
    **options,
) -> AnnotatedWindows:
    """Windows of 4 frames, one a frame, of which the last is the label frame."""
    values = {"label_frame": "last", "names": {}, "background": None, **options}
    return annotate_windows(
        annotations,
        frames(count),
        grid=WindowGrid(count, clip, stride),
        labels=labels,
        **values,
    )
