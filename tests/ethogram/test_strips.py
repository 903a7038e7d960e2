from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo, read_number

from i3d_ethogram.page.strips import BoutTime, Strip, _Pictures, read_strips


def numbers(strip: Strip | str) -> list[int | None]:
    assert isinstance(strip, Strip)
    return [None if jpeg is None else number_of(jpeg) for jpeg in strip.jpegs]


def number_of(jpeg: bytes) -> int:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return read_number(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))


def bout(path: Path, first: int, stop: int, key: int = 0, **facts: Any) -> BoutTime:
    # Half a millisecond later: some containers round times to one.
    start_s, stop_s = first / 30 + 0.0005, stop / 30 + 0.0005
    return BoutTime(key=key, path=path, start_s=start_s, stop_s=stop_s, **facts)


@pytest.mark.parametrize(
    ("name", "gop", "fps"),
    [
        ("a.mp4", 12, None),
        ("a.mp4", 10_000, None),  # one key frame
        ("a.mkv", 100, None),
        ("a.ts", 50, None),  # sought by decoding timestamps
        ("a.avi", 12, 30.0),  # not timed: counted from the start
    ],
)
def test_five_pictures_in_the_middle_of_five_equal_parts(
    make_video: MakeVideo, name: str, gop: int, fps: float | None
) -> None:
    video = make_video(400, name=name, b_frames=2, gop=gop)
    with av.open(str(video)) as container:
        begins = next(container.decode(video=0)).pts * container.streams.video[0].time_base
    shift = 0 if fps else float(begins)
    bouts = [
        replace(one, start_s=one.start_s + shift, stop_s=one.stop_s + shift)
        for one in [
            bout(video, 300, 350, 7, fps=fps),
            bout(video, 0, 3, 8, fps=fps),
            bout(video, 399, 400, 9, fps=fps),
            bout(video, 100, 150, 10, fps=fps),
        ]
    ]
    strips = dict(read_strips(bouts, most_bytes=10**9))
    assert numbers(strips[7]) == [305, 315, 325, 335, 345]
    assert numbers(strips[8]) == [0, 0, 1, 2, 2]
    assert numbers(strips[9]) == [399] * 5
    assert numbers(strips[10]) == [105, 115, 125, 135, 145]


def test_a_file_with_one_key_frame_is_decoded_once(make_video: MakeVideo) -> None:
    video = make_video(1000, gop=10_000)
    bouts = [bout(video, 150 * key, 150 * key + 50, key) for key in range(6)]
    pictures = _Pictures(video, bouts)
    pictures.read()
    assert pictures.decoded < 1000


def test_a_file_is_left_where_a_picture_is_too_far(
    make_video: MakeVideo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i3d_ethogram.page.strips.MOST_FRAMES_OF_A_FILE", 100)
    video = make_video(600, gop=10_000)
    strips = dict(read_strips([bout(video, 500, 550, 0), bout(video, 10, 20, 1)], most_bytes=10**9))
    assert "too few key frames" in str(strips[0])
    assert numbers(strips[1]) == [11, 13, 15, 17, 19]


def test_frames_of_another_rate_are_found_by_their_own_times(make_video: MakeVideo) -> None:
    ticks = [0, 10, 15, 100, 200, 201, 202, 203, 300, 400]
    video = make_video(10, name="a.mkv", ticks=ticks, time_base=Fraction(1, 1000))
    one = BoutTime(key=0, path=video, start_s=0.1, stop_s=0.3)
    # 120 and 160 ms are in the frame from 100 to 200; 240 and 280 in the one from 203 to 300.
    other = replace(one, key=1, start_s=0.2, stop_s=0.21)
    strips = dict(read_strips([one, other], most_bytes=10**9))
    assert numbers(strips[0]) == [3, 3, 4, 7, 7]
    assert numbers(strips[1]) == [5, 7, 7, 7, 7]


def test_pictures_are_turned_as_a_player_turns_them(make_video: MakeVideo) -> None:
    wide = make_video(10, name="wide.mp4", width=256, rotation=90)
    ((_, strip),) = read_strips([bout(wide, 0, 10, rotation=90)], most_bytes=10**9)
    assert isinstance(strip, Strip)
    picture = cv2.imdecode(np.frombuffer(strip.jpegs[0] or b"", np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (384, 192)


def test_no_more_bytes_than_there_is_room_for(make_video: MakeVideo) -> None:
    video = make_video(100)
    bouts = [bout(video, 10 * key, 10 * key + 10, key) for key in range(10)]
    everything = dict(read_strips(bouts, most_bytes=10**9))
    sizes = [strip.num_bytes for strip in everything.values() if isinstance(strip, Strip)]
    assert len(sizes) == 10
    some = dict(read_strips(bouts, most_bytes=sum(sizes[:4])))
    assert some == {key: everything[key] for key in range(4)}


def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"no video")
    bouts = [bout(broken, 0, 5, 0), bout(make_video(10), 0, 5, 1)]
    strips = dict(read_strips(bouts, most_bytes=10**9))
    assert "broken.avi" in str(strips[0])
    assert numbers(strips[1]) == [0, 1, 2, 3, 4]


def test_frames_beyond_the_end_are_not_there(make_video: MakeVideo) -> None:
    ((_, strip),) = read_strips([bout(make_video(8), 0, 20)], most_bytes=10**9)
    assert numbers(strip) == [2, 6, None, None, None]
