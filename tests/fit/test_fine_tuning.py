"""Fine-tuning with the real network, at the smallest geometry that it takes.

Of the last block's channels a few alone are not switched off at the start, so that a last layer has
too little to go by, and training the block has something to win.
"""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tests.conftest import write_video
from tests.fit.dim_network import LAST, dim_network

from i3d_export.architecture import LOGITS, variable_shapes
from i3d_export.checkpoint import read_checkpoint
from i3d_export.head import TrainedHead, in_place_of_the_last
from i3d_export.keras_file import save_keras
from i3d_export.network import build_network, load_variables, network_logits
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
from i3d_fit.training_windows import read_windows

LABELS = ("left", "right", "up")
CONTRACT = dataclasses.replace(
    load_profile("homecage9").contract, height=32, width=32, windows_per_segment=1
)
VIDEOS, FRAMES, BOUT, STRIDE = 4, 288, 32, 16
STRENGTH = 0.01


def test_training_the_last_block_is_better_than_a_last_layer_alone(task, tuned):
    start, best = tuned.found.epochs[0], tuned.found.epochs[tuned.found.best]
    assert tuned.found.improved
    assert best.balanced_accuracy > start.balanced_accuracy + 0.1
    assert tuned.found.epochs[-1].loss < 0.7 * tuned.found.epochs[1].loss
    trained = task.division.training
    alone = fit_logistic(task.material.select(trained), strength=STRENGTH)
    codes = task.material.codes[trained]
    before = alone.logits(task.material.features[trained])
    after = logits_of(tuned.found.variables, task.windows[trained])
    accuracy = [
        balanced_accuracy(codes, logits.argmax(axis=1), classes=3) for logits in (before, after)
    ]
    assert accuracy[1] > accuracy[0] + 0.1


def test_the_figure_is_that_of_the_network_which_is_returned(task, tuned):
    held_out = task.division.held_out
    logits = logits_of(tuned.found.variables, task.windows[held_out])
    found = balanced_accuracy(task.material.codes[held_out], logits.argmax(axis=1), classes=3)
    assert found == pytest.approx(tuned.found.epochs[tuned.found.best].balanced_accuracy)
    assert tuned.found.held_out == held_out.sum()
    assert tuned.found.trained_on == task.division.training.sum()


def test_what_is_frozen_stays_bit_for_bit(task, tuned):
    for name, array in tuned.found.variables.items():
        same = np.array_equal(array, task.variables[name])
        if not name.startswith((LAST, LOGITS)) or name.endswith(("mean", "variance")):
            assert same, name
    kernels = [name for name in task.variables if name.startswith(LAST) and name.endswith("/w")]
    assert not all(
        np.array_equal(tuned.found.variables[name], task.variables[name]) for name in kernels
    )


def test_the_keras_file_is_read_as_a_checkpoint_and_answers_alike(task, tuned, tmp_path):
    path = tmp_path / "lab.keras"
    save_keras(tuned.found.variables, path, contract=CONTRACT)
    assert [file.name for file in tmp_path.iterdir()] == ["lab.keras"]
    read, _ = read_checkpoint(path)
    assert list(read) == list(variable_shapes(3))
    for name, array in read.items():
        np.testing.assert_array_equal(array, tuned.found.variables[name], err_msg=name)
    some = task.windows[:6]
    np.testing.assert_array_equal(logits_of(read, some), logits_of(tuned.found.variables, some))


def test_probabilities_are_calibrated_on_what_was_held_out(task, tuned):
    held_out = task.division.held_out
    codes = task.material.codes[held_out]
    logits = logits_of(tuned.found.variables, task.windows[held_out])
    assert abs(np.log(tuned.found.temperature)) > 0.1
    assert temperature_of(logits, codes) == pytest.approx(1, abs=0.05)


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
    found = run(task, epochs=1, learning_rate=1e-12).found
    assert (found.best, found.improved, found.temperature) == (0, False, 1.0)
    expected = in_place_of_the_last(task.variables, task.head)
    for name, array in expected.items():
        np.testing.assert_array_equal(found.variables[name], array, err_msg=name)
    assert "did NOT help" in found.sentences()[0]


def test_two_blocks_are_trained_if_asked(task):
    found = run(task, epochs=2, blocks=2, learning_rate=1e-3)
    values = found.found.variables
    assert found.found.improved, [epoch.balanced_accuracy for epoch in found.epochs]
    changed = {
        name.split("/")[0]
        for name, array in values.items()
        if not np.array_equal(array, task.variables[name])
    }
    assert changed == {"Mixed_5b", "Mixed_5c", "Logits"}


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
    other = TrainedHead(
        weights=task.head.weights, bias=task.head.bias, labels=("left", "up", "right")
    )
    with pytest.raises(FitError, match=r"head: expected the labels \['left', 'right', 'up'\]"):
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
        **{"blocks": 1, "epochs": 6, "learning_rate": 1e-3, **options},
    )
    return SimpleNamespace(found=found, epochs=epochs, windows=windows, said=said)


@pytest.fixture(scope="module")
def tuned(task):
    return run(task)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    """Videos of drifting stripes, their windows, and a network whose last block sees little."""
    folder = tmp_path_factory.mktemp("stripes")
    videos = [
        write_video(
            folder / f"{number}.mp4",
            FRAMES,
            width=32,
            height=32,
            options={"crf": "12"},
            picture=stripes(number),
        )
        for number in range(VIDEOS)
    ]
    starts = np.arange(0, FRAMES, STRIDE)
    codes = np.concatenate([bouts(number)[starts // BOUT] for number in range(VIDEOS)])
    recordings = np.repeat(np.arange(VIDEOS), len(starts))
    variables = dim_network()
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
    material = dataclasses.replace(material, features=features_of(variables, windows))
    scratch = folder / "scratch"
    scratch.mkdir()
    return SimpleNamespace(
        variables=variables,
        videos=videos,
        material=material,
        windows=windows,
        division=divide(material, seed=0, unit="video"),
        head=fit_logistic(material, strength=STRENGTH),
        scratch=scratch,
    )


def bouts(video):
    """Return the class of each bout: in turn, from another one on in each video."""
    return (np.arange(FRAMES // BOUT) + video) % len(LABELS)


def stripes(video):
    """Return what draws a frame: blurred stripes with noise that drift as their class says."""
    random = np.random.default_rng(video)
    noise = random.normal(0, 25, (FRAMES, 32, 32))
    phases = random.uniform(0, 2 * np.pi, FRAMES // BOUT)
    levels = random.uniform(0.6, 1, FRAMES // BOUT)
    along = np.arange(32) * 2 * np.pi / 16

    def draw(number):
        bout = number // BOUT
        code = bouts(video)[bout]
        moved = (-1, 1, 1)[code] * number * 2 * np.pi / 8 + phases[bout]
        wave = 128 + 80 * levels[bout] * np.cos(along - moved)
        picture = np.tile(wave, (32, 1)) if code < 2 else np.tile(wave, (32, 1)).T
        grey = np.clip(picture + noise[number], 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=-1)

    return draw


def network_of(variables):
    network = build_network(
        clip_frames=16, height=32, width=32, classes=len(variables[f"{LOGITS}/conv_3d/b"])
    )
    load_variables(network, variables)
    return network


def logits_of(variables, windows):
    return network_logits(network_of(variables), windows)


def features_of(variables, windows):
    network = network_of(variables)
    compute = tf.function(lambda window: network(window, training=False)[1])
    return np.concatenate([compute(windows[i : i + 1]).numpy() for i in range(len(windows))])
