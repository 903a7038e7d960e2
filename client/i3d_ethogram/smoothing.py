"""Smoothing of labels. Off by default, and never across unscored frames.

A stretch is what lies between unscored frames, or between them and an end of the recording. Each
rule sees one stretch at a time, and gives every one of its frames a label: which frames are scored,
and so every total, stays as it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import InputError, ResultError
from i3d_client.frame_status import Status
from i3d_client.scores_file import FrameBatch

OTHER_LABELS = ""
"""In ``minimum_bout_s``: every label that is not named there. No label is empty."""

_UNSCORED = -1  # ethogram.UNSCORED; that module imports this one
_FRAMES_AT_ONCE = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """Rules, applied in the order of the attributes; a rule that is None or empty is off.

    A bout that becomes part of another takes its label. The lengths that a rule goes by are those
    that the bouts had before it, so a bout does not grow past a limit by what was joined to it.

    Attributes:
        hysteresis: (enter, leave), 0 … 1 with leave ≤ enter: a label holds until its probability
            falls below ``leave`` or another one, being the most probable, reaches ``enter``; then
            the most probable one holds.
        median_frames: odd; each label becomes the most frequent one of so many frames around it,
            fewer near an end of a stretch. Of equally frequent ones the frame's own stays, or else
            the one that comes first. For two labels it is the median.
        merge_bouts_frames: bouts of so many frames or fewer become part of the bout before them;
            the first of a stretch stays as it is.
        merge_label_frames: the same for single labels, by label.
        minimum_bout_s: bouts of a label that last less become part of the bout before them. The
            first of a stretch becomes part of the one after it, which then is the first. A bout
            that is alone in its stretch stays. ``OTHER_LABELS`` stands for those not named.
    """

    hysteresis: tuple[float, float] | None = None
    median_frames: int | None = None
    merge_bouts_frames: int | None = None
    merge_label_frames: Mapping[str, int] = field(default_factory=dict)
    minimum_bout_s: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check every rule.

        Raises:
            InputError: names the rule, its value and what was expected.
        """
        if self.hysteresis is not None:
            enter, leave = self.hysteresis
            rule = "two probabilities, 0 to 1, the second not above the first"
            _require(0 <= leave <= enter <= 1, "hysteresis", self.hysteresis, rule)
        if self.median_frames is not None:
            odd = _is_count(self.median_frames) and self.median_frames % 2 == 1
            _require(odd, "median", self.median_frames, "an odd number of frames")
        if self.merge_bouts_frames is not None:
            frames = self.merge_bouts_frames
            _require(_is_count(frames), "merge bouts", frames, "frames, at least 1")
        for label, frames in self.merge_label_frames.items():
            _require(_is_count(frames), f"merge bouts of {label!r}", frames, "frames, at least 1")
        for label, seconds in self.minimum_bout_s.items():
            named = f"minimum bout of {label!r}" if label != OTHER_LABELS else "minimum bout"
            positive = math.isfinite(seconds) and seconds > 0
            _require(positive, named, seconds, "seconds, above 0")

    def check_labels(self, labels: Sequence[str]) -> None:
        """Refuse rules for labels that there are not.

        Raises:
            ResultError: names them, and some of those that there are.
        """
        named = [*self.merge_label_frames, *self.minimum_bout_s]
        unknown = sorted({label for label in named if label not in (*labels, OTHER_LABELS)})
        if unknown:
            known = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
            raise ResultError(
                f"smoothing has a rule for {unknown}, which the model does not know. Its labels: "
                f"{known}. Leave the rule out, or name one of these"
            )

    def as_document(self) -> dict[str, Any]:
        """Return the rules that are on, as plain values for JSON; empty if none is."""
        rules = {
            "hysteresis": None if self.hysteresis is None else list(self.hysteresis),
            "median_frames": self.median_frames,
            "merge_bouts_frames": self.merge_bouts_frames,
            "merge_label_frames": dict(self.merge_label_frames) or None,
            "minimum_bout_s": dict(self.minimum_bout_s) or None,
        }
        return {name: rule for name, rule in rules.items() if rule is not None}


