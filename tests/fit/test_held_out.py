"""What fine-tuning is judged by: whole groups, without which every class can be trained."""

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.errors import FitError
from i3d_fit.held_out import divide


def test_no_group_is_on_both_sides_and_about_a_fifth_is_held_out():
    material = invented(groups=10, recordings_a_group=2)
    division = divide(material, seed=0, unit="animal")
    held_out, training = division.held_out, division.training
    assert not np.intersect1d(material.groups[held_out], material.groups[training]).size
    assert held_out.sum() + training.sum() == material.num_windows
    assert held_out.mean() == pytest.approx(0.2)
    assert len(division.names) == 2
    assert set(division.names) <= set(material.group_names)


def test_a_mixed_window_is_judged_by_and_not_trained_on():
    material = invented(groups=4)
    material.pure[::3] = False
    division = divide(material, seed=0, unit="animal")
    assert not (division.training & ~material.pure).any()
    assert (division.held_out & ~material.pure).any()


def test_the_one_group_that_shows_a_class_is_trained_on():
    place = np.tile(np.arange(48), 4)
    for alone in range(4):
        group = np.repeat(np.arange(4), 48)
        codes = np.where((group == alone) & (place < 9), 2, place // 6 % 2)
        material = invented(groups=4, codes=codes)
        division = divide(material, seed=0, unit="animal")
        assert f"mouse {alone + 1}" not in division.names
        assert (codes[division.training] == 2).sum() == 9


def test_videos_of_the_one_animal_are_held_out_whole():
    material = invented(groups=1, recordings_a_group=3)
    division = divide(material, seed=0, unit="animal")
    assert division.names in {("01.mp4",), ("02.mp4",), ("03.mp4",)}
    assert len(np.unique(material.recordings[division.held_out])) == 1


def test_one_video_alone_is_refused():
    with pytest.raises(FitError, match=r"01\.mp4: expected at least 2 annotated videos"):
        divide(invented(groups=1, windows=600), seed=0, unit="video")


def test_a_class_that_is_lacking_whatever_is_held_out_is_named():
    codes = np.repeat([0, 1, 2, 1], [24, 24, 24, 24])
    with pytest.raises(FitError, match=r"'rest': expected each class in at least 2 animals"):
        divide(invented(groups=2, codes=codes), seed=0, unit="animal")
