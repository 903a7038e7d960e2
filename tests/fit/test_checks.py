from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.ethogram.test_alignment import moved, recording
from tests.fit.annotating import annotation, frames

from i3d_client.windows import WindowGrid
from i3d_ethogram.compare.annotated_frames import Frames
from i3d_fit.checks import (
    check_annotations,
    check_apart,
    check_groups,
    check_labels,
    check_predictions,
    check_unmatched,
    predicted_frames,
)

SECOND = 1_000_000


def doubts(of, *, fps=10.0, count=600):
    """What is said of an annotation of mouse.mp4, 60 s at 10 frames/s unless told otherwise."""
    return check_annotations([of], frames(count), recording="mouse.mp4", fps=fps)


BORIS = annotation(
    ("rest", 0, 30 * SECOND),
    ("groom", 30 * SECOND, 60 * SECOND),
    unit="us",
    file=Path("lab.boris"),
    observation="obs 1",
    media=("D:\\videos\\mouse.avi",),
    media_lengths_us=(60 * SECOND,),
    fps=10.0,
)


def test_an_annotation_that_fits_its_video_is_left_alone():
    assert doubts(BORIS) == []
    assert doubts(replace(BORIS, fps=10.05, media_lengths_us=(60 * SECOND + 900_000,))) == []
    assert doubts(annotation(("rest", 0, 600))) == []


@pytest.mark.parametrize(
    ("fields", "kind", "said"),
    [
        ({"fps": 25.0}, "rate", "lab.boris, obs 1: says that its video has 25 frames/s; this one"),
        ({"media_lengths_us": (75 * SECOND,)}, "length", "lasts 75.0 s; this one lasts 60.0 s"),
        ({"media": ("rat.mp4",)}, "video", "is of rat.mp4, and taken to be of mouse.mp4"),
    ],
)
def test_what_a_file_says_of_another_video_is_told(fields, kind, said):
    (doubt,) = doubts(replace(BORIS, **fields))
    assert (doubt.recording, doubt.kind) == ("mouse.mp4", kind)
    assert said in doubt.said


def test_events_outside_the_video_are_told():
    # As if 25 frames a second had been counted of a video of 30.
    late = annotation(
        ("rest", 0, 50 * SECOND),
        ("groom", 55 * SECOND, 62 * SECOND),
        ("rest", 66 * SECOND, 72 * SECOND),
        unit="us",
    )
    (doubt,) = doubts(late)
    assert doubt.kind == "outside"
    assert "of its 3 events, 1 lie wholly outside the video and 1 begin before it" in doubt.said
    (in_frames,) = doubts(annotation(("rest", 0, 500), ("groom", 500, 700)))
    assert in_frames.kind == "outside"


def test_a_bout_that_is_stopped_a_little_late_is_nothing_odd():
    late = annotation(("rest", 0, 60 * SECOND + 950_000), unit="us")
    assert doubts(late) == []
    assert doubts(annotation(("rest", 0, 609))) == []
    assert len(doubts(annotation(("rest", 0, 612)))) == 1


def test_events_of_the_other_videos_of_an_observation_are_nothing_odd():
    several = annotation(
        ("rest", 0, 30 * SECOND),
        ("groom", 100 * SECOND, 120 * SECOND),
        unit="us",
        media=("mouse.mp4", "rat.mp4"),
    )
    assert doubts(several) == []


def test_annotations_of_none_of_the_videos_are_told():
    named, nameless = check_unmatched([BORIS, annotation(("rest", 0, 5))])
    assert (named.recording, named.kind) == ("", "video")
    assert named.said.startswith("lab.boris, obs 1 is left out: it is of mouse.avi, which is none")
    assert "a video that it does not name" in nameless.said


def of_predictions(annotated, predicted, times_us):
    on = Frames(first_frame=0, times_us=times_us, videos=("mouse.mp4",))
    return check_predictions(annotated, predicted, frames=on, recording="mouse.mp4", fps=30.0)


