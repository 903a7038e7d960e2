"""Which class each window of a recording is of, and what of it may be trained on.

A window is of the class of its label frame, the frame that the served model's label is for. It is
trained on only if at least half of its frames are of that class: a window of two behaviours shows
the head both under one name. The others are measured all the same, since a served model meets them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame
from i3d_client.windows import WindowGrid
from i3d_ethogram.annotations.annotation import Annotation, Interval
from i3d_ethogram.compare.annotated_frames import (
    OVERLAPPING,
    UNANNOTATED,
    UNKNOWN,
    Frames,
    annotate_frames,
)
from i3d_fit.account import Account
from i3d_fit.accounting import (
    NOT_SCORED,
    count_events,
    count_frames,
    count_windows,
    left_out_as_asked,
    reasons_of,
)
from i3d_fit.errors import AnnotationsError

_ANY = "any"


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedWindows:
    """The annotations of a recording, on its windows and frames.

    Attributes:
        codes: (windows,) int16, the index of the class of the label frame; or why there is none:
            ``UNANNOTATED``, ``OVERLAPPING`` or ``UNKNOWN`` of
            ``i3d_ethogram.compare.annotated_frames``, or ``NOT_SCORED``.
        pure: (windows,) bool: at least half of the window's frames, its label frame included, are
            of its class, so that it may be trained on.
        frame_codes: (frames,) int16, likewise, of each frame.
        account: what became of the annotations.
    """

    codes: NDArray[np.int16]
    pure: NDArray[np.bool_]
    frame_codes: NDArray[np.int16]
    account: Account


def annotate_windows(
    annotations: Sequence[Annotation],
    frames: Frames,
    *,
    grid: WindowGrid,
    label_frame: LabelFrame,
    labels: Sequence[str],
    names: Mapping[str, str],
    background: str | None,
    scored: NDArray[np.bool_] | None = None,
) -> AnnotatedWindows:
    """Say what each window of a recording is annotated as.

    A frame that several annotations of the recording give different classes is ``OVERLAPPING``;
    where one says nothing, another's word holds. Within an annotated stretch, a frame of which
    none says anything is of the background. Such a stretch is all that lies between an annotation's
    first start and last stop, or, of a file with a row a frame, the rows in which somebody looked.

    Args:
        annotations: of this recording; none is as if nobody had looked.
        frames: of the recording.
        grid: its windows.
        label_frame: which of a window's frames its label is for.
        labels: the classes (``labels.choose_labels``).
        names: the class for a behaviour of another name; an empty one leaves the behaviour out,
            also of the background.
        background: the one of the classes that what is annotated as none of the others is of; None
            leaves it without a label.
        scored: (windows,) bool: the windows that have features; None: all.

    Raises:
        AnnotationsError: the recording has another number of frames than its windows are of, or
            the background is no class.
        InputError: ``names`` has a class that there is not.
    """
    count = len(frames.times_us) - 1
    if grid.num_frames != count:
        raise AnnotationsError(f"expected {grid.num_frames} frames, as the windows, got {count}")
    if background is not None and background not in labels:
        raise AnnotationsError(f"background: expected one of {list(labels)}, got {background!r}")
    seen = [
        annotate_frames(annotation, frames, labels=labels, names=_occurring(names, annotation))
        for annotation in annotations
    ]
    codes = _together([each.codes for each in seen], count)
    asked = _frames_of(
        annotations, frames, [left_out_as_asked(each, names) for each in annotations]
    )
    filled = np.zeros(count, np.bool_)
    if background is not None:
        looked_at = _frames_of(annotations, frames, [_stretches(each) for each in annotations])
        filled = (codes == UNANNOTATED) & looked_at & ~asked
        codes[filled] = labels.index(background)
    starts, stops = grid.starts(0, grid.count), grid.stops(0, grid.count)
    label_frames = stops - 1
    if label_frame == "centre":
        label_frames = np.minimum(starts + grid.clip_frames // 2, stops - 1)
    windows = codes[label_frames]
    pure = _mostly_one(windows, codes, starts, stops)
    if scored is not None:
        windows, pure = np.where(scored, windows, np.int16(NOT_SCORED)), pure & scored
    reasons = reasons_of(codes, seen, asked)
    account = Account(
        labels=tuple(labels),
        background=background,
        recordings=1,
        **count_frames(codes, reasons, filled, labels=labels, times_us=frames.times_us),
        **count_windows(windows, pure, reasons, label_frames, labels=labels),
        **count_events(annotations, seen, frames, names),
    )
    return AnnotatedWindows(codes=windows, pure=pure, frame_codes=codes, account=account)


def _occurring(names: Mapping[str, str], annotation: Annotation) -> dict[str, str]:
    """Return those of the names that this annotation has use for."""
    behaviours = {interval.label for interval in annotation.intervals}
    return {name: label for name, label in names.items() if name in behaviours}


def _together(each: Sequence[NDArray[np.int16]], count: int) -> NDArray[np.int16]:
    """Return what several annotations say of each frame: (count,) int16."""
    codes = np.full(count, UNANNOTATED, np.int16)
    for its in each:
        free = (codes == UNANNOTATED) | ((codes == UNKNOWN) & (its != UNANNOTATED))
        differs = (its == OVERLAPPING) | ((codes >= 0) & (its >= 0) & (codes != its))
        codes = np.where(free, its, np.where(differs, np.int16(OVERLAPPING), codes))
    return codes


def _stretches(annotation: Annotation) -> list[Interval]:
    """Return where somebody looked, as one behaviour."""
    stretches = annotation.looked_at
    if not stretches and annotation.intervals:
        starts, stops = zip(
            *((each.start, each.stop) for each in annotation.intervals), strict=True
        )
        stretches = ((min(starts), max(stops)),)
    return [Interval(label=_ANY, start=start, stop=stop) for start, stop in stretches]


def _frames_of(
    annotations: Sequence[Annotation], frames: Frames, each: Sequence[Sequence[Interval]]
) -> NDArray[np.bool_]:
    """Return which frames some intervals hold: (frames,) bool.

    Args:
        annotations: of the recording.
        frames: of the recording.
        each: intervals on each annotation's clock.
    """
    held = np.zeros(len(frames.times_us) - 1, np.bool_)
    for annotation, intervals in zip(annotations, each, strict=True):
        same = tuple(replace(interval, label=_ANY) for interval in intervals)
        alone = replace(annotation, intervals=same, labels=(_ANY,))
        held |= annotate_frames(alone, frames, labels=(_ANY,), names={}).codes == 0
    return held


def _mostly_one(
    windows: NDArray[np.int16],
    codes: NDArray[np.int16],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return which windows have a class that at least half of their frames are of."""
    mostly = np.zeros(len(windows), np.bool_)
    for code in np.unique(windows[windows >= 0]):
        before = np.concatenate([[0], np.cumsum(codes == code)])
        of_it = before[stops] - before[starts]
        mostly |= (windows == code) & (2 * of_it >= stops - starts)
    return mostly
