"""Which frames are taken where a person said what they show: of every class, and none twice."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import MakeVideo

from i3d_export.accuracy import UNLABELLED, Classes
from i3d_export.annotated_sampling import (
    annotated_calibration,
    annotated_held_out,
    halves_of_stretches,
)
from i3d_export.annotations import annotated_classes, frame_classes, read_annotations
from i3d_export.evidence import annotated_windows, footage, to_calibrate, to_judge, unjudged
from i3d_export.profiles import load_profile
from i3d_export.sampling import Sample, SampledVideo, piece_of_windows, window_count

HOMECAGE = load_profile("homecage9").contract
SMALL = dataclasses.replace(HOMECAGE, height=32, width=64, windows_per_segment=3, stride=2)
SINGLE = dataclasses.replace(HOMECAGE, windows_per_segment=1, stride=16)


def bouts(*runs: tuple[int, int]) -> Classes:
    """Frames of a video: (class, frames) one after the other."""
    return np.repeat([label for label, _ in runs], [frames for _, frames in runs])


def video(number: int, classes: Classes) -> SampledVideo:
    return SampledVideo(
        path=Path(f"{number}.mp4"), sha256=str(number), num_frames=len(classes),
        calibration=halves_of_stretches(classes, clip_frames=16),
    )  # fmt: skip


def counts(sample: Sample, classes: list[Classes], contract: object = SMALL) -> dict[int, int]:
    found = annotated_classes(sample.pieces, classes, contract=contract)  # type: ignore[arg-type]
    return {int(one): int((found == one).sum()) for one in np.unique(found)}


many_bouts = st.lists(
    st.tuples(st.sampled_from([UNLABELLED, 0, 1, 2, 3]), st.integers(1, 200)), max_size=12
)


@given(st.lists(many_bouts, min_size=1, max_size=3), st.integers(1, 12), st.integers(1, 60))
def test_no_frame_is_used_twice(
    runs: list[list[tuple[int, int]]], calibrated: int, judged: int
) -> None:
    classes = [bouts(*own, (UNLABELLED, 5)) for own in runs]
    videos = [video(number, own) for number, own in enumerate(classes)]
    one = annotated_calibration(videos, classes, contract=SMALL, segments=calibrated)
    used = {} if one is None else one.ranges()
    other = annotated_held_out(videos, classes, contract=SMALL, segments=judged, used=used)
    taken = [np.zeros(len(own), int) for own in classes]
    for sample, most in ((one, calibrated), (other, judged)):
        if sample is None:
            continue
        assert 0 < len(sample.pieces) <= most
        for piece in sample.pieces:
            assert SMALL.clip_frames <= piece.stop - piece.start <= SMALL.segment_frames
            assert 0 <= piece.start < piece.stop <= len(classes[piece.video])
            taken[piece.video][piece.start : piece.stop] += 1
    assert all(own.max() <= 1 for own in taken)
    again = annotated_held_out(videos, classes, contract=SMALL, segments=judged, used=used)
    assert again == other


def test_rare_classes_have_their_part_and_common_ones_no_more() -> None:
    rare = bouts((0, 4000), (1, 60), (0, 4000), (2, 60), (0, 2000), (1, 60), (0, 500), (2, 60))
    videos = [video(0, rare)]
    sample = annotated_held_out(videos, [rare], contract=SMALL, segments=12, used={})
    assert sample is not None
    found = counts(sample, [rare])
    assert sum(found.values()) == 36
    assert set(found) == {0, 1, 2}
    assert max(found.values()) - min(found.values()) <= 6


def test_pieces_come_from_all_videos_and_from_different_bouts() -> None:
    one = bouts(*[(number % 3, 90) for number in range(30)])
    classes = [one, one.copy(), one.copy()]
    videos = [video(number, own) for number, own in enumerate(classes)]
    sample = annotated_held_out(videos, classes, contract=SMALL, segments=18, used={})
    assert sample is not None
    assert [sum(piece.video == number for piece in sample.pieces) for number in range(3)] == [6] * 3
    bouts_of = {(piece.video, piece.start // 90) for piece in sample.pieces}
    assert len(bouts_of) >= 15


def test_frames_that_nobody_annotated_are_left_out() -> None:
    classes = bouts((UNLABELLED, 3000), (1, 100), (UNLABELLED, 3000))
    sample = annotated_held_out([video(0, classes)], [classes], contract=SINGLE, segments=50,
                                used={})  # fmt: skip
    assert sample is not None
    assert counts(sample, [classes], SINGLE) == {1: len(sample.pieces)}
    nothing = np.full(3000, UNLABELLED)
    assert (
        annotated_held_out([video(0, nothing)], [nothing], contract=SINGLE, segments=5, used={})
        is None
    )


def test_calibration_takes_half_of_a_long_bout_and_every_second_short_one() -> None:
    classes = bouts((0, 100), (1, 20), (UNLABELLED, 50), (1, 20), (0, 31), (1, 20))
    assert halves_of_stretches(classes, clip_frames=16) == ((0, 50), (170, 190))
    assert halves_of_stretches(np.full(10, UNLABELLED), clip_frames=16) == ()


def test_the_windows_asked_for_follow_the_classes_within_limits() -> None:
    assert annotated_windows(2, 128, SINGLE) == 128
    assert annotated_windows(9, 128, SINGLE) == 9 * 28
    assert annotated_windows(400, 128, SINGLE) == 4 * 128
    assert annotated_windows(3, 128, HOMECAGE) == 3 * 2 * 32


def test_annotations_of_a_video_say_what_frames_show(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(300, rate=30)
    rows = tmp_path / "seen.csv"
    rows.write_text(
        "video,start_s,stop_s,label\nnumbered.mp4,1,3,walk\nnumbered.mp4,2,4,rest\n"
        "other.mp4,0,10,drink\nnumbered.mp4,8,99,rest\n"
    )
    annotations = read_annotations(rows, labels=SMALL.labels)
    material = footage([path], annotations, contract=SMALL)
    assert material.classes is not None
    (classes,) = material.classes
    walk, rest = SMALL.labels.index("walk"), SMALL.labels.index("rest")
    expected = bouts(
        (UNLABELLED, 30), (walk, 60), (rest, 30), (UNLABELLED, 120), (rest, 60)
    )  # fmt: skip
    np.testing.assert_array_equal(classes, expected)
    np.testing.assert_array_equal(classes, frame_classes(material.videos[0], annotations))
    # Stretches: 60 frames of walk, 30 of rest (short, the first of its class), 60 of rest.
    assert material.videos[0].calibration == ((30, 60), (240, 270))
    calibrated = to_calibrate(material, contract=SMALL)
    judged = to_judge(material, contract=SMALL, windows=30, used=calibrated.ranges())
    assert set(counts(judged, [classes])) >= {walk, rest}
    assert unjudged(material, judged, contract=SMALL) == []
    assert len(piece_of_windows(judged.pieces, SMALL)) == sum(
        window_count(piece, SMALL) for piece in judged.pieces
    )
    everything = {material.videos[0].sha256: [[0, 90]]}
    no_walk = to_judge(material, contract=SMALL, windows=30, used=everything)
    assert unjudged(material, no_walk, contract=SMALL) == ["walk"]


def test_annotations_of_other_videos_alone_change_nothing(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    path = make_video(200)
    rows = tmp_path / "seen.csv"
    rows.write_text("video,start_s,stop_s,label\nother.mp4,0,10,drink\n")
    annotations = read_annotations(rows, labels=SMALL.labels)
    plain = footage([path], None, contract=SMALL)
    material = footage([path], annotations, contract=SMALL)
    assert material.classes is plain.classes is None
    used = to_calibrate(plain, contract=SMALL)
    assert to_calibrate(material, contract=SMALL) == used
    for one in (plain, material):
        judged = to_judge(one, contract=SMALL, windows=30, used=used.ranges())
        assert sum(window_count(piece, SMALL) for piece in judged.pieces) == pytest.approx(
            30, abs=6
        )
