"""Which bouts of one sequence of labels are in another.

Frames say how much time is labelled alike; bouts say whether the same events were seen. A bout of
one sequence is found in the other if a bout of its label there overlaps it and begins at most the
tolerance earlier or later. Each bout is found once: the pairs whose beginnings are nearest go
first, so that a bout which was cut in two counts as found once, and the second part as too much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Bouts(NamedTuple):
    """Runs of frames with one label; (b,) each: label, first frame, frame after the last."""

    codes: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    def counts(self, num_labels: int) -> NDArray[np.int64]:
        """Return how many bouts each label has: (num_labels,) int64."""
        return np.bincount(self.codes, minlength=num_labels).astype(np.int64)


def bouts_of(codes: NDArray[np.int16], *, among: NDArray[np.bool_]) -> Bouts:
    """Return the bouts of a sequence of labels, of which at least half the frames are ``among``.

    Args:
        codes: (n,) int16; negative for frames without a label.
        among: (n,) bool: the frames that are compared.
    """
    if not len(codes):
        nothing = np.empty(0, np.int64)
        return Bouts(nothing, nothing, nothing)
    starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    stops = np.append(starts[1:], len(codes))
    counted = np.append(0, np.cumsum(among))
    compared = counted[stops] - counted[starts]
    kept = (codes[starts] >= 0) & (2 * compared >= stops - starts)
    return Bouts(codes[starts][kept].astype(np.int64), starts[kept], stops[kept])


def matched_bouts(
    one: Bouts, other: Bouts, *, times_us: NDArray[np.int64], tolerance_us: int
) -> list[tuple[int, int]]:
    """Return the pairs of bouts, as their places in ``one`` and ``other``, in order of time.

    Args:
        one: bouts, in order of time.
        other: bouts, in order of time.
        times_us: (n + 1,) int64: when each frame is shown.
        tolerance_us: most that their beginnings may differ.
    """
    candidates = []
    for code in np.intersect1d(one.codes, other.codes):
        here, there = np.flatnonzero(one.codes == code), np.flatnonzero(other.codes == code)
        onsets = times_us[other.starts[there]]
        for place in here.tolist():
            onset = times_us[one.starts[place]]
            first = np.searchsorted(onsets, onset - tolerance_us, side="left")
            last = np.searchsorted(onsets, onset + tolerance_us, side="right")
            for found in there[first:last].tolist():
                overlap = min(one.stops[place], other.stops[found]) > max(
                    one.starts[place], other.starts[found]
                )
                if overlap:
                    apart = abs(int(times_us[other.starts[found]] - onset))
                    candidates.append((apart, place, found))
    used_here: set[int] = set()
    used_there: set[int] = set()
    pairs = []
    for _, place, found in sorted(candidates):
        if place not in used_here and found not in used_there:
            used_here.add(place)
            used_there.add(found)
            pairs.append((place, found))
    return sorted(pairs)
