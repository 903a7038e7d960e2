from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from i3d_client.errors import InputError
from i3d_ethogram.annotations.annotation import Annotation, Interval
from i3d_ethogram.compare.annotated_frames import (
    OVERLAPPING,
    UNANNOTATED,
    UNKNOWN,
    Frames,
    annotate_frames,
)

LABELS = ("rest", "groom", "eat by hand")


def annotation(*intervals: tuple[str, int, int], unit="us", **fields) -> Annotation:
    found = tuple(Interval(label=label, start=a, stop=b) for label, a, b in intervals)
    labels = tuple(dict.fromkeys(interval.label for interval in found))
    values = {"file": Path("x.csv"), "kind": "", "labels": labels, **fields}
    return Annotation(unit=unit, intervals=found, **values)


def frames(*times_us: int, first_frame: int = 0, videos: tuple[str, ...] = ()) -> Frames:
    return Frames(first_frame=first_frame, times_us=np.array(times_us, np.int64), videos=videos)


def annotate(of: Annotation, on: Frames, **options):
    return annotate_frames(of, on, labels=LABELS, names=options.pop("names", {}), **options)


TEN = frames(*range(0, 1100, 100))


def test_a_frame_has_the_behaviour_that_holds_its_middle():
    # Of [100, 200) the middle is 150: 149 begins before it, 151 after.
    codes = annotate(annotation(("rest", 149, 350), ("groom", 351, 551)), TEN).codes
    assert codes.tolist() == [-1, 0, 0, -1, 1, 1, -1, -1, -1, -1]
    assert annotate(annotation(("rest", 150, 250)), TEN).codes.tolist()[:3] == [-1, 0, -1]


def test_times_rounded_to_milliseconds_find_their_frames():
    times = np.round(np.arange(3001) * 1e6 * 1001 / 30000).astype(np.int64)
    for first in range(0, 2990, 7):
        start, stop = (int(round(t, -3)) for t in (times[first], times[first + 5]))
        codes = annotate(annotation(("rest", start, stop)), frames(*times)).codes
        assert np.flatnonzero(codes == 0).tolist() == list(range(first, first + 5))


def test_different_behaviours_at_once_are_none_and_the_same_are_one():
    codes = annotate(
        annotation(("rest", 0, 500), ("rest", 300, 700), ("groom", 600, 800)), TEN
    ).codes
    assert codes.tolist() == [0, 0, 0, 0, 0, 0, OVERLAPPING, 1, UNANNOTATED, UNANNOTATED]


def test_a_behaviour_that_the_model_lacks_gives_way():
    found = annotate(annotation(("rest", 0, 400), ("in nest", 200, 600)), TEN)
    assert found.codes.tolist()[:7] == [0, 0, 0, 0, UNKNOWN, UNKNOWN, UNANNOTATED]
    assert found.unknown_us == {"in nest": 400}


def test_names_are_mapped_and_left_out():
    of = annotation(("Eat-by_Hand", 0, 200), ("nest", 200, 400), ("sleep", 400, 600))
    found = annotate(of, TEN, names={"sleep": "rest", "nest": ""})
    assert found.codes.tolist()[:6] == [2, 2, -1, -1, 0, 0]
    assert found.renamed == {"Eat-by_Hand": "eat by hand", "sleep": "rest"}
    with pytest.raises(
        InputError, match=r"sleep=resting: expected one of the model's labels.*rest"
    ):
        annotate(of, TEN, names={"sleep": "resting"})


def test_an_exact_name_goes_before_a_similar_one():
    on = annotate_frames(
        annotation(("Rest", 0, 100), ("REST", 100, 200)), TEN, labels=("rest", "Rest"), names={}
    )
    assert on.codes.tolist()[:2] == [1, UNKNOWN]  # REST may be either


def test_what_lies_outside_is_counted():
    found = annotate(
        annotation(("rest", -300, -100), ("rest", -100, 100), ("groom", 900, 1200)), TEN
    )
    assert found.codes.tolist() == [0, *[-1] * 8, 1]
    assert (found.outside, found.cut) == (1, 2)
    after = annotate(annotation(("rest", 1000, 1100)), TEN)
    assert (after.outside, after.cut) == (1, 0)


def test_an_offset_moves_it():
    found = annotate(annotation(("rest", 0, 200)), TEN, offset_us=300)
    assert np.flatnonzero(found.codes == 0).tolist() == [3, 4]


def test_frames_of_a_part_of_a_recording_keep_their_numbers():
    on = frames(*range(1000, 1600, 100), first_frame=10)
    found = annotate(annotation(("rest", 11, 13), ("groom", 2, 5), unit="frames"), on)
    assert found.codes.tolist() == [-1, 0, 0, -1, -1]
    assert found.outside == 1


def test_one_of_several_annotated_videos():
    of = annotation(
        ("rest", 4_000_000, 6_000_000),
        media=("C:\\a.mp4", "C:\\b.mp4"),
        media_lengths_us=(5_000_000, 4_000_000),
    )
    on = frames(*range(0, 5_000_000, 500_000), videos=("b.mp4",))
    found = annotate(of, on)
    assert found.codes.tolist() == [0, 0, *[-1] * 7]  # its first second
    assert found.moved_us == -5_000_000
    whole = replace(on, videos=("a.mp4", "b.mp4"), video_frames=(0, 9))
    assert annotate(of, whole).codes.tolist() == [*[-1] * 8, 0]


def test_the_annotation_of_one_of_a_recordings_videos():
    on = Frames(
        first_frame=0,
        times_us=np.arange(0, 1100, 100),
        videos=("rec1.mp4", "rec2.mp4"),
        video_frames=(0, 6),
    )
    later = annotate(annotation(("rest", 1, 3), unit="frames", file=Path("rec2_labels.csv")), on)
    assert np.flatnonzero(later.codes == 0).tolist() == [7, 8]
    first = annotate(annotation(("rest", 1, 3), unit="frames", file=Path("rec1_labels.csv")), on)
    assert np.flatnonzero(first.codes == 0).tolist() == [1, 2]
    timed = annotate(annotation(("rest", 100, 300), media=("/x/rec2.avi",)), on, offset_us=100)
    assert np.flatnonzero(timed.codes == 0).tolist() == [8, 9]
    assert timed.moved_us == 600
    both = annotate(annotation(("rest", 100, 300), media=("rec1.mp4", "rec2.mp4")), on)
    assert np.flatnonzero(both.codes == 0).tolist() == [1, 2]
