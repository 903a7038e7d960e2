import pytest
from tests.fit.annotating import annotated, annotation

from i3d_fit.errors import AnnotationsError
from i3d_fit.labels import choose_labels


def chosen(*annotations, labels=None, names=None, background=None) -> tuple[str, ...]:
    return choose_labels(annotations, labels=labels, names=names or {}, background=background)


WALK = annotation(("walk", 0, 5), ("rest", 5, 9))
GROOM = annotation(("groom", 0, 5), ("rest", 5, 9))


def test_all_behaviours_are_classes_in_the_order_of_first_appearance():
    assert chosen(WALK, GROOM) == ("walk", "rest", "groom")


def test_a_behaviour_that_is_listed_and_never_lasts_is_no_class():
    assert chosen(annotation(("walk", 0, 5), ("rest", 5, 9), labels=("swim", "rest", "walk"))) == (
        "walk",
        "rest",
    )


def test_behaviours_are_renamed_together_and_left_out():
    names = {"walk": "move", "groom": "move", "nest": ""}
    assert chosen(annotation(("nest", 0, 1)), WALK, GROOM, names=names) == ("move", "rest")


def test_names_that_differ_in_capitals_alone_are_one_behaviour():
    hand = annotation(("Walk", 0, 5), ("eat-by_hand", 5, 9))
    other = annotation(("walk", 0, 5), ("Eat by hand", 5, 9))
    assert chosen(hand, other) == ("Walk", "eat-by_hand")
    assert annotated(other, labels=("Walk", "eat-by_hand")).frame_codes.tolist()[:9] == [
        *[0] * 5,
        *[1] * 4,
    ]


def test_names_that_one_annotation_tells_apart_stay_apart():
    assert chosen(annotation(("r", 0, 5), ("R", 5, 9))) == ("r", "R")
    assert chosen(annotation(("r", 0, 5)), annotation(("R", 5, 9), ("r", 9, 10))) == ("r", "R")


def test_a_name_that_is_asked_for_is_written_so_and_can_be_annotated():
    names = {"sleep": "Rest"}
    of = annotation(("rest", 0, 5), ("walk", 5, 7)), annotation(("sleep", 7, 9))
    assert chosen(*of, names=names) == ("Rest", "walk")
    assert annotated(*of, labels=("Rest", "walk"), names=names).frame_codes.tolist()[:9] == [
        *[0] * 5,
        *[1] * 2,
        *[0] * 2,
    ]


def test_a_new_name_that_nothing_has_in_the_end_is_no_class():
    listed = annotation(("walk", 0, 5), ("rest", 5, 9), labels=("walk", "rest", "sleep"))
    assert chosen(listed, names={"sleep": "doze"}) == ("walk", "rest")
    assert annotated(listed, labels=("walk", "rest"), names={"sleep": "doze"}).codes[0] == 0


def test_given_labels_keep_their_order():
    assert chosen(WALK, GROOM, labels=["rest", "groom"]) == ("rest", "groom")
    assert chosen(WALK, labels=["rest", "Walk"]) == ("rest", "Walk")


def test_the_background_is_the_last_class():
    assert chosen(GROOM, background="other") == ("groom", "rest", "other")
    assert chosen(GROOM, labels=["rest", "groom"], background="other") == (
        "rest",
        "groom",
        "other",
    )
    assert chosen(GROOM, labels=["rest"], background="other") == ("rest", "other")


def test_a_background_that_is_annotated_too_is_one_class():
    seen = annotation(("Other", 0, 5), ("rest", 5, 9), ("groom", 9, 10))
    assert chosen(seen, background="other") == ("rest", "groom", "other")
    assert chosen(GROOM, labels=["other", "rest"], background="other") == ("other", "rest")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"labels": ["rest"]}, r"two labels or more, got 'rest'.*background"),
        ({"names": {"walk": ""}}, r"two labels or more, got 'rest'"),
        ({"labels": ["rest", "swim"]}, r"got 'swim', which nobody annotated.*'walk', 'rest'"),
        ({"labels": ["rest", "walk", "rest"]}, r"each once, got 'rest' twice"),
        ({"names": {"swim": "walk"}}, r"swim=walk: expected a behaviour .*'walk', 'rest'"),
        (
            {"labels": ["rest", "walk"], "names": {"rest": "doze"}},
            r"rest=doze: expected one of the labels .*'rest', 'walk'",
        ),
        ({"names": {"walk": "wa\nlk"}}, r"label 'wa\\nlk': expected printable text"),
        ({"background": " "}, r"label ' ': expected printable text that is not blank"),
    ],
)
def test_what_makes_no_classes_is_refused(options, said):
    with pytest.raises(AnnotationsError, match=said):
        chosen(WALK, **options)
