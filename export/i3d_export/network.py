"""I3D in Keras, as published, for any clip length, multiple-of-32 size and number of classes.

The published pool before the logits is 2 × 7 × 7 at 224 × 224: it spans the whole plane. It is
therefore 2 × height/32 × width/32 here, with stride 1; what it leaves in time is averaged after
the logits. Dropout is left out: it does nothing at inference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from i3d_client.contract import ModelContract
from i3d_export.architecture import INPUT_CHANNELS, LAYERS, LOGITS, Mixed, Pool, Unit, units
from i3d_export.shape import Floats
from i3d_export.tensorflow_quietly import keras, tf

BATCH_NORM_EPSILON = 1e-3

layers = keras.layers


def build_network(*, clip_frames: int, height: int, width: int, classes: int) -> Any:
    """Build I3D with variables as Keras initialises them.

    Args:
        clip_frames: T, at least 16.
        height: pixels, a multiple of 32.
        width: pixels, a multiple of 32.
        classes: K.

    Returns:
        A ``keras.Model`` from windows, float32 ``(B, T, height, width, 3)``, RGB in [-1, 1], to
        logits ``(B, K)`` and features ``(B, 1024)``, the pooled embedding's mean over time.
    """
    windows = keras.Input((clip_frames, height, width, INPUT_CHANNELS), name="windows")
    net = windows
    for layer in LAYERS:
        net = _apply(layer, net)
    pool = layers.AveragePooling3D((2, height // 32, width // 32), strides=1, padding="valid")
    net = pool(net)
    scores = layers.Conv3D(classes, 1, name=layer_name(LOGITS))(net)
    average = layers.GlobalAveragePooling3D
    return keras.Model(windows, [average()(scores), average()(net)], name="inception_i3d")


def load_variables(network: Any, variables: Mapping[str, Floats]) -> None:
    """Set every variable of ``network`` from the canonical names of ``architecture``."""
    for unit in units():
        scope = unit.name
        convolution = network.get_layer(layer_name(scope))
        convolution.kernel.assign(variables[f"{scope}/conv_3d/w"])
        norm = network.get_layer(layer_name(f"{scope}/batch_norm"))
        norm.beta.assign(variables[f"{scope}/batch_norm/beta"])
        norm.moving_mean.assign(variables[f"{scope}/batch_norm/moving_mean"])
        norm.moving_variance.assign(variables[f"{scope}/batch_norm/moving_variance"])
    logits = network.get_layer(layer_name(LOGITS))
    logits.kernel.assign(variables[f"{LOGITS}/conv_3d/w"])
    logits.bias.assign(variables[f"{LOGITS}/conv_3d/b"])


def network_of(variables: Mapping[str, Floats], contract: ModelContract) -> Any:
    """Build the network of a contract's geometry with these canonical variables."""
    network = build_network(
        clip_frames=contract.clip_frames,
        height=contract.height,
        width=contract.width,
        classes=len(variables[f"{LOGITS}/conv_3d/b"]),
    )
    load_variables(network, variables)
    return network


def layer_name(scope: str) -> str:
    """Return the name of the Keras layer of a scope: Keras admits no slash."""
    return scope.replace("/", ".")


def _apply(layer: Unit | Pool | Mixed, net: Any) -> Any:
    if isinstance(layer, Pool):
        return layers.MaxPooling3D(layer.kernel, layer.stride, padding="same")(net)
    if isinstance(layer, Unit):
        return _unit(layer, net)
    branches = []
    for number, branch in enumerate(layer.branches):
        last = number == len(layer.branches) - 1
        path = layers.MaxPooling3D(3, 1, padding="same")(net) if last else net
        for unit in branch:
            path = _unit(unit, path)
        branches.append(path)
    return layers.Concatenate(name=layer.name)(branches)


def _unit(unit: Unit, net: Any) -> Any:
    net = layers.Conv3D(
        unit.outputs,
        unit.kernel,
        strides=unit.stride,
        padding="same",
        use_bias=False,
        name=layer_name(unit.name),
    )(net)
    norm = layers.BatchNormalization(
        scale=False, epsilon=BATCH_NORM_EPSILON, name=layer_name(f"{unit.name}/batch_norm")
    )
    return layers.ReLU()(norm(net))


def network_logits(network: Any, windows: Floats) -> Floats:
    """Run the Keras network and return its logits: ``(windows, K)``, float32.

    The windows are computed one at a time: eager, or in a batch, the activations of 64-frame
    windows take gigabytes.

    Args:
        network: what ``build_network`` returned.
        windows: ``(windows, T, height, width, 3)``, float32.
    """
    compute = tf.function(lambda window: network(window, training=False)[0])
    parts = [compute(windows[i : i + 1]).numpy() for i in range(len(windows))]
    logits: Floats = np.concatenate(parts)
    return logits
