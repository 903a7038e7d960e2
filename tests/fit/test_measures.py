import json

import numpy as np
import pytest

from i3d_fit.measures import measure

LABELS = ("rest", "groom", "eat")

# By hand: 10 windows, of which the diagonal has 7.
#            rest groom eat
# rest          4     1   0
# groom         1     2   1
# eat           0     0   1
CODES = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 0, 0, 1, 0, 1, 1, 2, 2])


def test_the_matrix_and_the_measures_by_hand():
    found = measure(CODES, PREDICTED, groups=np.zeros(10, np.int64), labels=LABELS)
    assert found.confusion.tolist() == [[4, 1, 0], [1, 2, 1], [0, 0, 1]]
    assert found.support.tolist() == [5, 4, 1]
    assert found.balanced_accuracy == pytest.approx((4 / 5 + 2 / 4 + 1) / 3)
    assert found.recall == pytest.approx([4 / 5, 2 / 4, 1])
    assert found.precision == pytest.approx([4 / 5, 2 / 3, 1 / 2])
    assert found.f1 == pytest.approx([8 / 10, 4 / 7, 2 / 3])
    assert found.chance == pytest.approx(1 / 3)


def test_what_is_not_defined_is_empty_in_the_document():
    found = measure(
        np.array([0, 0, 1]), np.array([0, 1, 0]), groups=np.zeros(3, np.int64), labels=LABELS
    )
    document = json.loads(json.dumps(found.document()))
    eat = document["classes"][2]
    assert eat == {"label": "eat", "windows": 0, "recall": None, "precision": None, "f1": None}
    assert document["balanced_accuracy"] == 0.25  # of the classes that have windows
    assert document["interval"] is None
    assert document["windows"] == 3


def answers(*, groups: int, windows: int, spread: float, seed: int):
    """Return classes and answers of groups, of which each has a share of right ones of its own."""
    rng = np.random.default_rng(seed)
    share = rng.normal(0.7, spread, groups).clip(0, 1)
    of_groups = np.repeat(np.arange(groups), windows)
    codes = np.tile(np.arange(windows) // 5 % 3, groups)
    right = rng.random(groups * windows) < share[of_groups]
    return codes, np.where(right, codes, (codes + 1) % 3), of_groups


def test_the_interval_is_of_groups_where_there_are_enough():
    codes, predicted, groups = answers(groups=12, windows=300, spread=0.15, seed=1)
    found = measure(codes, predicted, groups=groups, labels=LABELS, unit="animal")
    assert found.interval_over == "12 animals"
    low, high = found.interval
    assert low < found.balanced_accuracy < high
    # The standard error of the mean over groups, not that of 3,600 windows, which is 0.0076.
    shares = [(codes == predicted)[groups == group].mean() for group in range(12)]
    error = np.std(shares, ddof=1) / np.sqrt(12)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.25)
    again = measure(codes, predicted, groups=groups, labels=LABELS, unit="animal")
    assert again.interval == found.interval


def test_about_nineteen_intervals_of_twenty_hold_what_was_so():
    held = 0
    for seed in range(60):
        codes, predicted, groups = answers(groups=15, windows=60, spread=0.1, seed=seed)
        low, high = measure(codes, predicted, groups=groups, labels=LABELS).interval
        held += low < 0.7 < high
    assert held >= 49


def test_with_few_groups_the_interval_is_of_stretches_and_says_what_it_lacks():
    codes, predicted, groups = answers(groups=2, windows=400, spread=0, seed=2)
    found = measure(codes, predicted, groups=groups, labels=LABELS, unit="video")
    assert found.interval_over == (
        "40 stretches of 2 videos: how much other videos differ is not in it"
    )
    low, high = found.interval
    assert 0.02 < high - low < 0.15
    assert low < found.balanced_accuracy < high


def test_too_little_for_an_interval_gives_none():
    codes, predicted, groups = answers(groups=1, windows=45, spread=0, seed=3)
    found = measure(codes, predicted, groups=groups, labels=LABELS, unit="video")
    assert found.interval is None
    assert found.interval_over.startswith("4 stretches of 1 video: ")
