"""I3D in TensorFlow's formats: each gives the variables that were put in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from tests.export.conftest import TinyExport

from i3d_export.architecture import variable_shapes
from i3d_export.checkpoint import (
    RandomHead,
    Variables,
    checkpoint_sha256,
    read_checkpoint,
    with_random_head,
)
from i3d_export.errors import CheckpointError
from i3d_export.export import export_model
from i3d_export.network import build_network, load_variables
from i3d_export.tensorflow_quietly import keras, tf
from i3d_export.verification import onnx_logits, sample_segments

PUBLISHED = Path(__file__).parent / "data" / "published_variables.tsv"
SCOPE = "RGB/inception_i3d/"
HEAD = "Logits/Conv3d_0c_1x1/conv_3d"


@pytest.fixture(scope="module")
def weights(published: Path) -> Variables:
    return read_checkpoint(published)[0]


@pytest.fixture(scope="module")
def nine(weights: Variables) -> Variables:
    """The same network with a last layer for nine classes."""
    return with_random_head(weights, RandomHead(classes=9))


@pytest.fixture(scope="module")
def keras_network(nine: Variables) -> Iterator[Any]:
    network = build_network(clip_frames=16, height=32, width=32, classes=9)
    load_variables(network, nine)
    yield network
    keras.backend.clear_session()


def write_tf1(prefix: Path, arrays: dict[str, np.ndarray]) -> Path:
    names = sorted(arrays)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(arrays[name]) for name in names],
    )
    return prefix


def assert_same(found: Variables, expected: Variables) -> None:
    assert list(found) == list(expected)
    for name, array in expected.items():
        np.testing.assert_allclose(found[name], array, atol=1e-6, err_msg=name)


@pytest.mark.parametrize("scope", [SCOPE, "inception_i3d/", "", "lab/model/RGB/inception_i3d/"])
def test_a_tf1_checkpoint_is_read_behind_any_scope(
    weights: Variables, tmp_path: Path, scope: str
) -> None:
    arrays = {f"{scope}{name}": array for name, array in weights.items()}
    arrays["global_step"] = np.array(7, np.int64)
    arrays[f"{scope}{HEAD}/w/Momentum"] = arrays[f"{scope}{HEAD}/w"]
    prefix = write_tf1(tmp_path / "model.ckpt", arrays)
    for path in (prefix, tmp_path, tmp_path / "model.ckpt.index"):
        assert_same(read_checkpoint(path)[0], weights)


def test_the_tf1_route_gives_the_answers_of_the_default_route(
    tiny: TinyExport, weights: Variables, tmp_path: Path
) -> None:
    """Written with the published names and shapes, all of them and no other."""
    rows = [line.split("\t") for line in PUBLISHED.read_text().splitlines()[1:]]
    arrays = {
        name: weights[name.removeprefix(SCOPE)].reshape([int(size) for size in shape.split("x")])
        for name, shape in rows
    }
    assert len(arrays) == len(weights)
    prefix = write_tf1(tmp_path / "model.ckpt", arrays)
    model = export_model(
        profile=str(tiny.profile), repository=tmp_path / "models", checkpoint=prefix,
        cache=tmp_path / "cache",
    )  # fmt: skip
    segments = sample_segments(tiny.shape)
    graphs = (tiny.artefacts / "model.onnx", model.folder / "1" / "model.onnx")
    outputs = [
        onnxruntime.InferenceSession(graph).run(["PROBABILITIES", "FEATURES"], {"FRAMES": segments})
        for graph in graphs
    ]
    for expected, found in zip(*outputs, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    logits = [onnx_logits(graph, segments) for graph in graphs]
    np.testing.assert_allclose(logits[1], logits[0], atol=1e-5)


def without(arrays: dict[str, np.ndarray], name: str) -> None:
    del arrays[name]


def with_another(arrays: dict[str, np.ndarray], name: str) -> None:
    arrays[f"{SCOPE}Mixed_9z/conv_3d/w"] = arrays[name]


def misshapen(arrays: dict[str, np.ndarray], name: str) -> None:
    arrays[name] = arrays[name][..., :-1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without, "Conv3d_2b_1x1/conv_3d/w: missing"),
        (with_another, "Mixed_9z/conv_3d/w: unknown"),
        (misshapen, r"Conv3d_2b_1x1/conv_3d/w: expected shape \(1, 1, 1, 64, 64\), got .* 63\)"),
    ],
)
def test_a_wrong_variable_is_named(
    tmp_path: Path,
    spoil: Callable[[dict[str, np.ndarray], str], None],
    message: str,
    weights: Variables,
) -> None:
    arrays = {f"{SCOPE}{name}": array for name, array in weights.items()}
    spoil(arrays, f"{SCOPE}Conv3d_2b_1x1/conv_3d/w")
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(write_tf1(tmp_path / "model.ckpt", arrays))


def test_two_networks_in_one_checkpoint_are_told_apart(tmp_path: Path, weights: Variables) -> None:
    arrays = {f"{s}/inception_i3d/{HEAD}/w": weights[f"{HEAD}/w"] for s in ("RGB", "Flow")}
    with pytest.raises(CheckpointError, match=r"one scope.*'Flow/inception_i3d/', 'RGB/"):
        read_checkpoint(write_tf1(tmp_path / "model.ckpt", arrays))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:.*HDF5 file")
def test_a_keras_file_is_read(
    keras_network: Any, nine: Variables, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"network.{suffix}"
    keras_network.save(path)
    found, sha256 = read_checkpoint(path)
    assert_same(found, nine)
    assert sha256 == checkpoint_sha256(path)


def test_a_saved_model_is_read_and_its_signature_must_be_i3ds(
    keras_network: Any, nine: Variables, tmp_path: Path
) -> None:
    spec = tf.TensorSpec((None, 16, 32, 32, 3), tf.float32, name="clips")

    def write(name: str, scale: float) -> Path:
        @tf.function(input_signature=[spec])
        def classify(clips: Any) -> dict[str, Any]:
            logits, _ = keras_network(clips * scale, training=False)
            return {"probabilities": tf.nn.softmax(logits)}

        folder = tmp_path / name
        tf.saved_model.save(keras_network, str(folder), signatures={"serving_default": classify})
        return folder

    assert_same(read_checkpoint(write("right", 1.0))[0], nine)
    with pytest.raises(CheckpointError, match=r"signature is not I3D's on windows in \[-1, 1\]"):
        read_checkpoint(write("other_range", 0.5))


def test_what_the_published_network_does_not_have_is_folded(tmp_path: Path) -> None:
    """A Keras port whose convolutions have biases and whose batch norms have gammas."""
    random = np.random.default_rng(0)
    layers = keras.layers
    clips = keras.Input((4, 8, 8, 3))
    net = layers.Conv3D(64, 7, strides=2, padding="same", name="Conv3d_1a_7x7_conv")(clips)
    net = layers.BatchNormalization(epsilon=1e-3, name="Conv3d_1a_7x7_bn")(net)
    model = keras.Model(clips, net)
    for weight in model.weights:
        weight.assign(random.uniform(0.5, 1.5, weight.shape))
    path = tmp_path / "port.keras"
    model.save(path)
    from i3d_export.checkpoint_kinds import read_keras

    unit = {k.removeprefix("Conv3d_1a_7x7/"): v for k, v in read_keras(path).items()}
    windows = random.uniform(-1, 1, (1, 4, 8, 8, 3)).astype(np.float32)
    plain = tf.nn.conv3d(windows, unit["conv_3d/w"], [1, 2, 2, 2, 1], "SAME")
    scale = 1 / np.sqrt(unit["batch_norm/moving_variance"] + 1e-3)
    answer = (plain - unit["batch_norm/moving_mean"]) * scale + unit["batch_norm/beta"]
    np.testing.assert_allclose(answer, model(windows), rtol=1e-3, atol=1e-3)


def test_the_ports_names_are_known() -> None:
    from i3d_export.checkpoint_kinds import _layer_names

    names = {_layer_names(n.rpartition("/conv_3d")[0])[-1] for n in variable_shapes(2) if "/w" in n}
    assert len(names) == 58
    assert {
        "Conv3d_2c_3x3",
        "Conv3d_3b_0a_1x1",
        "Conv3d_3b_1b_3x3",
        "Conv3d_5b_2b_3x3",
        "Conv3d_5c_3b_1x1",
        "Conv3d_6a_1x1",
    } <= names


def test_another_file_is_refused_unopened(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(CheckpointError, match=r"expected a TF1 checkpoint.*it was not opened"):
        read_checkpoint(path)
    (tmp_path / "broken.keras").write_bytes(b"not a zip")
    with pytest.raises(CheckpointError, match="Keras cannot load it"):
        read_checkpoint(tmp_path / "broken.keras")
