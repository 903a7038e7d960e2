"""From runs back to single frames, a part of a recording at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import UNSCORED, Ethogram


def codes_between(ethogram: Ethogram, first_frame: int, stop_frame: int) -> NDArray[np.int16]:
    """Return the label of each of the frames ``[first_frame, stop_frame)``.

    Frames are numbered as in the recording. Those that were not classified, since they come before
    ``--start`` or after ``--stop``, are unscored.

    Returns:
        (stop_frame − first_frame,) int16, indices of ``ethogram.labels``, or ``UNSCORED``.
    """
    frames = np.arange(first_frame, stop_frame, dtype=np.int64)
    runs = np.searchsorted(ethogram.first_frames, frames, side="right") - 1
    inside = (runs >= 0) & (runs < len(ethogram.codes))
    codes = np.full(len(frames), UNSCORED, np.int16)
    codes[inside] = ethogram.codes[runs[inside]]
    return codes
