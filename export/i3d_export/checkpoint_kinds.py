"""I3D in TensorFlow's own formats: their variables, by the published names.

TF1 checkpoints and SavedModels made by TF1 carry the published names behind any scope. Keras
layers are known by their names, whatever separates the words in them: the published ones
(``Mixed_3b/Branch_0/Conv3d_0a_1x1``) and those of the Keras port that many labs trained with
(``Conv3d_3b_0a_1x1_conv``). A convolution's bias and a batch normalisation's gamma, which the
published network does not have, are folded into the variables that it has.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE
from i3d_export.architecture import LOGITS, units, variable_shapes
from i3d_export.checkpoint import tf1_prefix
from i3d_export.errors import CheckpointError
from i3d_export.network import BATCH_NORM_EPSILON
from i3d_export.tensorflow_quietly import keras, tf

Arrays = dict[str, NDArray[Any]]

_HEAD = f"{LOGITS}/conv_3d/w"
# What training leaves in a checkpoint beside the network: counters, and an optimiser's memory,
# which carries a variable's name with one more part.
_COUNTERS = re.compile(r"(^|/)(global_step|beta[12]_power|save_counter|iterations)$")
_SIGNATURE_LIMIT = 1e-3


def read_tf1(path: Path) -> Arrays:
    """Read a TF1 checkpoint; any scope before the published names is taken off.

    Raises:
        CheckpointError: it cannot be read, or more than one scope holds the network.
    """
    try:
        reader = tf.train.load_checkpoint(str(tf1_prefix(path)))
        names = list(reader.get_variable_to_shape_map())
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise CheckpointError(f"not a readable TF1 checkpoint: {error}") from error
    return without_scope({name: np.asarray(reader.get_tensor(name)) for name in names})


def without_scope(found: Mapping[str, NDArray[Any]]) -> Arrays:
    """Take the scope off the published names; counters and optimisers' memory are left out.

    Raises:
        CheckpointError: no scope, or more than one, holds the network's last layer.
    """
    scopes = sorted(name.removesuffix(_HEAD) for name in found if f"/{name}".endswith(f"/{_HEAD}"))
    if len(scopes) != 1:
        listed = ", ".join(repr(scope) for scope in scopes) or "none"
        raise CheckpointError(f"expected one scope that holds {_HEAD}, got {listed}")
    known = set(variable_shapes(2))
    arrays: Arrays = {}
    for name, array in found.items():
        short = name.removeprefix(scopes[0])
        memory = any(short.startswith(f"{variable}/") for variable in known)
        if not memory and not _COUNTERS.search(name):
            arrays[short] = array
    return arrays


def read_saved_model(path: Path) -> Arrays:
    """Read a SavedModel whose signature is an I3D classifier.

    The variables are read by name, and the network that they make must answer as the signature
    does: a signature that normalises otherwise, or a network that is wired otherwise, is refused.

    Raises:
        CheckpointError: no such signature, unknown variables, or other answers.
    """
    try:
        model = tf.saved_model.load(str(path))
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise CheckpointError(f"not a readable SavedModel: {error}") from error
    signature, windows = _classifier_signature(model)
    values = {v.name.partition(":")[0]: np.asarray(v.numpy()) for v in signature.variables}
    arrays = _by_layer(values) if not _is_published(values) else without_scope(values)
    _require_same_answers(signature, windows, arrays)
    return arrays


def read_keras(path: Path) -> Arrays:
    """Read a ``.keras`` or ``.h5`` file that holds a whole model.

    Raises:
        CheckpointError: it cannot be read, holds code, or its layers are not those of I3D.
    """
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever its layers raise
        raise CheckpointError(
            f"Keras cannot load it as a model: {type(error).__name__}: {str(error)[:300]}"
        ) from error
    values: Arrays = {}
    for layer in model.layers:
        epsilon = getattr(layer, "epsilon", BATCH_NORM_EPSILON)
        if abs(epsilon - BATCH_NORM_EPSILON) > 1e-9:
            raise CheckpointError(
                f"layer {layer.name}: epsilon: expected {BATCH_NORM_EPSILON}, got {epsilon}"
            )
        for variable in layer.weights:
            values[f"{layer.name}/{variable.path.rpartition('/')[2]}"] = np.asarray(variable)
    return _by_layer(values)


def _is_published(values: Mapping[str, NDArray[Any]]) -> bool:
    return any(name.endswith(_HEAD) for name in values)


def _by_layer(values: Mapping[str, NDArray[Any]]) -> Arrays:
    """Turn ``layer/variable`` into the published variables; what has no place keeps its name."""
    scopes = {_plain(name): scope for scope in _scopes() for name in _layer_names(scope)}
    layers: dict[str, Arrays] = {}
    arrays: Arrays = {}
    for name, array in values.items():
        layer, _, variable = name.rpartition("/")
        norm = variable in {"beta", "gamma", "moving_mean", "moving_variance"}
        scope = scopes.get(_plain(_without_suffix(layer)))
        if scope is None:
            arrays[name] = array
        else:
            layers.setdefault(scope, {})[variable if norm else f"conv {variable}"] = array
    for scope, found in layers.items():
        arrays.update(_folded(scope, found))
    return arrays


def _folded(scope: str, found: Arrays) -> Arrays:
    """Return one unit's variables; ``found`` says ``conv kernel``, ``conv bias``, ``beta`` …."""
    kernel, bias = found.get("conv kernel"), found.get("conv bias")
    named: Arrays = {} if kernel is None else {f"{scope}/conv_3d/w": kernel}
    if scope == LOGITS:
        return named if bias is None else {**named, f"{scope}/conv_3d/b": bias}
    mean, gamma = found.get("moving_mean"), found.get("gamma")
    if mean is not None and bias is not None:
        mean = mean - bias
    if kernel is not None and mean is not None and gamma is not None:
        named[f"{scope}/conv_3d/w"], mean = kernel * gamma, mean * gamma
    norms = {"beta": found.get("beta"), "moving_mean": mean}
    norms["moving_variance"] = found.get("moving_variance")
    return named | {
        f"{scope}/batch_norm/{name}": array for name, array in norms.items() if array is not None
    }


