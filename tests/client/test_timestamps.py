"""Timestamps come out as they went in, in order, and take about a byte each."""

import pickle
import tracemalloc
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.timestamps import TimestampCollector, Timestamps

DAY = 24 * 3600 * 30


def collected(values: Iterable[int]) -> Timestamps | None:
    collector = TimestampCollector()
    for value in values:
        collector.add(value)
    return collector.finish()


def milliseconds(count: int) -> np.ndarray:
    """30 frames a second as Matroska rounds them."""
    return np.round(np.arange(count) * 1000 / 30).astype(np.int64)


def as_decoded(values: np.ndarray) -> list[int]:
    """Each group of four as B-frames are stored: the last first."""
    groups = [values[start : start + 4] for start in range(0, len(values), 4)]
    return [value for group in groups for value in [*group[-1:].tolist(), *group[:-1].tolist()]]


@pytest.mark.parametrize("count", [1, 2, 4095, 4096, 4097, 70_000, 200_001])
def test_what_is_collected_comes_out_in_order(count: int) -> None:
    expected = milliseconds(count)
    found = collected(as_decoded(expected))
    assert found is not None
    assert len(found) == count
    np.testing.assert_array_equal(found[:], expected)
    np.testing.assert_array_equal(found[count // 3 : count - 1], expected[count // 3 : count - 1])
    assert found[-1] == expected[-1]
    assert found[count // 2] == expected[count // 2]


@pytest.mark.parametrize(
    "values",
    [
        np.cumsum(np.random.default_rng(1).integers(1, 2**40, 10_000)),
        np.array([-(2**62), 0, 2**62]),
        np.array([-5, -4, 7, 2**31, 2**31 + 1]),
        np.arange(9000) * 3003 - 6006,
    ],
)
def test_no_timestamp_is_changed(values: np.ndarray) -> None:
    found = collected(values.tolist())
    assert found is not None
    np.testing.assert_array_equal(found[:], values)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(found))[:], values)  # noqa: S301


def test_however_far_out_of_order() -> None:
    values = np.random.default_rng(2).permutation(150_000)
    found = collected(values.tolist())
    assert found is not None
    np.testing.assert_array_equal(found[:], np.arange(150_000))


@pytest.mark.parametrize("twice", [0, 5, 65_535, 65_536, 99_999])
def test_a_doubled_one_is_noticed(twice: int) -> None:
    values = list(range(100_000))
    assert collected([*values[: twice + 1], twice, *values[twice + 1 :]]) is None
    assert collected([*values, twice]) is None


def test_none_is_none() -> None:
    found = collected([])
    assert found is not None
    assert len(found) == len(found[:]) == found.count_to(3) == len(found.places(found)) == 0
    assert 3 not in found


@given(st.sets(st.integers(-60, 20_000), min_size=1), st.sets(st.integers(-70, 20_100)))
def test_places_are_those_of_a_plain_search(have: set[int], wanted: set[int]) -> None:
    values, others = np.array(sorted(have), np.int64), np.array(sorted(wanted), np.int64)
    # Enough of them for several blocks.
    values = np.concatenate([values, 20_000 + 3 * np.arange(1, 9000)])
    others = np.concatenate([others, 20_100 + 7 * np.arange(1, 4000)])
    found = Timestamps(values)
    np.testing.assert_array_equal(found.places(Timestamps(others)), np.searchsorted(values, others))
    for value in others[::500].tolist():
        assert found.count_to(value) == np.searchsorted(values, value, side="right")
        assert (value in found) == (value in values)


def test_a_day_takes_two_bytes_a_frame_and_little_more_on_the_way() -> None:
    values = as_decoded(milliseconds(DAY // 8))
    tracemalloc.start()
    try:
        found = collected(values)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert held < 2 * len(values)
    assert peak < held + 3_000_000