NO_SMOOTHING = Smoothing()


class Runs(NamedTuple):
    """Runs of frames, as ``Ethogram`` has them."""

    first_frames: NDArray[np.int64]
    times_us: NDArray[np.int64]
    codes: NDArray[np.int16]
    statuses: NDArray[np.uint8]


def frame_codes(
    batch: FrameBatch, smoothing: Smoothing, *, before: int = _UNSCORED
) -> NDArray[np.int16]:
    """Return each frame's label: the most probable one, or what hysteresis makes of it.

    What is returned for a frame does not depend on how a recording is cut into batches.

    Args:
        batch: consecutive frames.
        smoothing: its ``hysteresis`` alone is applied.
        before: what was returned for the frame before the batch; ``UNSCORED`` for the first.

    Returns:
        (m,) int16, indices of the labels; ``UNSCORED`` for unscored frames; of equally probable
        labels the contract's first.
    """
    codes: NDArray[np.int16] = batch.probabilities.argmax(axis=1).astype(np.int16)
    scored = batch.statuses == Status.SCORED
    codes[~scored] = _UNSCORED
    if smoothing.hysteresis is not None and len(codes):
        _hold(codes, scored, batch.probabilities, smoothing.hysteresis, before)
    return codes


def _hold(
    codes: NDArray[np.int16],
    scored: NDArray[np.bool_],
    probabilities: NDArray[np.float32],
    hysteresis: tuple[float, float],
    before: int,
) -> None:
    """Let labels last, in place."""
    enter, leave = (np.float32(limit) for limit in hysteresis)
    undecided = np.flatnonzero(scored & (probabilities.max(axis=1) < enter))
    lasts = (probabilities >= leave).tobytes()  # a byte a cell, quicker to ask than an array
    classes = probabilities.shape[1]
    for frame in undecided.tolist():
        last = int(codes[frame - 1]) if frame else before
        if last != _UNSCORED and lasts[frame * classes + last]:
            codes[frame] = last


