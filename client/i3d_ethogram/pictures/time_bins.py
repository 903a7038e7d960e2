"""How long each behaviour takes in each of many short stretches of time: what pictures draw."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram


def time_in_bins(
    ethogram: Ethogram, groups: Sequence[Sequence[int]], edges_us: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the time that each group of codes takes in each bin, µs.

    Takes as long for a day as there are runs in it, whatever the bins.

    Args:
        ethogram: the recording.
        groups: of indices of its labels; ``UNSCORED`` stands for unscored frames.
        edges_us: (b + 1,) int64, not decreasing, µs from the recording's first frame. Bins may
            reach beyond the recording: there, no group takes any time.

    Returns:
        (b, len(groups)) int64.
    """
    spent = np.zeros((len(edges_us) - 1, len(groups)), np.int64)
    run = np.searchsorted(ethogram.times_us, edges_us, side="right") - 1
    run = run.clip(0, len(ethogram.codes) - 1)
    into_run = (edges_us - ethogram.times_us[run]).clip(0, ethogram.durations_us[run])
    for column, codes in enumerate(groups):
        mine = np.isin(ethogram.codes, codes)
        before = np.concatenate([[0], np.cumsum(np.where(mine, ethogram.durations_us, 0))])
        spent[:, column] = np.diff(before[run] + np.where(mine[run], into_run, 0))
    return spent
