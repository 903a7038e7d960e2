from pathlib import Path

import numpy as np
import pytest
from tests.fit.annotating import annotated, annotation

from i3d_client.errors import InputError
from i3d_ethogram.annotations.annotation import LeftOut
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_ethogram.compare.annotated_frames import OVERLAPPING, UNANNOTATED, UNKNOWN
from i3d_fit.account import Account, Reason
from i3d_fit.accounting import NOT_SCORED
from i3d_fit.errors import AnnotationsError


def test_a_window_is_of_the_class_of_its_label_frame():
    seen = annotation(("rest", 0, 10), ("groom", 10, 20))
    last = annotated(seen, stride=3)
    assert last.codes.tolist() == [0, 0, 0, 1, 1, 1, 1]  # last frames 3, 6, 9, 12, …, and the tail
    centre = annotated(seen, stride=3, label_frame="centre")
    assert centre.codes.tolist() == [0, 0, 0, 1, 1, 1, 1]  # frames 2, 5, 8, 11, …
    assert annotated(seen, stride=4).codes.tolist() == [0, 0, 1, 1, 1]  # 3, 7, 11
    assert annotated(seen, stride=4, label_frame="centre").codes.tolist() == [0, 0, 1, 1, 1]
    one = annotation(("rest", 0, 10), ("groom", 10, 11), ("rest", 11, 20))
    assert np.flatnonzero(annotated(one).codes == 1).tolist() == [7]  # [7, 11)
    assert np.flatnonzero(annotated(one, label_frame="centre").codes == 1).tolist() == [8]


def test_a_window_of_which_less_than_half_is_of_its_class_is_not_trained_on():
    found = annotated(annotation(("rest", 0, 10), ("groom", 10, 20)))
    # [7, 11) has one frame of groom, [8, 12) has two of four.
    assert found.codes.tolist()[5:10] == [0, 0, 1, 1, 1]
    assert found.pure.tolist()[5:10] == [True, True, False, True, True]
    assert found.account.mixed == {"rest": 0, "groom": 1}
    assert found.account.used == {"rest": 7, "groom": 9}


def test_frames_without_a_label_do_not_count_for_a_window():
    found = annotated(annotation(("rest", 3, 4), ("groom", 10, 20)))
    assert (found.codes[0], bool(found.pure[0])) == (0, False)
    assert not found.pure[found.codes < 0].any()


def test_a_recording_shorter_than_a_window_has_one():
    seen = annotation(("groom", 0, 2), ("rest", 2, 3))
    last = annotated(seen, count=3)
    assert (last.codes.tolist(), last.pure.tolist()) == ([0], [False])  # a third of its frames
    first = annotated(seen, count=3, clip=16, label_frame="centre")
    assert first.codes.tolist() == [0]


def test_a_recording_that_nobody_annotated_has_no_classes():
    found = annotated(background="rest")
    assert found.codes.tolist() == [UNANNOTATED] * 17
    assert not found.pure.any()
    assert found.account.windows_left_out[Reason.UNLABELLED] == 17


def test_several_behaviours_at_once_are_none():
    found = annotated(annotation(("rest", 0, 12), ("groom", 8, 20)))
    assert found.frame_codes.tolist() == [*[0] * 8, *[OVERLAPPING] * 4, *[1] * 8]
    assert found.account.left_out_frames[Reason.OVERLAPPING] == 4
    assert found.account.windows_left_out[Reason.OVERLAPPING] == 4
    assert found.account.left_out_frames[Reason.DISPUTED] == 0


def test_where_two_annotations_differ_there_is_no_class_and_it_is_said():
    one = annotation(("rest", 0, 12))
    other = annotation(("rest", 2, 8), ("groom", 8, 20))
    found = annotated(one, other)
    assert found.frame_codes.tolist() == [*[0] * 8, *[OVERLAPPING] * 4, *[1] * 8]
    assert found.account.left_out_frames[Reason.DISPUTED] == 4
    assert found.account.left_out_frames[Reason.OVERLAPPING] == 0
    assert any("0.4 s that annotations of one recording see diff" in s for s in said(found.account))
    backwards = annotated(other, one)
    assert backwards.frame_codes.tolist() == found.frame_codes.tolist()


