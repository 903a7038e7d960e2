import json

import pytest
from tests.fit.annotating import annotated, annotation

from i3d_ethogram.annotations.annotation import LeftOut
from i3d_fit.account import Reason, total

LABELS = ("rest", "groom", "other")


def account(*events, **options):
    values = {"labels": LABELS, "background": "other", "names": {"hidden": ""}, **options}
    return annotated(annotation(*events, **values.pop("fields", {})), **values).account


FIRST = account(
    ("rest", 0, 8),
    ("groom", 7, 11),
    ("nest", 12, 14),
    ("hidden", 14, 16),
    ("REST", 18, 22),
    ("rest", 30, 31),
    fields={"left_out": {LeftOut.POINT: 3}, "read_as": "Windows-1252"},
)
SECOND = account(("nest", 0, 6), ("groom", 6, 16), count=40)


def test_accounts_add_up():
    both = total([FIRST, SECOND])
    assert (both.recordings, both.frames, both.us) == (2, 60, 6_000_000)
    assert both.label_frames == {
        "rest": FIRST.label_frames["rest"],
        "groom": FIRST.label_frames["groom"] + 10,
        "other": FIRST.label_frames["other"],
    }
    assert both.unknown_us == {"nest": 800_000}
    assert both.left_out_frames[Reason.UNLABELLED] == 24
    assert both.windows == 17 + 37
    assert both.no_intervals == {LeftOut.POINT: 3}
    assert both.events == 8
    assert both.renamed == {"REST": "rest"}
    assert total([FIRST]) == FIRST


def test_accounts_of_different_classes_do_not_add_up():
    with pytest.raises(ValueError, match="expected accounts of"):
        total([FIRST, account(("rest", 0, 5), labels=("rest", "groom"), background=None)])


def test_everything_that_is_left_out_is_said():
    said = "\n".join(FIRST.sentences())
    for expected in (
        "of 2.0 s in 1 recording have a label",
        "0.3 s without an annotated behaviour, within what is annotated, are 'other'",
        "left out: 0.2 s of behaviours that are none of the labels. name them",
        "left out: 0.2 s of behaviours that are left out as asked",
        "left out: 0.1 s with several behaviours at once",
        "none of the labels: 'nest' 0.2 s",
        "left out as asked: 'hidden' 0.2 s",
        "taken as labels of another name: REST as rest",
        "events wholly outside their video: 1 of 6",
        "events cut at an end of their video: 1 of 6",
        "left out: 3 point events, which have no duration",
        "files read as Windows-1252: 1",
        "of 17 windows, ",
    ):
        assert expected in said


def test_what_is_nothing_is_not_said():
    plain = account(("rest", 0, 20), labels=("rest", "groom"), background=None)
    assert plain.sentences() == [
        "2.0 s of 2.0 s in 1 recording have a label (100.0%)",
        "windows of each label: rest 2.0 s, 17; groom 0.0 s, 0",
        "of 17 windows, 17 are trained on",
    ]


def test_time_without_a_label_could_be_a_background_unless_there_is_one():
    without = account(("rest", 5, 15), labels=("rest", "groom"), background=None)
    assert "left out: 1.0 s without a label. --background NAME" in without.sentences()[1]
    assert "left out: 1.0 s without a label" in account(("rest", 5, 15)).sentences()


def test_its_document_is_plain_values():
    document = json.loads(json.dumps(FIRST.document()))
    assert document["labels"] == list(LABELS)
    assert document["left_out_us"]["of behaviours that are left out as asked"] == 200_000
    assert document["no_intervals"] == {"point events, which have no duration": 3}
    assert document["windows_left_out"]["with several behaviours at once"] == 1
