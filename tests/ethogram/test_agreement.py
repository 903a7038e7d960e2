import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_ethogram.compare.agreement import Agreement, agreement_of, measures_of, shares
from i3d_ethogram.compare.annotated_frames import OVERLAPPING, UNANNOTATED, UNKNOWN

LABELS = ("rest", "groom", "eat")


def agree(annotated, predicted, *, times_us=None, labels=LABELS, tolerance_us=0) -> Agreement:
    times = np.arange(len(annotated) + 1) * 1000 if times_us is None else times_us
    return agreement_of(
        np.array(annotated, np.int16),
        np.array(predicted, np.int16),
        labels=labels,
        times_us=np.array(times, np.int64),
        tolerance_us=tolerance_us,
    )


# By hand: 10 frames are compared, of which the diagonal has 7.
#            rest groom eat
# rest          4     1   0
# groom         1     2   1
# eat           0     0   1
ANNOTATED = [0, 0, 0, 0, 0, 1, 1, 1, 1, 2]
PREDICTED = [0, 0, 0, 0, 1, 0, 1, 1, 2, 2]


def test_the_matrix_and_the_measures_by_hand():
    agreement = agree(ANNOTATED, PREDICTED)
    assert agreement.confusion.tolist() == [[4, 1, 0], [1, 2, 1], [0, 0, 1]]
    measures = measures_of(agreement)
    assert measures.accuracy == pytest.approx(0.7)
    assert measures.balanced_accuracy == pytest.approx((4 / 5 + 2 / 4 + 1) / 3)
    # Expected by chance: 5·5 + 4·3 + 1·2 of 100.
    assert measures.kappa == pytest.approx((0.7 - 0.39) / (1 - 0.39))
    assert measures.precision == pytest.approx([4 / 5, 2 / 3, 1 / 2])
    assert measures.recall == pytest.approx([4 / 5, 2 / 4, 1])
    assert measures.f1 == pytest.approx([8 / 10, 4 / 7, 2 / 3])


def test_every_frame_is_in_one_number_of_the_account():
    annotated = [0, 1, UNANNOTATED, UNANNOTATED, OVERLAPPING, OVERLAPPING, UNKNOWN, 2]
    predicted = [0, -1, 0, -1, 1, -1, 2, -1]
    agreement = agree(annotated, predicted)
    account = agreement.account
    assert account.compared == 1
    assert account.unscored == 2
    assert account.unannotated == 2
    assert account.overlapping == 2
    assert account.unknown == 1
    assert account.frames == 8
    assert agreement.confusion.sum() == 1


def test_time_is_that_of_the_compared_frames():
    agreement = agree([0, 0, 1, UNANNOTATED], [0, 1, 1, 1], times_us=[0, 10, 30, 70, 150])
    assert agreement.annotated_us.tolist() == [30, 40, 0]
    assert agreement.predicted_us.tolist() == [10, 60, 0]


def test_bouts():
    agreement = agree([0, 0, 1, 1, 0, 0, 2], [0, 0, 0, 1, 2, 2, 2], tolerance_us=1000)
    assert agreement.bouts_annotated.tolist() == [2, 1, 1]
    assert agreement.bouts_predicted.tolist() == [1, 1, 1]
    # eat begins 2 frames early.
    assert agreement.bouts_matched.tolist() == [1, 1, 0]


def test_bouts_where_nobody_annotated_are_not_wrong():
    agreement = agree([0, 0, UNANNOTATED, UNANNOTATED], [0, 0, 1, 1])
    assert agreement.bouts_predicted.tolist() == [1, 0, 0]


def test_measures_that_are_not_defined_are_nan():
    measures = measures_of(agree([0, 0, 1], [0, 2, 0]))
    assert math.isnan(measures.precision[1])  # never predicted
    assert measures.recall[1] == 0
    assert math.isnan(measures.recall[2])  # never annotated
    assert measures.precision[2] == 0
    assert measures.f1.tolist() == [pytest.approx(0.5), 0, 0]
    assert measures.balanced_accuracy == pytest.approx((0.5 + 0) / 2)
    alone = measures_of(agree([0, 0], [0, 0]))
    assert alone.accuracy == 1
    assert math.isnan(alone.kappa)  # chance agrees as well
    nothing = measures_of(agree([UNANNOTATED], [0]))
    assert math.isnan(nothing.accuracy)
    assert math.isnan(nothing.kappa)


def test_recordings_are_added():
    one, two = agree(ANNOTATED[:4], PREDICTED[:4]), agree(ANNOTATED[4:], PREDICTED[4:])
    both = one + two
    assert both.confusion.tolist() == agree(ANNOTATED, PREDICTED).confusion.tolist()
    assert both.account == agree(ANNOTATED, PREDICTED).account
    with pytest.raises(ValueError, match="labels differ"):
        one + agree([0], [0], labels=("rest",))


def test_shares_of_nothing_are_nan():
    assert shares(np.array([1, 0]), np.array([2, 0]))[0] == 0.5
    assert math.isnan(shares(np.array([1, 0]), np.array([2, 0]))[1])


codes = st.lists(st.tuples(st.integers(-3, 2), st.integers(-1, 2)), min_size=1, max_size=60)


@given(codes)
def test_measures_follow_from_their_definitions(frames):
    annotated, predicted = zip(*frames, strict=True)
    agreement = agree(annotated, predicted, tolerance_us=1500)
    assert agreement.account.frames == len(frames)
    assert agreement.confusion.sum() == agreement.account.compared
    assert agreement.annotated_us.sum() == 1000 * agreement.account.compared
    assert agreement.predicted_us.sum() == 1000 * agreement.account.compared
    assert (agreement.bouts_matched <= agreement.bouts_annotated).all()
    assert (agreement.bouts_matched <= agreement.bouts_predicted).all()
    pairs = [(a, p) for a, p in frames if a >= 0 and p >= 0]
    measures = measures_of(agreement)
    if not pairs:
        assert math.isnan(measures.accuracy)
        return
    observed = Fraction(sum(a == p for a, p in pairs), len(pairs))
    rows = [sum(a == code for a, _ in pairs) for code in range(3)]
    columns = [sum(p == code for _, p in pairs) for code in range(3)]
    chance = Fraction(sum(r * c for r, c in zip(rows, columns, strict=True)), len(pairs) ** 2)
    recalls = [
        Fraction(sum(a == p == code for a, p in pairs), rows[code])
        for code in range(3)
        if rows[code]
    ]
    assert measures.accuracy == pytest.approx(float(observed))
    assert measures.balanced_accuracy == pytest.approx(float(sum(recalls) / len(recalls)))
    if chance == 1:
        assert math.isnan(measures.kappa)
    else:
        assert measures.kappa == pytest.approx(float((observed - chance) / (1 - chance)))
