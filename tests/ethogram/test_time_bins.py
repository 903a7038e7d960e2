"""Time in bins: against a plain count of microseconds."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.ethogram.ethograms import ethograms
from tests.ethogram.synthetic import make_ethogram

from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.pictures.time_bins import time_in_bins
from i3d_ethogram.statistics import budget_us

ALL_GROUPS = [[0, 3], [1], [2, 4, 5, 6, 7, 8], [UNSCORED]]


@given(ethograms(labels=tuple("abcdefghi"), longest_run_us=30), st.data())
def test_each_bin_has_what_a_count_of_its_microseconds_has(
    ethogram: Ethogram, data: st.DataObject
) -> None:
    start, stop = (int(ethogram.times_us[end]) for end in (0, -1))
    near = st.integers(max(0, start - 20), stop + 20)
    edges = np.array(sorted(data.draw(st.lists(near, min_size=2, max_size=12))))
    code_at = np.repeat(ethogram.codes, ethogram.durations_us)
    expected = [
        [
            np.isin(code_at[max(a - start, 0) : max(b - start, 0)], codes).sum()
            for codes in ALL_GROUPS
        ]
        for a, b in pairwise(edges.tolist())
    ]
    assert time_in_bins(ethogram, ALL_GROUPS, edges).tolist() == expected


@given(ethograms())
def test_bins_add_up_to_the_time_of_each_label(ethogram: Ethogram) -> None:
    edges = np.linspace(ethogram.times_us[0] - 5e9, ethogram.times_us[-1] + 5e9, 77).astype(int)
    spent = time_in_bins(ethogram, [[code] for code in range(9)] + [[UNSCORED]], edges.clip(0))
    of_label, unscored = budget_us(ethogram)
    assert spent.sum(axis=0).tolist() == [*of_label.tolist(), unscored]


def test_bins_beyond_the_recording_are_empty() -> None:
    ethogram = make_ethogram([("rest", 2.0)])
    spent = time_in_bins(ethogram, [[6]], np.array([0, 1_000_000, 5_000_000, 9_000_000]))
    assert spent[:, 0].tolist() == [1_000_000, 1_000_000, 0]
