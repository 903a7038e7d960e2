"""The frames that fine-tuning sees are those of the annotated windows."""

import dataclasses

import numpy as np
import pytest
from tests.conftest import read_number
from tests.fit.materials import invented

from i3d_export.profiles import load_profile
from i3d_fit.errors import FitError
from i3d_fit.training_windows import read_windows

CONTRACT = dataclasses.replace(load_profile("homecage9").contract, height=64, width=64)


def videos_of(make_video, lengths):
    return [
        make_video(length, name=f"{number}.mp4", width=64, height=64)
        for number, length in enumerate(lengths)
    ]


def test_windows_come_in_order_with_the_frames_from_their_start_on(make_video):
    material = invented(groups=3, windows=6)
    videos = videos_of(make_video, (60, 60, 60))
    chosen = np.ones(material.num_windows, np.bool_)
    chosen[[1, 6, 7, 8, 9, 10, 11]] = False  # all of the second video's
    read = list(read_windows(material, videos=videos, chosen=chosen, contract=CONTRACT))
    assert [place for place, _ in read] == np.flatnonzero(chosen).tolist()
    for place, frames in read:
        assert frames.shape == (16, 64, 64, 1)
        start = int(material.starts[place])
        assert [read_number(frame) for frame in frames] == list(range(start, start + 16))


def test_a_video_shorter_than_a_window_repeats_its_last_frame(make_video):
    material = invented(groups=2, windows=1, bout=1, codes=[0, 1])
    videos = videos_of(make_video, (10, 20))
    chosen = np.ones(2, np.bool_)
    read = dict(read_windows(material, videos=videos, chosen=chosen, contract=CONTRACT))
    assert [read_number(frame) for frame in read[0]] == [*range(10), *[9] * 6]
    assert [read_number(frame) for frame in read[1]] == list(range(16))


def test_a_window_outside_its_video_is_named(make_video):
    material = invented(groups=2, windows=6)
    videos = videos_of(make_video, (60, 50))
    chosen = np.ones(material.num_windows, np.bool_)
    with pytest.raises(FitError, match=r"1\.mp4: .* within its 50 frames, got frames 40 to 56"):
        list(read_windows(material, videos=videos, chosen=chosen, contract=CONTRACT))