def noisy(codes):
    """As a head that is right three times in four, at stride 8."""
    random = np.random.default_rng(0)
    blocks = -(-len(codes) // 8)
    wrong = np.repeat(random.random(blocks) < 0.25, 8)[: len(codes)]
    others = np.repeat(random.integers(0, 9, blocks), 8)[: len(codes)]
    return np.where(wrong, others, codes).astype(np.int16)


def test_what_agrees_where_it_lies_is_left_alone():
    codes, times_us = recording(1200)
    assert of_predictions(codes, noisy(codes), times_us) == []


@pytest.mark.parametrize(("shift", "where"), [(369, "earlier"), (-369, "later")])
def test_an_annotation_that_is_shifted_is_told(shift, where):
    codes, times_us = recording(1200)
    (doubt,) = of_predictions(moved(codes, shift), noisy(codes), times_us)
    assert doubt.kind == "shift"
    assert f"if it lay 12.3 s {where} (kappa 0." in doubt.said


def test_an_annotation_at_another_frame_rate_is_told():
    codes, times_us = recording(1200)
    # What happens at 30 s of the video is annotated at 36 s: 25 frames/s were counted.
    source = (np.arange(len(codes)) * 25 / 30).astype(int)
    (doubt,) = of_predictions(codes[source], noisy(codes), times_us)
    assert doubt.kind == "factor"
    assert "Was it made at 25 frames/s? The video has 30" in doubt.said


def test_the_annotation_of_another_mouse_is_told():
    codes, times_us = recording(3600)
    other, _ = recording(3600, seed=100)
    (doubt,) = of_predictions(other, noisy(codes), times_us)
    assert doubt.kind == "chance"
    assert "Is the annotation of this video?" in doubt.said


def test_nothing_is_said_of_what_nobody_annotated():
    codes, times_us = recording(600)
    assert of_predictions(np.full(len(codes), -1, np.int16), codes, times_us) == []


def test_windows_give_frames_the_classes_that_the_served_model_would():
    predicted = np.array([0, 1, -1, 1], np.int16)
    grid = WindowGrid(10, 4, 2)
    last = predicted_frames(predicted, grid=grid, label_frame="last")
    assert last.tolist() == [-1, -1, 0, 0, 1, 1, -1, -1, 1, 1]
    assert last.dtype == np.int16
    none = predicted_frames(np.full(4, -1, np.int16), grid=grid, label_frame="centre")
    assert none.tolist() == [-1] * 10
    empty = predicted_frames(np.empty(0, np.int16), grid=WindowGrid(0, 4, 2), label_frame="last")
    assert empty.tolist() == []


def test_a_recording_that_agrees_far_less_than_the_others_is_told():
    kappas = {"a.mp4": 0.8, "b.mp4": 0.02, "c.mp4": 0.7, "d.mp4": float("nan")}
    (doubt,) = check_apart(kappas)
    assert (doubt.recording, doubt.kind) == ("b.mp4", "apart")
    assert "kappa 0.02" in doubt.said
    assert "median 0.75" in doubt.said


def test_of_three_short_videos_two_that_were_mixed_up_are_told():
    assert [one.recording for one in check_apart({"a": -0.06, "b": 0.42, "c": 0.56})] == ["a"]
    assert [one.recording for one in check_apart({"a": 0.01, "b": 0.8, "c": 0.02})] == ["a", "c"]


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("grom", "groom", True),
        ("Groom", "groom", True),
        ("eat by hand", "eat_by_hand", True),
        ("eat", "eathand", False),
        ("zone A", "zone B", False),
        ("turn left", "turn right", False),
        ("hang", "hand", False),
    ],
)
def test_names_that_may_be_one_behaviour_are_told(first, second, alike):
    of = [
        annotation((first, 0, 5), file=Path("one.csv")),
        annotation((second, 0, 5), (second, 6, 9), file=Path("other.csv")),
    ]
    said = [one.said for one in check_labels((first, second, "sleep"), of)]
    assert len(said) == alike
    if alike:
        assert f"{first!r} (1 bouts, in one.csv)" in said[0]
        assert f"--rename '{first}={second}'" in said[0]


def test_a_table_that_leaves_animals_out_is_told():
    assert check_groups("animal", ()) == check_groups("video", ()) == []
    first, second = check_groups("animal (1 of 3 videos by itself: animal unknown)", ("line 3",))
    assert "name them in --metadata" in first.said
    assert second.said == "line 3"


@pytest.mark.parametrize(
    "kappas",
    [
        {"a.mp4": 0.8, "b.mp4": 0.02},  # of two, either may be the wrong one
        {"a.mp4": 0.4, "b.mp4": 0.02, "c.mp4": 0.3},  # a bad head agrees with nobody
        {"a.mp4": 0.8, "b.mp4": 0.3, "c.mp4": 0.7},
    ],
)
def test_where_that_says_nothing_nothing_is_told(kappas):
    assert check_apart(kappas) == []