def _scopes() -> list[str]:
    return [*(unit.name for unit in units()), LOGITS]


def _layer_names(scope: str) -> list[str]:
    """Return the names that a layer of that scope goes by."""
    names = [scope]
    if match := re.fullmatch(r"Mixed_(\w+)/Branch_(\d)/Conv3d_0(\w)_(\dx\d)", scope):
        block, branch, letter, kernel = match.groups()
        # The port letters each branch from a, and has no exception in block 5b.
        letter = "b" if kernel == "3x3" else "b" if branch == "3" else "a"
        names.append(f"Conv3d_{block}_{branch}{letter}_{kernel}")
    if scope == LOGITS:
        names.append("Conv3d_6a_1x1")
    return names


def _without_suffix(layer: str) -> str:
    return re.sub(r"[^A-Za-z0-9](conv|bn|conv_3d|batch_norm|batch_normalization)$", "", layer)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _classifier_signature(model: Any) -> tuple[Any, NDArray[np.float32]]:
    """Return the one signature from windows to classes, and a window that fits it."""
    described = []
    for name, signature in model.signatures.items():
        inputs = list(signature.structured_input_signature[1].values())
        described.append(f"{name}({', '.join(str(spec.shape) for spec in inputs)})")
        if len(inputs) == 1 and inputs[0].shape.rank == 5 and inputs[0].shape[-1] == 3:
            sizes = [1, *(inputs[0].shape[axis] or least for axis, least in ((1, 16),))]
            sizes += [inputs[0].shape[axis] or 224 for axis in (2, 3)]
            window = np.random.default_rng(0).uniform(-1, 1, (*sizes, 3)).astype(np.float32)
            return signature, window
    raise CheckpointError(
        "expected a signature with one input (batch, frames, height, width, 3), got "
        f"{', '.join(described) or 'no signature'}"
    )


def _require_same_answers(signature: Any, windows: NDArray[np.float32], arrays: Arrays) -> None:
    from i3d_export.checkpoint import canonical
    from i3d_export.network import build_network, load_variables, network_logits

    variables = canonical(arrays)
    classes = len(variables[f"{LOGITS}/conv_3d/b"])
    name = next(iter(signature.structured_input_signature[1]))
    outputs = [np.asarray(o) for o in signature(**{name: tf.constant(windows)}).values()]
    answers = [o.reshape(-1) for o in outputs if o.size == classes and classes != FEATURE_SIZE]
    _, frames, height, width, _ = windows.shape
    network = build_network(clip_frames=frames, height=height, width=width, classes=classes)
    load_variables(network, variables)
    logits = network_logits(network, windows)[0]
    softmax = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    distances = [
        min(float(np.abs(answer - logits).max()), float(np.abs(answer - softmax).max()))
        for answer in answers
    ]
    if not distances or min(distances) > _SIGNATURE_LIMIT * max(1.0, float(np.abs(logits).max())):
        found = f"differs by {min(distances):.3g}" if distances else f"has no output of {classes}"
        raise CheckpointError(
            f"its signature is not I3D's on windows in [-1, 1]: its answer {found} from what its "
            "variables give in the published network"
        )
