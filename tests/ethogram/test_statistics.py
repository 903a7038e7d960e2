"""Numbers of an ethogram: against answers worked out by hand, and sums that must be exact."""

import numpy as np
import pytest
from hypothesis import given
from tests.ethogram.ethograms import ethograms
from tests.ethogram.synthetic import make_ethogram

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.statistics import (
    bout_counts,
    bout_lengths_us,
    budget_us,
    cut_off_counts,
    first_bout_us,
    transitions,
)

LABELS = ("rest", "walk", "groom", "hang")
#: 0–1 unscored, then rest 2 s, walk 1 s, rest 3 s, a second lost, walk 4 s, groom 5 s.
EXAMPLE = make_ethogram(
    [
        (Status.BEFORE_FIRST, 1.0),
        ("rest", 2.0),
        ("walk", 1.0),
        ("rest", 3.0),
        (Status.LOST, 1.0),
        ("walk", 4.0),
        ("groom", 5.0),
    ],
    labels=LABELS,
)
SECOND = 1_000_000


def test_time_of_each_label_and_unscored_time() -> None:
    of_label, unscored = budget_us(EXAMPLE)
    assert of_label.tolist() == [5 * SECOND, 5 * SECOND, 5 * SECOND, 0]
    assert unscored == 2 * SECOND


def test_bouts_are_counted_and_measured_by_label() -> None:
    assert bout_counts(EXAMPLE).tolist() == [2, 2, 1, 0]
    assert [lengths.tolist() for lengths in bout_lengths_us(EXAMPLE)] == [
        [2 * SECOND, 3 * SECOND],
        [1 * SECOND, 4 * SECOND],
        [5 * SECOND],
        [],
    ]


def test_the_lengths_of_many_bouts_stay_in_order_of_time() -> None:
    bouts = [(("rest", "walk")[at % 2], 0.1 * (1 + at * 7 % 40)) for at in range(80)]
    lengths = bout_lengths_us(make_ethogram(bouts, labels=LABELS))[1].tolist()
    expected = [seconds * 1_000_000 for label, seconds in bouts if label == "walk"]
    assert lengths == pytest.approx(expected, abs=34_000)  # a frame


def test_bouts_that_touch_unscored_frames_or_an_edge_are_cut_off() -> None:
    # rest: after the unscored frames, and before the lost ones; walk: after them; groom: at the end
    assert cut_off_counts(EXAMPLE).tolist() == [2, 1, 1, 0]


def test_a_bout_between_two_bouts_is_not_cut_off() -> None:
    alone = make_ethogram([("rest", 1.0), ("walk", 1.0), ("rest", 1.0)], labels=LABELS)
    assert cut_off_counts(alone).tolist() == [2, 0, 0, 0]


def test_transitions_do_not_reach_across_unscored_frames() -> None:
    expected = np.zeros((4, 4), int)
    expected[0, 1] = expected[1, 0] = expected[1, 2] = 1  # not rest → walk across the lost second
    assert transitions(EXAMPLE).tolist() == expected.tolist()


def test_latency_counts_from_the_first_classified_frame() -> None:
    assert first_bout_us(EXAMPLE) == [1 * SECOND, 3 * SECOND, 12 * SECOND, None]


def test_latency_of_a_part_counts_from_where_the_part_begins() -> None:
    part = Ethogram(**{**vars(EXAMPLE), "times_us": EXAMPLE.times_us + 60 * SECOND})
    assert first_bout_us(part) == first_bout_us(EXAMPLE)


def test_a_recording_without_any_label() -> None:
    dark = make_ethogram([(Status.GIVEN_UP, 2.0)], labels=LABELS)
    assert budget_us(dark)[0].tolist() == [0] * 4
    assert budget_us(dark)[1] == 2 * SECOND
    assert bout_counts(dark).tolist() == [0] * 4
    assert [len(lengths) for lengths in bout_lengths_us(dark)] == [0] * 4
    assert not transitions(dark).any()
    assert first_bout_us(dark) == [None] * 4


@given(ethograms())
def test_everything_adds_up(ethogram: Ethogram) -> None:
    of_label, unscored = budget_us(ethogram)
    assert int(of_label.sum()) + unscored == ethogram.duration_us
    assert [int(lengths.sum()) for lengths in bout_lengths_us(ethogram)] == of_label.tolist()
    counts = bout_counts(ethogram)
    assert [len(lengths) for lengths in bout_lengths_us(ethogram)] == counts.tolist()
    # Every bout but the last of each scored stretch goes on to another.
    scored = ethogram.scored.tolist()
    last = [a and not b for a, b in zip(scored, [*scored[1:], False], strict=True)]
    followed = counts - np.bincount(ethogram.codes[last], minlength=len(ethogram.labels))
    assert transitions(ethogram).sum(axis=1).tolist() == followed.tolist()
    assert (cut_off_counts(ethogram) <= counts).all()
