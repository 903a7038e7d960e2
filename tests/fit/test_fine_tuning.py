"""Fine-tuning with the published network, at the smallest geometry that it takes.

Of the last block's channels a few alone are not switched off, so that a last layer has too little
to go by, and training the last two blocks has something to win.
"""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tests.fit.dim_network import dim_network
from tests.fit.stripes import BOUT, FRAMES, LABELS, VIDEOS, bouts, write_stripes

from i3d_export.architecture import variable_shapes
from i3d_export.checkpoint import read_checkpoint
from i3d_export.head import TrainedHead, in_place_of_the_last
from i3d_export.keras_file import save_keras
from i3d_export.network import build_network, load_variables
from i3d_export.profiles import load_profile
from i3d_export.shape import GraphShape
from i3d_export.tensorflow_quietly import tf
from i3d_fit.calibration import temperature_of
from i3d_fit.errors import FitError
from i3d_fit.fine_tuning import fine_tune
from i3d_fit.held_out import divide
from i3d_fit.logistic import fit_logistic
from i3d_fit.material import Material
from i3d_fit.measures import balanced_accuracy
from i3d_fit.network_parts import split_network
from i3d_fit.training_windows import read_windows

CONTRACT = dataclasses.replace(
    load_profile("homecage9").contract, height=32, width=32, windows_per_segment=1
)
STRIDE = 16
STRENGTH = 0.01
EPOCHS = 8
TRAINED = ("Mixed_5b/", "Mixed_5c/", "Logits/")


def test_training_blocks_is_better_than_a_last_layer_alone(task, tuned):
    start, best = tuned.found.epochs[0], tuned.found.epochs[tuned.found.best]
    assert tuned.found.improved
    assert best.balanced_accuracy > start.balanced_accuracy + 0.1
    assert tuned.found.epochs[-1].loss < 0.7 * tuned.found.epochs[1].loss
    assert "raised balanced accuracy from" in tuned.found.sentences()[0]
    trained = task.division.training
    alone = fit_logistic(task.material.select(trained), strength=STRENGTH)
    before = alone.logits(task.material.features[trained])
    after = task.network.logits(tuned.found.variables, task.windows[trained])
    assert accuracy(after, task, trained) > accuracy(before, task, trained) + 0.1


def test_the_start_is_measured_by_a_last_layer_that_has_not_seen_what_is_held_out(task, tuned):
    training, held_out = task.division.training, task.division.held_out
    alone = fit_logistic(task.material.select(training), strength=STRENGTH)
    found = accuracy(alone.logits(task.material.features[held_out]), task, held_out)
    assert tuned.found.epochs[0].balanced_accuracy == pytest.approx(found)


def test_the_figure_is_that_of_the_network_which_is_returned(task, tuned):
    held_out = task.division.held_out
    logits = task.network.logits(tuned.found.variables, task.windows[held_out])
    best = tuned.found.epochs[tuned.found.best]
    assert accuracy(logits, task, held_out) == pytest.approx(best.balanced_accuracy)
    assert tuned.found.held_out == held_out.sum()
    assert tuned.found.trained_on == task.division.training.sum()
    # Its probabilities fit what was held out: a second temperature would change nothing.
    assert abs(np.log(tuned.found.temperature)) > 0.1
    assert temperature_of(logits, task.material.codes[held_out]) == pytest.approx(1, abs=0.05)


def test_what_is_frozen_stays_bit_for_bit(task, tuned):
    changed = {
        name
        for name, array in tuned.found.variables.items()
        if not np.array_equal(array, task.variables[name])
    }
    assert all(name.startswith(TRAINED) for name in changed)
    assert not [name for name in changed if name.endswith(("mean", "variance"))]
    assert {name.partition("/")[0] + "/" for name in changed} == set(TRAINED)


def test_one_block_is_the_last(task):
    parts = split_network(task.variables, contract=CONTRACT, blocks=1)
    assert {name.partition("/")[0] for name in parts.variables} == {"Mixed_5c", "Logits"}
    assert parts.between == (2, 1, 1, 832)
    values = parts.frozen(task.windows[:2], training=False)
    logits, _ = parts.trained(values, training=False)
    expected = task.network.logits(task.variables, task.windows[:2])
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-4)


def test_the_keras_file_is_read_as_a_checkpoint_and_answers_alike(task, tuned, tmp_path):
    path = tmp_path / "lab.keras"
    save_keras(tuned.found.variables, path, contract=CONTRACT)
    assert [file.name for file in tmp_path.iterdir()] == ["lab.keras"]
    read, _ = read_checkpoint(path)
    assert list(read) == list(variable_shapes(2))
    for name, array in read.items():
        np.testing.assert_array_equal(array, tuned.found.variables[name], err_msg=name)
    some = task.windows[:4]
    expected = task.network.logits(tuned.found.variables, some)
    np.testing.assert_array_equal(task.network.logits(read, some), expected)


