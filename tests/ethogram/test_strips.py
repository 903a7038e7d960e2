from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo, read_number

from i3d_ethogram.strips import BoutFrames, Strip, read_strips


def numbers(strip: Strip | str) -> list[int | None]:
    assert isinstance(strip, Strip)
    return [None if jpeg is None else number_of(jpeg) for jpeg in strip.jpegs]


def number_of(jpeg: bytes) -> int:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return read_number(cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA))


def bout(path: Path, first: int, stop: int, key: int = 0) -> BoutFrames:
    return BoutFrames(key=key, path=path, first_frame=first, stop_frame=stop)


@pytest.mark.parametrize("name", ["a.mp4", "a.avi"])  # the second is not timed: read from the start
def test_five_pictures_in_the_middle_of_five_equal_parts(make_video: MakeVideo, name: str) -> None:
    video = make_video(200, name=name, b_frames=2)
    bouts = [bout(video, 100, 150, 7), bout(video, 0, 3, 8), bout(video, 199, 200, 9)]
    strips = dict(read_strips(bouts, most_bytes=10**9))
    assert numbers(strips[7]) == [105, 115, 125, 135, 145]
    assert numbers(strips[8]) == [0, 0, 1, 2, 2]
    assert numbers(strips[9]) == [199] * 5


def test_pictures_are_turned_as_a_player_turns_them(make_video: MakeVideo) -> None:
    wide = make_video(10, name="wide.mp4", width=256, rotation=90)
    ((_, strip),) = read_strips([bout(wide, 0, 10)], most_bytes=10**9)
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
