"""Why a frame has a label, or has none."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame
from i3d_client.windows import WindowGrid


class Status(IntEnum):
    """Of a frame; its lower-case name is what tables say."""

    SCORED = 0
    """A window labels it."""
    BEFORE_FIRST = 1
    """It comes before those that the first window labels (``label_frame: last``)."""
    LOST = 2
    """It could not be decoded."""
    NEAR_LOST = 3
    """Every window that would label it contains a frame that could not be decoded."""
    GIVEN_UP = 4
    """It lies in a span that was given up: the workers that decoded it died."""


STATUS_NAMES = tuple(status.name.lower() for status in Status)


def frame_statuses(
    labelling: NDArray[np.int64],
    *,
    first_frame: int,
    grid: WindowGrid,
    label_frame: LabelFrame,
    lost_frames: NDArray[np.int64],
    given_up: Sequence[tuple[int, int]],
) -> NDArray[np.uint8]:
    """Say of frames from ``first_frame`` on why each has a label or has none.

    Args:
        labelling: (m,) int64, the window that labels each; negative where there is none.
        first_frame: number of the first of them; the recording's first frame is 0.
        grid: of the recording.
        label_frame: the contract's.
        lost_frames: (lost,) int64, increasing.
        given_up: the windows ``[first, stop)`` of every span that was given up.

    Returns:
        (m,) uint8, values of ``Status``.
    """
    statuses = np.zeros(len(labelling), np.uint8)
    without = np.flatnonzero(labelling < 0)
    if not len(without):
        return statuses
    stop_frame = first_frame + len(labelling)
    wanted = grid.labelling_windows(
        first_frame, stop_frame, scored=np.ones(grid.count, np.bool_), label_frame=label_frame
    )[without]
    reasons = np.where(wanted < 0, Status.BEFORE_FIRST, Status.NEAR_LOST).astype(np.uint8)
    for first, stop in given_up:
        reasons[(wanted >= first) & (wanted < stop)] = Status.GIVEN_UP
    reasons[np.isin(without + first_frame, lost_frames)] = Status.LOST
    statuses[without] = reasons
    return statuses
