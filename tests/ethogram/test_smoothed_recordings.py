"""Smoothing of whole recordings, from the files that a run leaves: what it may not touch."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.ethogram.synthetic import HOMECAGE9, write_recording

from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.reading import read_ethogram
from i3d_ethogram.smoothing import Smoothing
from i3d_ethogram.smoothing_options import chosen_smoothing
from i3d_ethogram.tables.hours import hours_of

FRAMES = 4000
AUTHORS = chosen_smoothing(
    preset="authors", median_frames=None, merge_bouts=(), minimum_bout=(), hysteresis=None
)
RULES = {
    "authors": AUTHORS,
    "hysteresis": Smoothing(hysteresis=(0.9, 0.04)),
    "median": Smoothing(median_frames=31),
    "minimum bout": Smoothing(minimum_bout_s={"": 0.5, "rest": 8.0}),
    "all": Smoothing(
        hysteresis=(0.8, 0.04),
        median_frames=9,
        merge_bouts_frames=5,
        merge_label_frames={"rest": 150, "walk": 20},
        minimum_bout_s={"": 0.4},
    ),
}


def variable_times_us() -> np.ndarray:
    """A camera that is late now and then, and off for half an hour."""
    lengths = np.random.default_rng(5).integers(20_000, 60_000, FRAMES)
    lengths[1500] += 1_800_000_000
    return np.concatenate([[0], np.cumsum(lengths)])


def hasty_bouts() -> list[tuple[str, float]]:
    """Bouts of a frame to some seconds, as a network leaves them."""
    random = np.random.default_rng(6)
    labels = random.choice(HOMECAGE9, 400).tolist()
    return list(zip(labels, random.exponential(0.4, 400).tolist(), strict=True))


RATES = {
    "30": {"fps": Fraction(30)},
    "29.97": {"fps": Fraction(30_000, 1001)},
    "25": {"fps": Fraction(25)},
    "variable": {"times_us": variable_times_us()},
}


def runs_without_label(ethogram: Ethogram) -> list[tuple[int, int, int, int, int]]:
    """First frame, frame after the last, start, stop and status of each."""
    return [
        (
            int(ethogram.first_frames[run]),
            int(ethogram.first_frames[run + 1]),
            int(ethogram.times_us[run]),
            int(ethogram.times_us[run + 1]),
            int(ethogram.statuses[run]),
        )
        for run in np.flatnonzero(ethogram.codes == UNSCORED)
    ]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("rule", RULES)
def test_totals_and_unscored_frames_stay(tmp_path: Path, rate: str, rule: str) -> None:
    write_recording(
        tmp_path,
        num_frames=FRAMES,
        bouts=hasty_bouts(),
        lost_frames=[700, 701, 1400, 2600],
        given_up=(1600, 1700),
        **RATES[rate],
    )
    plain = read_ethogram(tmp_path, "mouse.mp4")
    smooth = read_ethogram(tmp_path, "mouse.mp4", smoothing=RULES[rule])
    assert len(smooth.codes) < len(plain.codes), "the rule did something"
    assert len(runs_without_label(plain)) >= 5
    assert runs_without_label(smooth) == runs_without_label(plain)
    assert smooth.duration_us == plain.duration_us
    for before, after in zip(hours_of(plain), hours_of(smooth), strict=True):
        assert after.total_us == before.total_us
        assert after.unscored_us == before.unscored_us
        assert after.label_us.sum() == before.label_us.sum()
        assert int(after.label_us.sum()) + after.unscored_us == after.total_us
    scored = smooth.codes != UNSCORED
    assert (smooth.scored == scored).all()
    assert np.isfinite(smooth.scores[scored]).all()
