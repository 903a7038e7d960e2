from tests.fit.annotating import annotation

from i3d_ethogram.annotations.annotation import LeftOut
from i3d_ethogram.annotations.annotation_boris import TO_ANNOTATE
from i3d_fit.suggested_stretches import divided_at_stretches


def divided(*events, **fields):
    return [
        [(one.label, one.start, one.stop) for one in part.intervals]
        for part in divided_at_stretches([annotation(*events, **fields)])
    ]


def test_each_stretch_is_an_annotation_of_its_own() -> None:
    assert divided(
        (TO_ANNOTATE, 10, 20),
        ("rest", 10, 14),
        ("groom", 14, 19),
        (TO_ANNOTATE, 50, 60),
        ("eat", 52, 58),
    ) == [[("rest", 10, 14), ("groom", 14, 19)], [("eat", 52, 58)]]


def test_a_behaviour_over_a_border_belongs_where_most_of_it_lies() -> None:
    assert divided((TO_ANNOTATE, 10, 20), (TO_ANNOTATE, 22, 40), ("rest", 18, 30)) == [
        [("rest", 18, 30)]
    ]


def test_what_lies_outside_of_all_stretches_is_one_more() -> None:
    assert divided((TO_ANNOTATE, 10, 20), ("rest", 12, 13), ("rest", 30, 40), ("eat", 90, 95)) == [
        [("rest", 12, 13)],
        [("rest", 30, 40), ("eat", 90, 95)],
    ]


def test_a_stretch_in_which_nothing_is_annotated_is_nothing() -> None:
    assert divided((TO_ANNOTATE, 10, 20)) == []


def test_other_annotations_stay_as_they_are() -> None:
    given = annotation(("rest", 1, 2), ("eat", 5, 9))
    assert divided_at_stretches([given]) == [given]


def test_to_annotate_is_no_behaviour() -> None:
    (part,) = divided_at_stretches([annotation((TO_ANNOTATE, 1, 9), ("rest", 2, 3))])
    assert part.labels == ("rest",)


def test_what_is_counted_of_a_file_is_counted_once() -> None:
    given = annotation(
        (TO_ANNOTATE, 1, 9),
        ("rest", 2, 3),
        (TO_ANNOTATE, 20, 30),
        ("rest", 22, 23),
        left_out={LeftOut.POINT: 4},
    )
    parts = divided_at_stretches([given])
    assert [dict(part.left_out) for part in parts] == [{LeftOut.POINT: 4}, {}]
