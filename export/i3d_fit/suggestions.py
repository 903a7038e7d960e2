"""What to annotate next: the stretches of which a model is least sure.

A window's margin is the probability of its first class less that of its second (Scheffer et al.
2001; margin sampling). Windows next to each other show much the same, so stretches of a recording
are kept apart, and recordings take turns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNSURE_BELOW = 0.3
"""Margin up to which a window joins the stretch beside it."""

SURE_FROM = 0.6
"""Margin from which a stretch is left out, if there are less sure ones: 80 % against 20 %."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredRecording:
    """The windows of a recording, as a model answered them.

    Attributes:
        name: of the recording.
        probabilities: (n, K); rows that are not finite, or add up to nothing, are not scored.
        starts: (n,) int64, first frame of each window, rising.
        annotated: (n,) bool: a person has said what it is.
        times_us: (frames + 1,) int64, µs: when each frame is shown, and when the last one ends.
    """

    name: str
    probabilities: NDArray[np.floating[Any]]
    starts: NDArray[np.int64]
    annotated: NDArray[np.bool_]
    times_us: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """A stretch to annotate.

    Attributes:
        recording: its name.
        start_frame: first frame.
        stop_frame: the frame after the last.
        start_s: when it begins, s.
        stop_s: when it ends, s.
        first: the class of its least sure window.
        second: the class that it could have been.
        margin: probability of the one less that of the other, 0 … 1.
    """

    recording: str
    start_frame: int
    stop_frame: int
    start_s: float
    stop_s: float
    first: str
    second: str
    margin: float

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def suggest(
    recordings: Iterable[ScoredRecording],
    *,
    labels: tuple[str, ...],
    clip_frames: int,
    count: int = 20,
    longest_s: float = 5.0,
) -> list[Suggestion]:
    """Return at most ``count`` stretches, the least sure first; none that the model is sure of.

    If it is sure of all, the least sure are returned all the same. Recordings share the count
    evenly, as far as they have enough windows. A stretch holds a whole window at least, even one
    longer than ``longest_s``; two of a recording are ``longest_s`` apart.

    Args:
        recordings: taken one after the other, so they need not be in memory together.
        labels: K names, those of the columns of ``probabilities``.
        clip_frames: T, frames of a window.
        count: of all recordings together.
        longest_s: of a stretch.
    """
    found = [
        _of_recording(one, labels=labels, clip_frames=clip_frames, count=count, longest_s=longest_s)
        for one in recordings
    ]
    ranked = sorted(
        ((turn, one) for stretches in found for turn, one in enumerate(stretches)),
        key=lambda entry: (entry[0], entry[1].margin),
    )
    ranked = [entry for entry in ranked if entry[1].margin < SURE_FROM] or ranked
    return sorted((one for _, one in ranked[:count]), key=lambda one: one.margin)


def _of_recording(
    recording: ScoredRecording,
    *,
    labels: tuple[str, ...],
    clip_frames: int,
    count: int,
    longest_s: float,
) -> list[Suggestion]:
    """Return at most ``count`` stretches of a recording, the least sure first."""
    margins, firsts, seconds = _margins(recording.probabilities)
    stops = np.minimum(recording.starts + clip_frames, len(recording.times_us) - 1)
    begin, end = recording.times_us[recording.starts], recording.times_us[stops]
    longest_us = round(longest_s * 1e6)
    free = np.isfinite(margins) & ~recording.annotated
    found: list[Suggestion] = []
    for window in np.argsort(margins, kind="stable"):
        if len(found) == count:
            break
        if not free[window]:
            continue
        unsure = free & (margins < UNSURE_BELOW)
        first, last = _grow(int(window), unsure, margins, begin, end, longest_us)
        found.append(
            Suggestion(
                recording=recording.name,
                start_frame=int(recording.starts[first]),
                stop_frame=int(stops[last]),
                start_s=float(begin[first]) / 1e6,
                stop_s=float(end[last]) / 1e6,
                first=labels[firsts[window]],
                second=labels[seconds[window]],
                margin=float(margins[window]),
            )
        )
        free &= (end <= begin[first] - longest_us) | (begin >= end[last] + longest_us)
    return found


def _grow(
    window: int,
    unsure: NDArray[np.bool_],
    margins: NDArray[np.float64],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    longest_us: int,
) -> tuple[int, int]:
    """Return the first and the last window of a stretch around a window."""
    first = last = window
    while True:
        sides = [
            (margins[beside], new_first, new_last)
            for beside, new_first, new_last in (
                (first - 1, first - 1, last),
                (last + 1, first, last + 1),
            )
            if 0 <= beside < len(margins)
            and unsure[beside]
            and end[new_last] - begin[new_first] <= longest_us
        ]
        if not sides:
            return first, last
        _, first, last = min(sides)


def _margins(
    probabilities: NDArray[np.floating[Any]],
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Return margins (n,) float64, NaN if not scored, and the first and second class (n,) int64."""
    rows = np.arange(len(probabilities))
    scored = np.isfinite(probabilities).all(axis=1) & (probabilities.sum(axis=1) > 0)
    first = probabilities.argmax(axis=1)
    others = probabilities.astype(np.float64)
    others[rows, first] = -np.inf
    second = others.argmax(axis=1)
    margins = probabilities[rows, first] - others[rows, second]
    return np.where(scored, margins, np.nan), first, second
