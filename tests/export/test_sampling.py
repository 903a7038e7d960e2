"""Which frames are taken: never the same to calibrate and to judge, and as the client cuts them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import MakeVideo, read_number

from i3d_client.video import Reader, Stretch
from i3d_export.errors import ExportError
from i3d_export.profiles import load_profile
from i3d_export.sampling import (
    Piece,
    Sample,
    SampledVideo,
    calibration_sample,
    held_out_sample,
    read_pieces,
    sampled_video,
    window_count,
)

HOMECAGE = load_profile("homecage9").contract
SMALL = dataclasses.replace(HOMECAGE, height=32, width=64, windows_per_segment=3, stride=2)


def video(number: int, frames: int) -> SampledVideo:
    half = ((0, frames // 2),)
    return SampledVideo(
        path=Path(f"{number}.mp4"), sha256=str(number), num_frames=frames, calibration=half
    )


@given(
    st.lists(st.integers(40, 3000), min_size=1, max_size=4),
    st.integers(1, 40),
    st.integers(1, 200),
    st.integers(0, 5),
)
def test_no_frame_is_used_twice(lengths: list[int], segments: int, windows: int, seed: int) -> None:
    videos = [video(number, frames) for number, frames in enumerate(lengths)]
    try:
        calibrated = calibration_sample(videos, contract=SMALL, segments=segments, seed=seed)
        used = calibrated.ranges()
    except ExportError:
        calibrated, used = None, {}
    judged = held_out_sample(videos, contract=SMALL, windows=windows, used=used)
    for piece in judged.pieces:
        assert 0 <= piece.start < piece.stop <= lengths[piece.video]
        assert SMALL.clip_frames <= piece.stop - piece.start <= SMALL.segment_frames
        for first, stop in used.get(str(piece.video), []):
            assert piece.stop <= first or stop <= piece.start
    assert len(set(judged.pieces)) == len(judged.pieces) <= -(-windows // 3)
    if calibrated is not None:
        assert len(calibrated.pieces) <= segments
        again = calibration_sample(videos, contract=SMALL, segments=segments, seed=seed)
        assert again == calibrated


def test_pieces_are_spread_over_all_videos_and_short_ones_give_what_they_can() -> None:
    videos = [video(0, 10_000), video(1, 60), video(2, 10_000)]
    sample = held_out_sample(videos, contract=SMALL, windows=300, used={})
    share = [sum(piece.video == number for piece in sample.pieces) for number in range(3)]
    assert share[1] <= 60 - SMALL.segment_frames + 1
    assert abs(share[0] - share[2]) <= 1
    assert sum(share) == 100
    starts = [piece.start for piece in sample.pieces if piece.video == 0]
    assert starts[0] < 500
    assert starts[-1] > 9_000


def test_frames_are_those_of_the_piece_and_a_short_piece_is_padded(make_video: MakeVideo) -> None:
    contract = dataclasses.replace(SMALL, height=64, width=64)
    path = make_video(45, width=64, height=64, gop=12, b_frames=2)
    described = sampled_video(path, contract=contract)
    assert described.num_frames == 45
    sample = held_out_sample(
        [described], contract=contract, windows=60, used={described.sha256: [[18, 24]]}
    )
    short = [piece for piece in sample.pieces if piece.stop - piece.start < 20]
    assert [(piece.start, piece.stop) for piece in short] == [(0, 18)]
    assert window_count(short[0], contract) == 2
    read = list(read_pieces(sample, contract=contract))
    assert [piece for piece, _ in read] == sorted(sample.pieces)
    for piece, frames in read:
        assert frames.shape == (20, 64, 64, 1)
        numbers = [read_number(frame) for frame in frames]
        expected = [min(piece.start + k, piece.stop - 1) for k in range(20)]
        assert numbers == expected


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("seekable.mp4", {"gop": 30, "b_frames": 2}),
        ("open_gop.mp4", {"gop": 30, "b_frames": 2, "options": {"x264-params": "open-gop=1"}}),
        ("one_key_frame.mp4", {"gop": 10_000}),
        ("stream.h264", {"gop": 30}),  # no timestamps: every frame is decoded
    ],
)
def test_pieces_that_lie_far_apart_hold_their_own_frames(
    make_video: MakeVideo,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
) -> None:
    contract = dataclasses.replace(SMALL, height=64, width=64)
    path = make_video(700, name=name, width=64, height=64, **options)
    described = sampled_video(path, contract=contract)
    pieces = [Piece(video=0, start=start, stop=start + 20) for start in (3, 10, 301, 333, 655)]
    sample = Sample(videos=(described,), pieces=tuple(pieces))
    decoded: list[int] = []
    frames_of = Reader.frames

    def counted(reader: Reader, stretch: Stretch) -> Iterator[Any]:
        for number, frame in enumerate(frames_of(reader, stretch), start=stretch.first):
            decoded.append(number)
            yield frame

    monkeypatch.setattr(Reader, "frames", counted)
    read = list(read_pieces(sample, contract=contract))
    assert decoded == sorted(set(decoded))
    can_enter = "gop.mp4" in name or "seekable" in name
    assert (len(decoded) < 200) == can_enter
    assert [piece for piece, _ in read] == pieces
    for piece, frames in read:
        assert [read_number(frame) for frame in frames] == list(range(piece.start, piece.stop))


def test_videos_without_room_for_a_window_are_named(make_video: MakeVideo) -> None:
    path = make_video(10)
    described = sampled_video(path, contract=SMALL)
    with pytest.raises(ExportError, match=rf"16 frames.*{path.name}"):
        held_out_sample([described], contract=SMALL, windows=5, used={})


def test_ranges_are_merged_by_video() -> None:
    sample = held_out_sample([video(0, 26)], contract=SMALL, windows=30, used={})
    assert sample.ranges() == {"0": [[0, 26]]}
    assert np.shape(sample.identity()["pieces"]) == (7, 3)