def test_what_one_annotation_sees_as_two_behaviours_no_other_decides():
    two = annotation(("rest", 0, 20), ("groom", 5, 10))
    rest = annotation(("rest", 0, 20))
    for both in ((two, rest), (rest, two)):
        found = annotated(*both)
        assert found.frame_codes.tolist() == [*[0] * 5, *[OVERLAPPING] * 5, *[0] * 10]
        assert found.account.left_out_frames[Reason.OVERLAPPING] == 5


def test_a_third_annotation_does_not_decide_what_two_differ_on():
    rest, groom = annotation(("rest", 0, 20)), annotation(("groom", 0, 20))
    for three in ((rest, groom, rest), (rest, rest, groom), (groom, rest, rest)):
        assert annotated(*three).frame_codes.tolist() == [OVERLAPPING] * 20


def test_a_behaviour_that_is_no_class_gives_way_whoever_annotated_it():
    nest, rest = annotation(("nest", 0, 10)), annotation(("rest", 5, 15))
    for both in ((nest, rest), (rest, nest)):
        found = annotated(*both)
        assert found.frame_codes.tolist()[:16] == [*[UNKNOWN] * 5, *[0] * 10, UNANNOTATED]
        assert found.account.unknown_us == {"nest": 1_000_000}
        assert found.account.left_out_us[Reason.UNKNOWN] == 500_000


def test_the_background_is_between_annotated_behaviours_alone():
    seen = annotation(("rest", 4, 6), ("rest", 10, 12))
    found = annotated(seen, labels=("rest", "other"), background="other")
    assert found.frame_codes.tolist() == [*[-1] * 4, 0, 0, *[1] * 4, 0, 0, *[-1] * 8]
    assert found.account.label_frames == {"rest": 4, "other": 4}
    assert found.account.background_frames == 4
    assert annotated(seen, labels=("rest", "other")).account.background_frames == 0


def test_between_two_annotations_nobody_looked():
    seen, later = annotation(("rest", 0, 4), ("rest", 6, 12)), annotation(("groom", 14, 15))
    found = annotated(seen, later, labels=("rest", "groom", "other"), background="other")
    assert found.frame_codes.tolist() == [*[0] * 4, 2, 2, *[0] * 6, -1, -1, 1, *[-1] * 5]


def test_the_background_is_nothing_that_somebody_annotated():
    seen = annotation(("rest", 0, 4), ("nest", 4, 8), ("out of view", 8, 12), ("rest", 14, 20))
    found = annotated(seen, labels=("rest", "other"), background="other", names={"out of view": ""})
    assert found.frame_codes.tolist() == [*[0] * 4, *[-3] * 4, *[-1] * 4, 1, 1, *[0] * 6]
    assert found.account.left_out_frames[Reason.ASKED] == 4
    assert found.account.left_out_frames[Reason.UNLABELLED] == 0
    assert found.account.asked_us == {"out of view": 400_000}


def test_a_behaviour_that_is_left_out_hides_no_other():
    seen = annotation(("rest", 0, 10), ("camera moves", 5, 15))
    found = annotated(seen, names={"camera moves": ""})
    assert found.frame_codes.tolist() == [*[0] * 10, *[-1] * 10]
    assert found.account.left_out_frames[Reason.ASKED] == 5


def read(tmp_path: Path, text: str):
    file = tmp_path / "mouse.csv"
    file.write_text(text)
    return read_annotations(file)


def test_of_a_file_with_a_row_a_frame_the_background_is_all_of_its_rows(tmp_path):
    rows = "".join(f"{i},{'rest' if 5 <= i < 8 else ''}\n" for i in range(12))
    found = annotated(
        *read(tmp_path, f"frame,label\n{rows}"), labels=("rest", "other"), background="other"
    )
    assert found.frame_codes.tolist() == [*[1] * 5, *[0] * 3, *[1] * 4, *[-1] * 8]


