"""Whether a mouse moves, from the pixels of a video from above."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo

from i3d_bench.moving import movement_of, write_movement

_RATE = 30
_STILL_FROM, _STILL_TO = 60, 150


def _mouse_that_pauses(number: int) -> np.ndarray:
    """A dark mouse on a bright floor that goes right, stands still, and goes on."""
    walked = min(number, _STILL_FROM) + max(0, number - _STILL_TO)
    picture = np.full((240, 320, 3), 220, np.uint8)
    cv2.ellipse(picture, (40 + walked, 120), (22, 10), 0, 0, 360, (30, 30, 30), -1, cv2.LINE_AA)
    return picture


def _floor_alone(_number: int) -> np.ndarray:
    return np.full((240, 320, 3), 220, np.uint8)


def test_a_mouse_moves_until_it_pauses_and_again_after_that(make_video: MakeVideo) -> None:
    video = make_video(210, rate=_RATE, width=320, height=240, picture=_mouse_that_pauses)
    intervals = movement_of(video).intervals()
    assert [label for _, _, label in intervals] == ["move", "still", "move"]
    _, (start_s, stop_s, _), (_, end_s, _) = intervals
    assert start_s == pytest.approx(_STILL_FROM / _RATE, abs=0.3)
    assert stop_s == pytest.approx(_STILL_TO / _RATE, abs=0.3)
    assert end_s == pytest.approx(210 / _RATE)


def test_its_stretches_are_an_annotation_without_gaps(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    video = make_video(210, rate=_RATE, width=320, height=240, picture=_mouse_that_pauses)
    write_movement(video, tmp_path / "moves.csv")
    header, *rows = (tmp_path / "moves.csv").read_text().splitlines()
    assert header == "video,start_s,stop_s,label"
    cells = [row.split(",") for row in rows]
    assert {row[0] for row in cells} == {video.name}
    assert [row[2] for row in cells[:-1]] == [row[1] for row in cells[1:]]
    assert cells[0][1] == "0.000000"


def test_a_video_without_a_mouse_is_an_error(make_video: MakeVideo) -> None:
    video = make_video(90, rate=_RATE, width=320, height=240, picture=_floor_alone)
    with pytest.raises(ValueError, match="darker than the floor"):
        movement_of(video)
