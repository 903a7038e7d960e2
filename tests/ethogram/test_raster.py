from datetime import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ethogram.ethograms import ethograms
from tests.ethogram.synthetic import make_ethogram, random_bouts

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.page.raster import CELLS_US, RasterBudget


def most_time(ethogram: Ethogram, start_us: int, stop_us: int) -> tuple[int, int]:
    """The code with most time in [start, stop), by looking at every run; and that time."""
    spent: dict[int, int] = {}
    borders = pairwise(ethogram.times_us.tolist())
    for (begin, end), code in zip(borders, ethogram.codes.tolist(), strict=True):
        spent[code] = spent.get(code, 0) + max(0, min(end, stop_us) - max(begin, start_us))
    best = max(sorted(spent), key=lambda code: spent[code])
    return best, spent[best]


@settings(max_examples=30)
@given(ethograms(longest_run_us=20_000_000), st.integers(0, 3_599_999_999))
def test_each_cell_has_the_label_with_most_of_its_time(ethogram: Ethogram, starts_us: int) -> None:
    for most_cells in (10**9, 100, 30, 3):
        budget = RasterBudget(most_cells=most_cells)
        budget.add(ethogram, starts_us=starts_us)
        cell_us, (raster,) = budget.cell_us, budget.rasters
        assert raster.first == (ethogram.times_us[0] + starts_us) // cell_us
        stop = raster.first + len(raster.codes)
        assert stop == -(-(ethogram.times_us[-1] + starts_us) // cell_us)
        for place, code in enumerate(raster.codes.tolist()):
            start = (raster.first + place) * cell_us - starts_us
            assert code == most_time(ethogram, start, start + cell_us)[0]


def test_cells_get_longer_until_there_are_few_enough() -> None:
    budget = RasterBudget(most_cells=4_000)
    ethogram = make_ethogram(random_bouts(3600))
    for times, cell_us in enumerate([1_000_000, 3_000_000, 3_000_000, 6_000_000], start=1):
        budget.add(ethogram, starts_us=0)
        assert budget.cell_us == cell_us
        assert len(budget.rasters) == times
        assert sum(len(raster.codes) for raster in budget.rasters) <= 4_000


def test_the_longest_cells_are_kept_whatever_they_take() -> None:
    budget = RasterBudget(most_cells=1)
    for _ in range(3):
        budget.add(make_ethogram(random_bouts(3600)), starts_us=0)
    assert budget.cell_us == CELLS_US[-1]
    assert len(budget.rasters) == 3


def test_each_length_is_a_multiple_of_the_one_before_and_divides_the_hour() -> None:
    assert all(longer % shorter == 0 for shorter, longer in pairwise(CELLS_US))
    assert all(3_600_000_000 % cell_us == 0 for cell_us in CELLS_US)


@pytest.mark.parametrize("clock", [None, datetime(2026, 3, 3, 14, 20)])
def test_a_recording_without_frames_has_no_cells(clock: datetime | None) -> None:
    none = np.empty(0, np.int16)
    one = make_ethogram([("rest", 1)], recorded_at=clock)
    empty = Ethogram(
        **{
            **vars(one),
            "first_frames": np.zeros(1, np.int64),
            "times_us": np.zeros(1, np.int64),
            "codes": none,
            "statuses": none.astype(np.uint8),
            "scores": none.astype(np.float64),
        }
    )
    budget = RasterBudget(most_cells=10)
    budget.add(empty, starts_us=0)
    assert len(budget.rasters[0].codes) == 0


def test_unscored_time_fills_cells_like_a_label() -> None:
    budget = RasterBudget(most_cells=10**6)
    budget.add(make_ethogram([("rest", 2.4), (Status.LOST, 0.6), ("eat", 1)]), starts_us=0)
    assert budget.rasters[0].codes.tolist() == [6, 6, UNSCORED, 1]
