"""An ethogram: which behaviour, when.

Times are whole microseconds, rounded once, where a frame is timed. So sums are exact, whatever
their order, and every table of a recording adds up to its duration to the last digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.frame_status import Status
from i3d_ethogram.smoothing import Smoothing

UNSCORED = -1


@dataclass(frozen=True, kw_only=True)
class Ethogram:
    """One recording, as runs of frames that have one label, or none for one reason.

    Runs follow one another without gaps and cover every frame: run i holds the frames
    ``[first_frames[i], first_frames[i + 1])``, shown during ``[times_us[i], times_us[i + 1])``.
    Neighbours differ in code or status. A bout is a run that is scored.

    Attributes:
        name: the recording's folder, relative to the folder of all results.
        labels: the contract's, in its order.
        first_frames: (r + 1,) int64, increasing; the last is the frame after the recording's end.
        times_us: (r + 1,) int64, increasing, µs from the recording's first frame.
        codes: (r,) int16, indices of ``labels``; ``UNSCORED`` where there is none.
        statuses: (r,) uint8, values of ``Status``.
        scores: (r,) float64: the mean over the run's frames of the probability of its label, 0 … 1;
            NaN where it is unscored.
        fps: frames per second, as the first video's header says.
        recorded_at: when the recording began, by the clock on the wall; None if it is not known.
        smoothing: what made the runs from the network's answers.
        run: the content of run.json.
    """

    name: str
    labels: tuple[str, ...]
    first_frames: NDArray[np.int64]
    times_us: NDArray[np.int64]
    codes: NDArray[np.int16]
    statuses: NDArray[np.uint8]
    scores: NDArray[np.float64]
    fps: float
    recorded_at: datetime | None
    smoothing: Smoothing
    run: Mapping[str, Any]

    @property
    def duration_us(self) -> int:
        """From the first frame that was classified to the end of the last one, in µs."""
        return int(self.times_us[-1] - self.times_us[0])

    @property
    def durations_us(self) -> NDArray[np.int64]:
        """Of each run: (r,) int64, µs."""
        return np.diff(self.times_us)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which runs are bouts: (r,) bool."""
        scored: NDArray[np.bool_] = self.statuses == Status.SCORED
        return scored


def seconds_text(microseconds: int) -> str:
    """Write µs as seconds with six decimals, exactly."""
    sign = "-" if microseconds < 0 else ""
    whole, rest = divmod(abs(int(microseconds)), 1_000_000)
    return f"{sign}{whole}.{rest:06}"
