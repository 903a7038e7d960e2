"""Counts what became of the annotations of one recording, for its ``Account``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.annotations.annotation import Annotation, Interval, LeftOut
from i3d_ethogram.compare.annotated_frames import (
    OVERLAPPING,
    UNANNOTATED,
    UNKNOWN,
    AnnotatedFrames,
    Frames,
    annotate_frames,
)
from i3d_fit.account import Reason

NOT_SCORED = -4
"""A frame of the window could not be decoded."""

_LEAVE_OUT = ""


def left_out_as_asked(annotation: Annotation, names: Mapping[str, str]) -> list[Interval]:
    """Return the intervals of behaviours that are renamed to nothing."""
    return [each for each in annotation.intervals if names.get(each.label) == _LEAVE_OUT]


def reasons_of(
    codes: NDArray[np.int16], seen: Sequence[AnnotatedFrames], asked: NDArray[np.bool_]
) -> dict[Reason, NDArray[np.bool_]]:
    """Return the frames that are of no class, by reason: each (frames,) bool."""
    overlapping = np.zeros(len(codes), np.bool_)
    for each in seen:
        overlapping |= each.codes == OVERLAPPING
    return {
        Reason.UNLABELLED: (codes == UNANNOTATED) & ~asked,
        Reason.ASKED: (codes == UNANNOTATED) & asked,
        Reason.UNKNOWN: codes == UNKNOWN,
        Reason.OVERLAPPING: (codes == OVERLAPPING) & overlapping,
        Reason.DISPUTED: (codes == OVERLAPPING) & ~overlapping,
    }


def count_frames(
    codes: NDArray[np.int16],
    reasons: Mapping[Reason, NDArray[np.bool_]],
    filled: NDArray[np.bool_],
    *,
    labels: Sequence[str],
    times_us: NDArray[np.int64],
) -> dict[str, Any]:
    """Return what an account says of frames."""
    lengths_us = np.diff(times_us)
    of_label = {label: codes == code for code, label in enumerate(labels)}
    return {
        "frames": len(codes),
        "us": int(lengths_us.sum()),
        "label_frames": {label: int(mask.sum()) for label, mask in of_label.items()},
        "label_us": {label: int(lengths_us[mask].sum()) for label, mask in of_label.items()},
        "background_frames": int(filled.sum()),
        "background_us": int(lengths_us[filled].sum()),
        "left_out_frames": {reason: int(mask.sum()) for reason, mask in reasons.items()},
        "left_out_us": {reason: int(lengths_us[mask].sum()) for reason, mask in reasons.items()},
    }


def count_windows(
    windows: NDArray[np.int16],
    pure: NDArray[np.bool_],
    reasons: Mapping[Reason, NDArray[np.bool_]],
    label_frames: NDArray[np.int64],
    *,
    labels: Sequence[str],
) -> dict[str, Any]:
    """Return what an account says of windows."""
    scored = windows != NOT_SCORED
    left_out = {
        reason: int((mask[label_frames] & scored).sum()) for reason, mask in reasons.items()
    }
    used, mixed = (
        {label: int((mask & (windows == code)).sum()) for code, label in enumerate(labels)}
        for mask in (pure, ~pure)
    )
    return {
        "windows": len(windows),
        "used": used,
        "mixed": mixed,
        "windows_left_out": {**left_out, Reason.NOT_SCORED: int((~scored).sum())},
    }


def count_events(
    annotations: Sequence[Annotation],
    seen: Sequence[AnnotatedFrames],
    frames: Frames,
    names: Mapping[str, str],
) -> dict[str, Any]:
    """Return what an account says of events and of files."""
    unknown_us: Counter[str] = Counter()
    asked_us: Counter[str] = Counter()
    no_intervals: Counter[LeftOut] = Counter()
    renamed: dict[str, str] = {}
    for annotation, each in zip(annotations, seen, strict=True):
        behaviours = {interval.label for interval in annotation.intervals}
        renamed |= {name: label for name, label in each.renamed.items() if name in behaviours}
        unknown_us.update(each.unknown_us)
        # Without any labels, all are unknown: so their lengths are told.
        of_asked = replace(annotation, intervals=tuple(left_out_as_asked(annotation, names)))
        asked_us.update(annotate_frames(of_asked, frames, labels=(), names={}).unknown_us)
        no_intervals.update(annotation.left_out)
    return {
        "unknown_us": dict(unknown_us),
        "asked_us": dict(asked_us),
        "renamed": renamed,
        "events": sum(len(annotation.intervals) for annotation in annotations),
        "outside": sum(each.outside for each in seen),
        "cut": sum(each.cut for each in seen),
        "no_intervals": dict(no_intervals),
        "moved": sum(each.moved_us != 0 for each in seen),
        "encodings": dict(Counter(each.read_as for each in annotations if each.read_as)),
    }
