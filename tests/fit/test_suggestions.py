import itertools
import json

import numpy as np
import pytest

from i3d_fit.suggestions import ScoredRecording, suggest

LABELS = ("rest", "groom", "eat")
T, STRIDE = 16, 8
FRAME_US = 33_333


def recording(margins, *, name="a.mp4", annotated=(), stride=STRIDE, frame_us=FRAME_US):
    """Return windows at 30 frames/s, groom before rest by these margins."""
    margins = np.asarray(margins, np.float64)
    probabilities = np.zeros((len(margins), 3), np.float32)
    probabilities[:, 1], probabilities[:, 0] = (0.9 + margins) / 2, (0.9 - margins) / 2
    probabilities[:, 2] = 0.1
    marked = np.zeros(len(margins), np.bool_)
    marked[list(annotated)] = True
    frames = (len(margins) - 1) * stride + T
    return ScoredRecording(
        name=name,
        probabilities=probabilities,
        starts=np.arange(len(margins), dtype=np.int64) * stride,
        annotated=marked,
        times_us=np.arange(frames + 1, dtype=np.int64) * frame_us,
    )


def suggested(*recordings, **options):
    return suggest(recordings, labels=LABELS, clip_frames=T, **options)


def sure(count, **unsure):
    margins = np.full(count, 0.8)
    for place, margin in unsure.items():
        margins[int(place[1:])] = margin
    return margins


def test_the_least_sure_window_is_a_stretch_with_its_two_classes():
    (only,) = suggested(recording(sure(100, w40=0.1)), count=1)
    assert (only.recording, only.first, only.second) == ("a.mp4", "groom", "rest")
    assert only.margin == pytest.approx(0.1, abs=1e-6)
    assert (only.start_frame, only.stop_frame) == (320, 336)
    assert only.start_s == pytest.approx(320 / 30, abs=1e-3)
    assert only.stop_s == pytest.approx(336 / 30, abs=1e-3)
    assert json.loads(json.dumps(only.document()))["start_frame"] == 320


def test_unsure_neighbours_are_of_one_stretch_up_to_its_longest():
    (three,) = suggested(recording(sure(100, w40=0.2, w41=0.1, w42=0.2)), count=1)
    assert (three.start_frame, three.stop_frame) == (320, 352)
    assert three.margin == pytest.approx(0.1, abs=1e-6)
    (longest,) = suggested(recording(np.full(400, 0.1)), count=1)
    assert 4.5 < longest.stop_s - longest.start_s <= 5
    (shorter,) = suggested(recording(np.full(400, 0.1)), count=1, longest_s=2)
    assert 1.5 < shorter.stop_s - shorter.start_s <= 2


def test_a_window_longer_than_the_longest_stretch_is_taken_whole():
    (only,) = suggested(recording(sure(20, w5=0.1), frame_us=1_000_000), count=1)
    assert (only.start_frame, only.stop_frame) == (40, 56)


def test_what_is_annotated_or_not_scored_is_not_suggested():
    one = recording(sure(100, w10=0.0, w40=0.05, w70=0.1), annotated=[10])
    one.probabilities[40] = 0
    first, *_ = suggested(one)
    assert first.start_frame == 560
    one.probabilities[70] = np.nan
    assert all(other.margin > 0.5 for other in suggested(one))
    whole = recording(np.full(30, 0.1), annotated=range(30))
    assert suggested(whole) == []


def test_a_stretch_does_not_reach_over_what_is_annotated():
    margins = sure(100, w40=0.1, w41=0.2, w42=0.2)
    (only,) = suggested(recording(margins, annotated=[41]), count=1)
    assert (only.start_frame, only.stop_frame) == (320, 336)


def test_stretches_of_a_recording_are_apart_and_the_least_sure_comes_first():
    rng = np.random.default_rng(0)
    found = suggested(recording(rng.random(3000) * 0.8), count=12)
    assert len(found) == 12
    assert [one.margin for one in found] == sorted(one.margin for one in found)
    in_time = sorted(found, key=lambda one: one.start_frame)
    for one, after in itertools.pairwise(in_time):
        assert after.start_s - one.stop_s >= 5


def test_recordings_take_turns_and_one_with_more_makes_up_for_one_with_less():
    unsure = recording(np.linspace(0, 0.1, 3000), name="unsure.mp4")
    surer = recording(np.linspace(0.5, 0.6, 3000), name="surer.mp4")
    short = recording(np.full(2, 0.5), name="short.mp4")
    found = suggested(unsure, surer, short, count=11)
    by_name = [one.recording for one in found]
    assert by_name.count("unsure.mp4") == 5
    assert by_name.count("surer.mp4") == 5
    assert by_name.count("short.mp4") == 1


def test_what_the_model_is_sure_of_is_left_out_unless_it_is_sure_of_all():
    unsure = suggested(recording(sure(400, w40=0.1, w200=0.2)), count=5)
    assert [one.margin for one in unsure] == pytest.approx([0.1, 0.2], abs=1e-6)
    assert len(suggested(recording(sure(400)), count=5)) == 5


def test_fewer_than_asked_for_are_all_there_are():
    assert len(suggested(recording(sure(4)), count=20)) == 1
    assert suggested() == []