def test_of_deepethogram_labels_the_background_is_where_somebody_looked(tmp_path):
    marks = ["0,0"] * 4 + ["0,1"] * 4 + ["-1,-1"] * 4 + ["1,0"] * 2 + ["0,0"] * 2 + ["-1,0"] * 4
    rows = "".join(f"{i},{mark}\n" for i, mark in enumerate(marks))
    seen = read(tmp_path, f",groom,rest\n{rows}")
    found = annotated(*seen, labels=("rest", "groom", "other"), background="other")
    expected = [*[2] * 4, *[0] * 4, *[-1] * 4, *[1] * 2, *[2] * 2, *[-1] * 4]
    assert found.frame_codes.tolist() == expected


def test_names_are_taken_as_labels_and_said():
    found = annotated(
        annotation(("sleep", 0, 5), ("GROOM", 5, 10), labels=("sleep", "GROOM", "Rest")),
        names={"sleep": "rest", "swim": "dive"},
    )
    assert found.frame_codes.tolist()[:10] == [*[0] * 5, *[1] * 5]
    assert found.account.renamed == {"sleep": "rest", "GROOM": "groom"}


def test_windows_without_features_are_left_out_and_counted():
    scored = np.ones(17, np.bool_)
    scored[3:6] = False
    found = annotated(annotation(("rest", 0, 20)), scored=scored)
    assert np.flatnonzero(found.codes == NOT_SCORED).tolist() == [3, 4, 5]
    assert np.flatnonzero(~found.pure).tolist() == [3, 4, 5]
    assert found.account.windows_left_out[Reason.NOT_SCORED] == 3
    assert found.account.used == {"rest": 14, "groom": 0}
    assert found.codes.dtype == np.int16


def test_what_lies_outside_has_no_duration_or_no_stop_is_counted(tmp_path):
    seen = read(
        tmp_path, "start_s,stop_s,label\n-1,0.5,rest\n1,1,groom\n1.5,,groom\n1.8,3,rest\n5,6,rest\n"
    )
    found = annotated(*seen)
    assert found.frame_codes.tolist() == [*[0] * 5, *[-1] * 13, 0, 0]
    account = found.account
    assert (account.events, account.outside, account.cut) == (3, 1, 2)
    assert account.no_intervals == {LeftOut.EMPTY: 1, LeftOut.NO_STOP: 1}


def test_every_frame_and_every_window_is_counted_once():
    random = np.random.default_rng(1)
    for _ in range(50):
        events = []
        for _ in range(6):
            start, stop = sorted(random.integers(-5, 30, 2).tolist())
            label = random.choice(["rest", "groom", "nest", "hidden"])
            events += [(str(label), start, stop)] if stop > start else []
        found = annotated(
            annotation(*events[:4]),
            annotation(*events[4:]),
            labels=("rest", "groom", "other"),
            names={"hidden": ""},
            background=str(random.choice(["other", ""])) or None,
            scored=random.random(17) < 0.8,
        )
        account = found.account
        assert sum(account.label_frames.values()) + sum(account.left_out_frames.values()) == 20
        assert sum(account.label_us.values()) + sum(account.left_out_us.values()) == 2_000_000
        windows = (account.used, account.mixed, account.windows_left_out)
        assert sum(sum(each.values()) for each in windows) == account.windows == 17
        assert sum(account.used.values()) == found.pure.sum()


def test_what_does_not_fit_together_is_refused():
    seen = annotation(("rest", 0, 5))
    with pytest.raises(AnnotationsError, match=r"background: expected one of .*got 'other'"):
        annotated(seen, background="other")
    with pytest.raises(InputError, match="rest=doze: expected one of the model's labels"):
        annotated(seen, names={"rest": "doze"})


def said(account: Account) -> list[str]:
    return account.sentences()