def median_codes(codes: NDArray[np.int16], frames: int) -> NDArray[np.int16]:
    """Return for each frame the most frequent label of the ``frames`` around it.

    Args:
        codes: (n,) int16; ``UNSCORED`` parts stretches and stays.
        frames: odd.

    Returns:
        (n,) int16, by the rule of ``Smoothing.median_frames``.
    """
    smooth = codes.copy()
    edges = np.diff((codes != _UNSCORED).astype(np.int8), prepend=0, append=0)
    for first, stop in zip(np.flatnonzero(edges > 0), np.flatnonzero(edges < 0), strict=True):
        for start in range(first, stop, _FRAMES_AT_ONCE):
            end = min(start + _FRAMES_AT_ONCE, stop)
            low, high = max(first, start - frames // 2), min(stop, end + frames // 2)
            smooth[start:end] = _modes(codes[low:high], frames // 2)[start - low : end - low]
    return smooth


def _modes(codes: NDArray[np.int16], reach: int) -> NDArray[np.int16]:
    """Return each frame's most frequent label of those up to ``reach`` frames away, (m,) int16."""
    size = len(codes)
    present = np.unique(codes)
    if len(present) == 1:
        return codes
    place = np.arange(size)
    low, high = np.maximum(place - reach, 0), np.minimum(place + reach + 1, size)
    best = codes.copy()
    most, earliest, own = np.zeros(size, np.int64), np.zeros(size, np.int64), np.zeros(size, int)
    for code in present:
        here = codes == code
        counts = np.append(0, np.cumsum(here))
        count = counts[high] - counts[low]
        # The label's first frame at or after each place: where the window holds it, in the window.
        after = np.minimum.accumulate(np.where(here, place, size)[::-1])[::-1][low]
        better = (count > most) | ((count == most) & (after < earliest))
        best[better], most[better], earliest[better] = code, count[better], after[better]
        own[here] = count[here]
    return np.where(own == most, codes, best)


def merge_runs(
    *,
    first_frames: NDArray[np.int64],
    times_us: NDArray[np.int64],
    codes: NDArray[np.int16],
    statuses: NDArray[np.uint8],
    labels: Sequence[str],
    smoothing: Smoothing,
) -> Runs:
    """Make short bouts part of their neighbours.

    Each rule passes once over the bouts from left to right; after it, neighbours of one label are
    one bout. Seconds are compared as whole µs: frames that last so long or longer still do when
    their times are rounded.

    Args:
        first_frames: as in ``Ethogram``, and so the three that follow.
        times_us: as above.
        codes: as above.
        statuses: as above.
        labels: the contract's.
        smoothing: its ``merge_…`` and ``minimum_bout_s`` are applied.

    Raises:
        ResultError: a rule is for a label that is not among ``labels``.
    """
    smoothing.check_labels(labels)
    runs = Runs(first_frames, times_us, codes, statuses)
    if smoothing.merge_bouts_frames is not None:
        limit = smoothing.merge_bouts_frames
        runs = _merge(runs, np.diff(runs.first_frames) <= limit)
    if smoothing.merge_label_frames:
        limits = _by_label(labels, smoothing.merge_label_frames.get, 0)
        runs = _merge(runs, np.diff(runs.first_frames) <= limits[runs.codes])
    if smoothing.minimum_bout_s:
        seconds = smoothing.minimum_bout_s
        others = seconds.get(OTHER_LABELS, 0.0)
        least = _by_label(labels, lambda label: round(seconds.get(label, others) * 1e6), 0)
        runs = _merge_below(runs, least)
    return runs


def _by_label(
    labels: Sequence[str], limit: Callable[[str], int | None], otherwise: int
) -> NDArray[np.int64]:
    """Return a limit a label, (K + 1,) int64; the last one, where ``UNSCORED`` points, is none."""
    return np.array([*(limit(label) or otherwise for label in labels), otherwise], np.int64)


def _begins_stretch(runs: Runs) -> NDArray[np.bool_]:
    """Mark the bouts that have none before them in their stretch, (r,) bool."""
    scored = runs.statuses == Status.SCORED
    begins: NDArray[np.bool_] = scored & ~np.append(False, scored[:-1])
    return begins


def _merge(runs: Runs, short: NDArray[np.bool_]) -> Runs:
    """Make each bout that is short part of the one before it, if there is one in its stretch."""
    scored = runs.statuses == Status.SCORED
    absorbed = short & scored & ~_begins_stretch(runs)
    into = np.maximum.accumulate(np.where(absorbed, 0, np.arange(len(absorbed))))
    return _joined(runs._replace(codes=runs.codes[into]))


def _merge_below(runs: Runs, least_us: NDArray[np.int64]) -> Runs:
    lengths = np.diff(runs.times_us)
    least = least_us[runs.codes]
    short, codes = lengths < least, runs.codes.copy()
    stretch_goes_on = np.append(runs.statuses[1:] == Status.SCORED, False)
    for first in np.flatnonzero(_begins_stretch(runs) & short).tolist():
        last, length = first, int(lengths[first])
        while length < least[last] and stretch_goes_on[last]:
            last += 1
            length += int(lengths[last])
        codes[first : last + 1] = codes[last]
    return _merge(runs._replace(codes=codes), short)


def _joined(runs: Runs) -> Runs:
    """Make neighbours of one code and one status one run."""
    if not len(runs.codes):
        return runs
    differs = (np.diff(runs.codes) != 0) | (np.diff(runs.statuses) != 0)
    begins = np.append(True, differs)
    return Runs(
        runs.first_frames[np.append(begins, True)],
        runs.times_us[np.append(begins, True)],
        runs.codes[begins],
        runs.statuses[begins],
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _require(condition: bool, rule: str, value: object, expected: str) -> None:
    if not condition:
        raise InputError(f"smoothing, {rule}: expected {expected}, got {value!r}")
