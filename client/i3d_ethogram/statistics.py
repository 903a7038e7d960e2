"""Numbers of one ethogram: how long, how often, what after what.

All in whole microseconds or counts, so that they add up exactly. A bout that was cut off (by the
recording's edge or by unscored frames) counts with the length that was seen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram


def budget_us(ethogram: Ethogram) -> tuple[NDArray[np.int64], int]:
    """Return the time of each label, (K,) int64, and the unscored time, µs.

    They add up to ``ethogram.duration_us``.
    """
    scored, lengths = ethogram.scored, ethogram.durations_us
    of_label = np.zeros(len(ethogram.labels), np.int64)
    np.add.at(of_label, ethogram.codes[scored], lengths[scored])
    return of_label, int(lengths[~scored].sum())


def bout_counts(ethogram: Ethogram) -> NDArray[np.int64]:
    """Return how many bouts each label has: (K,) int64."""
    return _counts(ethogram, ethogram.scored)


def cut_off_counts(ethogram: Ethogram) -> NDArray[np.int64]:
    """Return how many bouts of each label begin or end at an edge, so may have lasted longer.

    An edge is the beginning or the end of what was classified, or of unscored frames. (K,) int64.
    """
    known = np.concatenate([[False], ethogram.scored, [False]])
    return _counts(ethogram, ethogram.scored & ~(known[:-2] & known[2:]))


def bout_lengths_us(ethogram: Ethogram) -> list[NDArray[np.int64]]:
    """Return for each label the lengths of its bouts in order of time: K arrays of int64, µs."""
    scored = ethogram.scored
    codes, lengths = ethogram.codes[scored], ethogram.durations_us[scored]
    in_order = np.argsort(codes, kind="stable")
    borders = np.cumsum(bout_counts(ethogram))[:-1]
    return np.split(lengths[in_order], borders)


def transitions(ethogram: Ethogram) -> NDArray[np.int64]:
    """Count bouts that follow at once on a bout: (K, K) int64, from row to column.

    Bouts with unscored frames between them do not count: what came between is not known.
    """
    counts = np.zeros((len(ethogram.labels),) * 2, np.int64)
    scored, codes = ethogram.scored, ethogram.codes
    follows = scored[:-1] & scored[1:]
    np.add.at(counts, (codes[:-1][follows], codes[1:][follows]), 1)
    return counts


def first_bout_us(ethogram: Ethogram) -> list[int | None]:
    """Return when each label's first bout begins, µs from the first frame that was classified.

    None for a label without a bout.
    """
    scored = np.flatnonzero(ethogram.scored)
    codes, firsts = np.unique(ethogram.codes[scored], return_index=True)
    begins = ethogram.times_us[scored[firsts]] - ethogram.times_us[0]
    found = dict(zip(codes.tolist(), begins.tolist(), strict=True))
    return [found.get(code) for code in range(len(ethogram.labels))]


def _counts(ethogram: Ethogram, which: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.bincount(ethogram.codes[which], minlength=len(ethogram.labels)).astype(np.int64)
