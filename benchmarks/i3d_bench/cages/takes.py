"""One bout as it is acted: its times, its chance, and how a living thing oscillates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i3d_bench.cages.bouts import Bout, path_of
from i3d_bench.cages.poses import Series
from i3d_bench.cages.stage import Stage

_TURN_S = 0.3


@dataclass(frozen=True, kw_only=True, eq=False)
class Take:
    """One bout, for the times that are asked.

    Attributes:
        bout: what is acted.
        stage: by whom and where.
        t: (frames,) seconds since the bout's start; before it and after its end too, since bouts
            are blended.
        rng: of this bout alone.
    """

    bout: Bout
    stage: Stage
    t: Series
    rng: np.random.Generator

    def constant(self, low: float, high: float) -> Series:
        """Return one value for the whole bout."""
        return np.full(len(self.t), self.rng.uniform(low, high))

    def wander(self, period_s: float) -> Series:
        """Return a slow, irregular course, about −1 … 1."""
        course = np.zeros(len(self.t))
        for factor, size in ((0.7, 0.5), (1.0, 0.35), (1.9, 0.25)):
            cycles = factor * self.rng.uniform(0.85, 1.15) * self.t / period_s
            course += size * np.sin(2 * np.pi * (cycles + self.rng.random()))
        return course

    def phase(self, low_hz: float, high_hz: float, *, irregular: float = 0.08) -> Series:
        """Return the phase, in radians, of an oscillation; a lively animal's is faster."""
        cycles = self.rng.uniform(low_hz, high_hz) * self.stage.animal.tempo * self.t
        return 2 * np.pi * (cycles + self.rng.random() + irregular * self.wander(0.9))

    def bursts(self, on_s: tuple[float, float], off_s: tuple[float, float]) -> Series:
        """Return 1 during bursts and 0 in pauses, with soft borders of a tenth of a second."""
        level = np.zeros(len(self.t))
        at = float(self.t[0]) - self.rng.uniform(0, on_s[1])
        while at < self.t[-1]:
            stop = at + self.rng.uniform(*on_s)
            level += np.clip((self.t - at) / 0.1, 0, 1) * np.clip((stop - self.t) / 0.1, 0, 1)
            at = stop + self.rng.uniform(*off_s)
        return np.clip(level, 0, 1)

    def path(self) -> tuple[Series, Series]:
        """Return the centre (px) and the facing; a turn takes a third of a second."""
        step = self.t[1] - self.t[0]
        half = max(1, round(_TURN_S / 2 / step))
        padded = np.concatenate(
            [
                self.t[0] + step * np.arange(-half, 0),
                self.t,
                self.t[-1] + step * np.arange(1, half + 1),
            ]
        )
        centre, facing = path_of(self.bout, self.stage, padded)
        kernel = np.full(2 * half + 1, 1 / (2 * half + 1))
        return np.convolve(centre, kernel, "valid"), np.convolve(facing, kernel, "valid")

    def hip(self) -> tuple[Series, Series]:
        """Return the hip's x (px) of an animal on all fours, and the facing."""
        centre, facing = self.path()
        return np.asarray(self.stage.hip(0.0, 1.0) * facing + centre), facing