def test_epochs_and_windows_are_told_as_they_come(task, tuned):
    assert [epoch.number for epoch in tuned.epochs] == list(range(len(tuned.found.epochs)))
    assert tuned.epochs[0].loss is None
    count = int((task.division.training | task.division.held_out).sum())
    assert tuned.windows == [(done, count) for done in range(1, count + 1)]
    assert tuned.found.document()["held_out"] == list(task.division.names)
    assert list(task.scratch.iterdir()) == []


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="what is said without a GPU"
)
def test_without_a_gpu_it_says_how_long_it_takes(tuned):
    frozen, trained = tuned.said
    assert (
        "TensorFlow sees no GPU: the part of the network that is not trained takes about" in frozen
    )
    assert f"TensorFlow sees no GPU: {len(tuned.found.epochs) - 1} epochs take about" in trained
    assert tuned.found.device == "CPU"


def test_the_start_is_the_result_if_nothing_gets_better(task):
    found = run(task, epochs=1, blocks=1, learning_rate=1e-12).found
    assert (found.best, found.improved, found.temperature) == (0, False, 1.0)
    expected = in_place_of_the_last(task.variables, task.head)
    for name, array in expected.items():
        np.testing.assert_array_equal(found.variables[name], array, err_msg=name)
    assert "did NOT help" in found.sentences()[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 0}, r"1 … 9, counted from the end, got 0"),
        ({"blocks": 10}, r"got 10"),
        ({"epochs": 0}, r"epochs: expected at least 1"),
        ({"learning_rate": 0.0}, r"learning rate: expected a number above 0"),
    ],
)
def test_an_option_out_of_range_is_named(task, options, message):
    with pytest.raises(FitError, match=message):
        run(task, **options)


def test_a_disk_without_room_is_named_before_anything_is_computed(task, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1000))
    with pytest.raises(FitError, match=r"room .*, got 0\.0 GB: make room"):
        run(task)


def test_a_head_of_other_classes_is_refused(task):
    other = TrainedHead(weights=task.head.weights, bias=task.head.bias, labels=("crossed", "lying"))
    with pytest.raises(FitError, match=r"head: expected the labels \['lying', 'crossed'\]"):
        run(SimpleNamespace(**{**vars(task), "head": other}))


def run(task, **options):
    """Fine-tune, and keep what is told on the way."""
    epochs, windows, said = [], [], []
    found = fine_tune(
        variables=task.variables,
        contract=CONTRACT,
        head=task.head,
        material=task.material,
        videos=task.videos,
        strength=STRENGTH,
        scratch=task.scratch,
        on_epoch=epochs.append,
        on_window=lambda done, of: windows.append((done, of)),
        say=said.append,
        **{"blocks": 2, "epochs": EPOCHS, "batch": 8, "learning_rate": 3e-4, **options},
    )
    return SimpleNamespace(found=found, epochs=epochs, windows=windows, said=said)


@pytest.fixture(scope="module")
def tuned(task):
    return run(task)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Videos of drifting stripes, their windows, and a network whose last block sees little."""
    folder = tmp_path_factory.mktemp("stripes")
    videos = write_stripes(folder)
    starts = np.arange(0, FRAMES, STRIDE)
    codes = np.concatenate([bouts(number)[starts // BOUT] for number in range(VIDEOS)])
    recordings = np.repeat(np.arange(VIDEOS), len(starts))
    material = Material(
        features=np.zeros((len(codes), 1024), np.float32),
        codes=codes,
        pure=np.ones(len(codes), np.bool_),
        recordings=recordings,
        groups=recordings,
        starts=np.tile(starts, VIDEOS),
        labels=LABELS,
        recording_names=tuple(video.name for video in videos),
        group_names=tuple(video.name for video in videos),
        clip_frames=16,
    )
    read = read_windows(
        material, videos=videos, chosen=np.ones(len(codes), np.bool_), contract=CONTRACT
    )
    windows = GraphShape.of(CONTRACT).windows_of(np.stack([frames for _, frames in read]))
    nothing = TrainedHead(
        weights=np.zeros((1024, 2), np.float32), bias=np.zeros(2, np.float32), labels=LABELS
    )
    variables = in_place_of_the_last(dim_network(), nothing)
    network = Network()
    material = dataclasses.replace(material, features=network.features(variables, windows))
    scratch = folder / "scratch"
    scratch.mkdir()
    return SimpleNamespace(
        variables=variables,
        network=network,
        videos=videos,
        material=material,
        windows=windows,
        division=divide(material, seed=0, unit="video"),
        head=fit_logistic(material, strength=STRENGTH),
        scratch=scratch,
    )


class Network:
    """The whole network, built once: what is trained is compared with it."""

    def __init__(self):
        self._network = build_network(clip_frames=16, height=32, width=32, classes=2)
        self._answer = tf.function(lambda window: self._network(window, training=False))

    def logits(self, variables, windows):
        return self._answers(variables, windows, 0)

    def features(self, variables, windows):
        return self._answers(variables, windows, 1)

    def _answers(self, variables, windows, output):
        load_variables(self._network, variables)
        answers = [self._answer(windows[i : i + 1])[output] for i in range(len(windows))]
        return np.concatenate(answers)


def accuracy(logits, task, chosen):
    return balanced_accuracy(task.material.codes[chosen], logits.argmax(axis=1), classes=2)
