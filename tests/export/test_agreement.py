"""The gate's figures and rules, on numbers made for them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from i3d_export.accuracy import UNLABELLED
from i3d_export.agreement import Verdict, compare_answers, divergence, judge

LABELS = ("walk", "rest", "rear")


def answers(*rows: tuple[float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32)


def windows(first: list[int], *, certainty: float = 0.8) -> np.ndarray:
    """Windows whose first class is given."""
    other = (1 - certainty) / (len(LABELS) - 1)
    rows = np.full((len(first), len(LABELS)), other, np.float32)
    rows[np.arange(len(first)), first] = certainty
    return rows


probabilities = hnp.arrays(
    np.float64, st.tuples(st.integers(1, 20), st.just(3)), elements=st.floats(0.0, 30.0)
).map(lambda x: (np.exp(x) / np.exp(x).sum(1, keepdims=True)).astype(np.float32))


@given(probabilities)
def test_a_model_agrees_with_itself(values: np.ndarray) -> None:
    same = compare_answers(values, values, labels=LABELS)
    assert same.agreement == 1
    assert same.mean_kl == same.worst_kl == same.largest_probability_difference == 0
    assert sum(entry.windows for entry in same.classes) == same.windows == len(values)
    assert judge(same)[0] in {Verdict.PASSED, Verdict.INSUFFICIENT}


@given(probabilities, st.randoms())
def test_figures_do_not_depend_on_the_order_of_windows(values: np.ndarray, random: object) -> None:
    other = values[:, [1, 0, 2]]
    order = list(range(len(values)))
    random.shuffle(order)  # type: ignore[attr-defined]
    one = compare_answers(values, other, labels=LABELS)
    two = compare_answers(values[order], other[order], labels=LABELS)
    assert (one.agreeing, one.decided_agreeing) == (two.agreeing, two.decided_agreeing)
    assert {entry.label: entry for entry in one.classes} == {e.label: e for e in two.classes}
    assert one.mean_kl == pytest.approx(two.mean_kl)


@given(probabilities)
def test_divergence_is_not_negative_and_survives_zeros(values: np.ndarray) -> None:
    certain = np.eye(3, dtype=np.float32)[values.argmax(1)]
    for p, q in ((values, certain), (certain, values)):
        assert np.isfinite(divergence(p, q)).all()
        assert (divergence(p, q) >= 0).all()


def test_figures_are_what_the_definitions_say() -> None:
    reference = answers((0.7, 0.2, 0.1), (0.4, 0.35, 0.25), (0.1, 0.8, 0.1))
    candidate = answers((0.6, 0.3, 0.1), (0.3, 0.45, 0.25), (0.1, 0.8, 0.1))
    found = compare_answers(reference, candidate, labels=LABELS)
    assert (found.windows, found.agreeing) == (3, 2)
    assert (found.decided_windows, found.decided_agreeing) == (2, 2)
    assert found.largest_probability_difference == pytest.approx(0.1)
    first = 0.7 * np.log(7 / 6) + 0.2 * np.log(2 / 3)
    second = 0.4 * np.log(4 / 3) + 0.35 * np.log(35 / 45)
    assert found.worst_kl == pytest.approx(max(first, second), rel=1e-5)
    assert found.mean_kl == pytest.approx((first + second) / 3, rel=1e-5)
    worst = found.classes[0]
    assert (worst.label, worst.windows, worst.agreeing, worst.agreement) == ("walk", 2, 1, 0.5)
    assert (worst.decided_windows, worst.decided_agreeing) == (1, 1)
    assert [entry.label for entry in found.classes] == ["walk", "rest"]


@pytest.mark.parametrize(
    ("windows_of", "wrong", "verdict"),
    [
        (49, 0, Verdict.INSUFFICIENT),
        (49, 49, Verdict.INSUFFICIENT),
        (50, 1, Verdict.PASSED),
        (50, 2, Verdict.FAILED),
        (100, 2, Verdict.PASSED),
        (100, 3, Verdict.FAILED),
    ],
)
def test_decided_windows_decide(windows_of: int, wrong: int, verdict: Verdict) -> None:
    candidate = windows([1] * wrong + [0] * (windows_of - wrong))
    found = judge(compare_answers(windows([0] * windows_of), candidate, labels=LABELS))
    assert found[0] is verdict
    assert f"{windows_of - wrong} of {windows_of} windows" in found[1]


def test_windows_that_fp32_does_not_decide_do_not_count() -> None:
    reference = np.concatenate([windows([0] * 50), windows([1] * 200, certainty=0.5)])
    candidate = np.concatenate([windows([0] * 50), windows([2] * 200)])
    found = compare_answers(reference, candidate, labels=LABELS)
    assert found.agreement == pytest.approx(0.2)
    assert found.decided_windows == 50
    assert judge(found)[0] is Verdict.PASSED


def test_annotations_decide_where_there_are_any() -> None:
    """A rare class counts as much as a common one."""
    annotated = np.array([0] * 900 + [1] * 100)
    reference = windows([0] * 900 + [1] * 100)
    candidate = windows([0] * 900 + [1] * 90 + [0] * 10)
    found = compare_answers(reference, candidate, labels=LABELS, annotated=annotated)
    assert found.accuracy is not None
    assert (found.accuracy.reference, found.accuracy.candidate) == (1.0, 0.95)
    assert found.decided_agreement == 0.99
    verdict, said = judge(found)
    assert verdict is Verdict.FAILED
    assert "+5.00 points lost" in said
    every_tenth = slice(0, None, 10)
    few = compare_answers(
        reference[every_tenth], candidate[every_tenth], labels=LABELS,
        annotated=annotated[every_tenth],
    )  # fmt: skip
    assert few.accuracy is not None
    assert few.accuracy.lost == pytest.approx(0.05)
    assert judge(few)[0] is Verdict.INSUFFICIENT  # one window


def test_a_gain_of_accuracy_passes_and_unlabelled_windows_do_not_count() -> None:
    annotated = np.array([0, 0, 1, UNLABELLED, UNLABELLED])
    reference, candidate = windows([0, 1, 1, 0, 0]), windows([0, 0, 1, 2, 2])
    found = compare_answers(reference, candidate, labels=LABELS, annotated=annotated)
    assert found.accuracy is not None
    assert (found.accuracy.windows, found.accuracy.classes) == (3, 2)
    assert found.accuracy.lost == pytest.approx(-0.25)
    assert judge(found)[0] is Verdict.PASSED
    nothing = np.full(5, UNLABELLED)
    unknown = compare_answers(reference, candidate, labels=LABELS, annotated=nothing)
    assert unknown.accuracy is None


@pytest.mark.parametrize("wrong", [np.nan, -0.5, 7.0])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    right = windows([0, 1])
    spoilt = right.copy()
    spoilt[1, 1] = wrong
    with pytest.raises(ValueError, match="candidate: expected probabilities"):
        compare_answers(right, spoilt, labels=LABELS)
    with pytest.raises(ValueError, match="expected two arrays"):
        compare_answers(right, right[:1], labels=LABELS)
    with pytest.raises(ValueError, match="at least one window"):
        compare_answers(right[:0], right[:0], labels=LABELS)
