"""What the gate says of accuracy: of all classes together and of each one, beyond chance."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.tiny_network import CONTRACT

from i3d_export.accuracy import UNLABELLED, Accuracy, accuracy_of
from i3d_export.agreement import Verdict
from i3d_export.gate import judge_answers, table

LABELS = tuple(f"class {number}" for number in range(9))
WRONG = 8


def compared(
    windows: int,
    lost: dict[int, int],
    *,
    gained: dict[int, int] | None = None,
    classes: int = 8,
    each_piece: int = 1,
) -> Accuracy:
    """Windows of classes 0 … classes − 1, all right at FP32 but those that are gained.

    Args:
        windows: of each class.
        lost: class → how many of its windows, the first ones, the candidate answers with WRONG.
        gained: class → how many, the last ones, FP32 answers with WRONG and the candidate does not.
        classes: how many.
        each_piece: windows that follow each other in a piece.
    """
    annotated = np.repeat(np.arange(classes), windows)
    reference, candidate = annotated.copy(), annotated.copy()
    for one, count in lost.items():
        candidate[one * windows : one * windows + count] = WRONG
    for one, count in (gained or {}).items():
        reference[(one + 1) * windows - count : (one + 1) * windows] = WRONG
    pieces = np.arange(len(annotated)) // each_piece
    found = accuracy_of(reference, candidate, annotated, labels=LABELS, pieces=pieces)
    assert found is not None
    return found


def test_balanced_accuracy_is_the_mean_of_recalls() -> None:
    annotated = np.array([0, 0, 0, 2, UNLABELLED])
    found = accuracy_of(
        np.array([0, 0, 1, 2, 1]), np.array([0, 1, 1, 2, 2]), annotated, labels=LABELS
    )
    assert found is not None
    assert (found.windows, found.classes) == (4, 2)
    assert found.reference == pytest.approx((2 / 3 + 1) / 2)
    assert found.candidate == pytest.approx((1 / 3 + 1) / 2)
    assert [(one.label, one.windows) for one in found.recalls] == [("class 0", 3), ("class 2", 1)]


def test_without_an_annotated_window_there_is_no_accuracy() -> None:
    nothing = np.full(3, UNLABELLED)
    assert accuracy_of(nothing, nothing, nothing, labels=LABELS) is None


def test_a_class_that_is_lost_among_many_is_refused() -> None:
    accuracy = compared(100, {3: 15})
    assert accuracy.lost < 0.02
    enough, said = accuracy.judge()
    assert enough is False
    assert "class 3 loses most: recall 85.0%, FP32 100.0%, +15.0 points on 100 windows" in said
    assert "at most 10 points of recall beyond chance" in said


def test_just_what_is_allowed_is_allowed() -> None:
    assert compared(100, {3: 10}).judge()[0]
    # 2 points of balanced accuracy of 8 classes, and no class more than 10 points.
    assert compared(100, {2: 8, 3: 8}).judge()[0]
    assert compared(100, {2: 8, 3: 9}).judge()[0] is False


def test_few_windows_of_a_class_are_not_judged_alone() -> None:
    annotated = np.repeat([0, 1, 2], [1000, 1000, 19])
    candidate = annotated.copy()
    candidate[-1:] = WRONG  # of 19: 5.3 points of one class of three
    found = accuracy_of(annotated, candidate, annotated, labels=LABELS)
    assert found is not None
    assert found.judge()[0]
    candidate[-19:] = WRONG
    all_lost = accuracy_of(annotated, candidate, annotated, labels=LABELS)
    assert all_lost is not None
    assert not any(one.loses_too_much for one in all_lost.recalls)
    assert all_lost.judge()[0] is False  # balanced accuracy decides


def test_a_loss_that_chance_explains_is_no_loss_of_a_class() -> None:
    (lost, *_) = compared(20, {0: 3}).recalls
    assert lost.lost == pytest.approx(0.15)
    assert lost.noise is not None
    assert lost.noise > lost.lost
    assert not lost.loses_too_much
    # The same loss on more windows, and as large a one that swaps windows both ways.
    assert compared(100, {0: 15}).recalls[0].loses_too_much
    assert not compared(40, {0: 12}, gained={0: 6}).recalls[0].loses_too_much


def test_windows_of_one_piece_count_as_one_observation() -> None:
    # 64 windows of which 16 are lost: plain windows, two pieces, four pieces that all lose.
    assert compared(64, {0: 16}).recalls[0].loses_too_much
    in_two = compared(64, {0: 16}, each_piece=32).recalls[0]
    assert (in_two.pieces, in_two.lost) == (2, 0.25)
    assert not in_two.loses_too_much
    everywhere = compared(64, {0: 64}, each_piece=16).recalls[0]
    assert (everywhere.pieces, everywhere.noise) == (4, 0)
    assert everywhere.loses_too_much
    alone = compared(64, {0: 64}, each_piece=64)
    assert alone.recalls[0].noise is None
    assert not alone.recalls[0].loses_too_much
    assert "(one piece of video)" in alone.judge()[1]


def test_a_loss_of_all_that_chance_explains_is_left_open() -> None:
    # Half of one class of eight: 6.25 points, on windows of their own and in two pieces.
    assert compared(64, {0: 32}).judge()[0] is False
    turned_over = compared(64, {0: 32}, each_piece=32)
    assert turned_over.lost == pytest.approx(0.0625)
    assert turned_over.noise is not None
    assert turned_over.noise > turned_over.lost
    enough, said = turned_over.judge()
    assert enough is None
    assert "+6.25 points lost (chance ±" in said
    # All pieces of the class lose: that is no chance.
    assert compared(64, {0: 64}, each_piece=32).judge()[0] is False


def test_noise_of_all_is_that_of_the_classes_where_no_piece_shows_two() -> None:
    accuracy = compared(50, {1: 4, 5: 20})
    of_classes = np.array([one.noise for one in accuracy.recalls], float)
    pieces = 8 * 50
    expected = np.sqrt((of_classes**2 * 49 / 50).sum()) / 8 * np.sqrt(pieces / (pieces - 1))
    assert accuracy.noise == pytest.approx(expected)


@given(st.integers(2, 60), st.data())
def test_noise_of_windows_on_their_own_is_binomial(windows: int, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, windows))
    found = compared(windows, {0: lost}).recalls
    (one,) = [entry for entry in found if entry.label == "class 0"]
    share = lost / windows
    expected = 2 * np.sqrt(share * (1 - share) / (windows - 1))
    assert one.noise == pytest.approx(expected, abs=1e-9)


def test_the_worst_class_is_the_one_that_is_found_least() -> None:
    accuracy = compared(50, {1: 4, 5: 20}, gained={1: 30})
    assert accuracy.worst_class.label == "class 5"
    assert (accuracy.worst_class.reference, accuracy.worst_class.candidate) == (1.0, 0.6)
    # FP32 misses class 1 where the candidate does not: it gains, and stands last.
    assert accuracy.recalls[-1].label == "class 1"
    assert accuracy.recalls[-1].lost == pytest.approx(-0.52)


def test_the_record_and_the_table_name_the_worst_class() -> None:
    classes = len(CONTRACT.labels)
    annotated = np.repeat(np.arange(classes), 30)
    reference = np.eye(classes, dtype=np.float32)[annotated]
    candidate = reference.copy()
    candidate[:12] = candidate[-1]
    judged = judge_answers(
        reference, candidate, model="m_int8", engine="openvino", contract=CONTRACT,
        executed={"executed_by": "OpenVINO"}, evidence={}, annotated=annotated,
    )  # fmt: skip
    assert judged.verdict is Verdict.FAILED
    record = json.loads(json.dumps(judged.document(), allow_nan=False))["figures"]["accuracy"]
    assert record["worst_class"]["label"] == CONTRACT.labels[0]
    assert record["worst_class"]["candidate"] == pytest.approx(0.6)
    assert record["worst_class"]["noise"] == pytest.approx(2 * np.sqrt(0.24 / 29))
    assert record["recalls"][0]["label"] == CONTRACT.labels[0]
    lines = table(judged)
    (worst,) = [line for line in lines if "worst class's recall" in line]
    assert worst.split()[-3:] == ["100.00%", "60.00%", CONTRACT.labels[0]]
