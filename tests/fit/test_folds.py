from dataclasses import replace

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.errors import FitError
from i3d_fit.folds import folds_of, training_windows


def test_a_group_is_in_one_fold_and_every_fold_has_one():
    material = invented(groups=8, windows=20, recordings_a_group=2)
    folds = folds_of(material, unit="animal")
    assert folds.count == 5
    for group in range(8):
        assert len(np.unique(folds.of_windows[material.groups == group])) == 1
    assert np.unique(folds.of_windows).tolist() == [0, 1, 2, 3, 4]
    assert folds.how.startswith("8 animals, in 5 folds: ")
    for fold in range(5):
        trained = training_windows(material, folds, fold)
        assert np.array_equal(trained, folds.of_windows != fold)


def test_few_groups_are_each_left_out_in_turn():
    material = invented(groups=3)
    folds = folds_of(material, unit="video")
    assert folds.count == 3
    assert np.array_equal(folds.of_windows, material.groups)
    assert folds.how.startswith("3 videos, each left out in turn: ")


def test_a_rare_class_is_spread_over_the_folds():
    # Of ten animals the first five alone eat.
    place = np.tile(np.arange(24), 10)
    group = np.repeat(np.arange(10), 24)
    codes = np.where((group < 5) & (place < 4), 2, place // 6 % 2)
    folds = folds_of(invented(groups=10, windows=24, codes=codes))
    eating = [int((codes[folds.of_windows == fold] == 2).sum()) for fold in range(5)]
    assert eating == [4] * 5


def test_the_same_seed_gives_the_same_folds():
    material = invented(groups=9, windows=12)
    one, two = folds_of(material, seed=3), folds_of(material, seed=3)
    assert np.array_equal(one.of_windows, two.of_windows)


def test_videos_of_one_animal_are_kept_whole():
    material = invented(groups=1, recordings_a_group=3)
    folds = folds_of(material, unit="animal")
    assert np.array_equal(folds.of_windows, material.recordings)
    assert folds.how.startswith("3 videos of the one animal, each left out in turn: ")


def test_one_video_is_divided_into_stretches_with_a_gap_of_a_window():
    material = invented(groups=1, windows=600)
    folds = folds_of(material, unit="video")
    assert folds.count == 5
    assert "20 stretches of the one video, in 5 folds" in folds.how
    assert "expect less of other videos" in folds.how
    assert (np.diff(folds.of_windows) != 0).sum() <= 19  # stretches, not windows picked at random
    for fold in range(5):
        tested = material.starts[folds.of_windows == fold]
        trained = material.starts[training_windows(material, folds, fold)]
        distance = np.abs(trained[:, None] - tested).min(axis=1)
        assert distance.min() == 2 * material.clip_frames  # a window's length between windows
        assert len(trained) > 300


def test_windows_of_several_behaviours_are_tested_and_not_trained_on():
    material = invented(groups=3)
    pure = np.arange(material.num_windows) % 4 != 0
    folds = folds_of(replace(material, pure=pure))
    trained = training_windows(material=replace(material, pure=pure), folds=folds, fold=0)
    assert not trained[~pure].any()
    assert (folds.of_windows >= 0).all()


def test_a_video_that_is_too_short_to_divide_is_refused_by_name():
    with pytest.raises(FitError, match=r"01\.mp4: expected at least 256 annotated frames"):
        folds_of(invented(groups=1, windows=20))


def test_fewer_windows_of_each_class_than_folds_are_divided_all_the_same():
    codes = np.arange(6)
    labels = ("a", "b", "c", "d", "e", "f")
    folds = folds_of(invented(groups=6, windows=1, codes=codes, labels=labels))
    assert folds.count == 5
