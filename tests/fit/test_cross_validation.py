import json
from dataclasses import replace

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.cross_validation import STRENGTHS, cross_validate, strongest_as_good
from i3d_fit.errors import FitError
from i3d_fit.logistic import ABSENT_LOGIT, fit_logistic
from i3d_fit.measures import balanced_accuracy


def accuracy_of(material, **options):
    found = cross_validate(material, **options)
    return balanced_accuracy(material.codes, found.predicted, classes=len(material.labels))


def test_behaviours_that_differ_are_found_in_animals_that_were_not_seen():
    assert accuracy_of(invented(groups=6, group_noise=0.02)) > 0.95


@pytest.mark.parametrize("groups", [4, 1])
def test_features_that_only_remember_the_bout_are_at_chance(groups):
    # A test that held neighbours of what was trained on would find nearly all of them.
    material = invented(groups=groups, windows=960 // groups, apart=0, bout_noise=0.1, seed=5)
    assert accuracy_of(material) < 0.45
    head = fit_logistic(material, strength=0.01)
    answers = head.logits(material.features).argmax(axis=1)
    assert balanced_accuracy(material.codes, answers, classes=3) > 0.95


def test_every_window_is_answered_by_the_head_of_its_fold():
    material = invented(groups=3, apart=0.3)
    pure = np.arange(material.num_windows) % 5 != 0
    material = replace(material, pure=pure)
    found = cross_validate(material)
    for fold in range(3):
        tested = found.folds.of_windows == fold
        head = fit_logistic(material.select(~tested), strength=found.strength)
        expected = head.logits(material.features[tested])
        assert found.logits[tested] == pytest.approx(expected, abs=0.05)
    assert found.doubts == ()


def test_of_strengths_that_are_as_good_the_strongest_is_taken():
    # The folds differ much, the strengths little: the second is as good as the third, the first
    # is worse in every fold.
    scores = np.array([[0.5, 0.7, 0.9], [0.58, 0.80, 0.97], [0.59, 0.79, 0.98], [0.55, 0.7, 0.9]])
    assert strongest_as_good(scores) == 1
    assert strongest_as_good(scores[[0, 2, 3]]) == 1
    assert strongest_as_good(np.ones((3, 2))) == 0


def test_what_was_tried_and_chosen_is_written_down():
    calls = []
    found = cross_validate(
        invented(groups=3), unit="video", on_progress=lambda *done: calls.append(done)
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]
    assert found.scores.shape == (len(STRENGTHS), 3)
    assert found.strength == STRENGTHS[strongest_as_good(found.scores)]
    document = json.loads(json.dumps(found.document()))
    assert document["strength"] == found.strength
    assert document["how"].startswith("3 videos, each left out in turn")
    assert document["balanced_accuracy_of_folds"] == found.scores.tolist()


def test_a_class_that_one_animal_alone_has_is_doubted_once():
    place = np.tile(np.arange(48), 4)
    group = np.repeat(np.arange(4), 48)
    codes = np.where((group == 2) & (place >= 40), 2, place // 6 % 2)
    found = cross_validate(invented(codes=codes), unit="animal")
    (doubt,) = found.doubts
    assert doubt.startswith("eat is annotated in one animal alone, mouse 3: ")
    assert (found.logits[group == 2, 2] == ABSENT_LOGIT).all()


def test_a_class_in_one_stretch_of_one_video_is_doubted():
    codes = np.arange(400) // 6 % 2
    codes[100:104] = 2
    found = cross_validate(invented(groups=1, windows=400, codes=codes))
    (doubt,) = found.doubts
    assert doubt.startswith("eat has no window in the training of fold ")


def test_a_class_without_a_window_to_train_on_is_named():
    material = invented()
    pure = material.codes != 1
    with pytest.raises(FitError, match="got none of groom: "):
        cross_validate(replace(material, pure=pure))


def test_one_video_that_has_all_windows_to_train_on_is_an_error():
    material = invented(groups=2)
    with pytest.raises(FitError, match="one video has all of them"):
        cross_validate(replace(material, pure=material.groups == 0), unit="video")
