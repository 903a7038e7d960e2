"""Ethograms at fixed and variable frame rates, for properties that all of them must have."""

from datetime import datetime, timedelta
from fractions import Fraction

import numpy as np
from hypothesis import strategies as st
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.smoothing import NO_SMOOTHING

RATES = (Fraction(30), Fraction(30_000, 1001), Fraction(25), None)  # None: variable


@st.composite
def any_ethogram(draw: st.DrawFn, *, longest_us: int = 3 * 3_600_000_000) -> Ethogram:
    """Up to 40 runs, from anywhere in a recording, by any clock."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    runs = int(rng.integers(1, 41))
    kinds = _kinds(rng, runs, len(HOMECAGE9))
    scored = kinds < len(HOMECAGE9)
    lengths = np.ceil(rng.exponential(draw(st.sampled_from([3, 3_000, 100_000])), runs)).astype(int)
    first_frame = draw(st.sampled_from([0, 7, 200_000]))
    first_frames = first_frame + np.concatenate([[0], np.cumsum(lengths)])
    rate = draw(st.sampled_from(RATES))
    clock = st.integers(0, 7_200_000_000).map(lambda us: timedelta(microseconds=us))
    after = draw(st.none() | clock)
    return Ethogram(
        name="mouse.mp4",
        labels=HOMECAGE9,
        first_frames=first_frames,
        times_us=_times_us(rng, first_frames, rate, longest_us),
        codes=np.where(scored, kinds, UNSCORED).astype(np.int16),
        statuses=np.where(scored, Status.SCORED, kinds - len(HOMECAGE9) + 1).astype(np.uint8),
        scores=np.where(scored, rng.random(runs), np.nan),
        fps=30.0,
        recorded_at=None if after is None else datetime(2026, 11, 25, 22) + after,
        smoothing=NO_SMOOTHING,
        run=make_ethogram([("rest", 1)]).run,
    )


def _kinds(rng: np.random.Generator, runs: int, labels: int) -> np.ndarray:
    """Labels, and after them the reasons for having none: no two neighbours the same."""
    number = labels + len(Status) - 1
    return np.cumsum(rng.integers(1, number, runs)) % number


def _times_us(
    rng: np.random.Generator, frames: np.ndarray, rate: Fraction | None, longest_us: int
) -> np.ndarray:
    if rate is not None:
        return np.array([round(int(frame) / rate * 1_000_000) for frame in frames], np.int64)
    return np.cumsum(rng.integers(1, max(2, longest_us // len(frames)), len(frames), np.int64))
