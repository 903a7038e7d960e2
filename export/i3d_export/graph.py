"""The segment graph: the bytes of segments in, the answers for their windows out.

The order Cast, normalise, Gather, grey → RGB is fixed: TensorRT's parser takes uint8 at the
graph's input alone, and refuses a Gather before the Cast. At opset 17 tf2onnx turns this into
one Cast, one Gather and one Transpose; it refuses opset 19 and later, and 18 leaves a second
Transpose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx

from i3d_client.contract import (
    FEATURE_SIZE,
    INPUT_FRAMES,
    OUTPUT_FEATURES,
    OUTPUT_PROBABILITIES,
)
from i3d_export.shape import GraphShape
from i3d_export.tensorflow_quietly import tf

import tf2onnx  # isort: skip  (after the environment is quiet)

OPSET = 17
BATCH = "batch"


def write_onnx(network: Any, shape: GraphShape, path: Path) -> None:
    """Convert ``network`` with its windows to ONNX and check the result.

    The model has one input, FRAMES uint8 ``(batch, S, H, W, C)``, and two outputs, PROBABILITIES
    float32 ``(batch, N, K)`` and FEATURES float32 ``(batch, N, 1024)``.

    Args:
        network: what ``network.build_network`` returns, with its variables loaded.
        shape: the graph's numbers.
        path: the file to write.

    Raises:
        onnx.checker.ValidationError: the converter made an invalid model.
    """
    signature = [tf.TensorSpec((None, *shape.segment_shape), tf.uint8, name=INPUT_FRAMES)]
    model, _ = tf2onnx.convert.from_function(
        _segment_function(network, shape), input_signature=signature, opset=OPSET
    )
    _name_batch(model)
    _strip_build_details(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def _segment_function(network: Any, shape: GraphShape) -> Any:
    indices = shape.frame_indices()
    windows_each = shape.windows_per_segment

    def answer(frames: Any) -> dict[str, Any]:
        floats = tf.cast(frames, tf.float32) / shape.divide_by + shape.add
        if windows_each > 1:
            floats = tf.gather(floats, indices, axis=1)
            floats = tf.reshape(floats, (-1, *floats.shape[2:]))
        if shape.channels == 1:
            floats = tf.concat([floats] * 3, axis=-1)
        logits, features = network(floats, training=False)
        logits = tf.reshape(logits, (-1, windows_each, shape.classes))
        features = tf.reshape(features, (-1, windows_each, FEATURE_SIZE))
        return {
            OUTPUT_PROBABILITIES: tf.nn.softmax(logits, axis=-1),
            OUTPUT_FEATURES: features,
        }

    return tf.function(answer)


def _name_batch(model: Any) -> None:
    """Call the free dimension ``batch``; the converter numbers it."""
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = BATCH
    del model.graph.value_info[:]


def _strip_build_details(model: Any) -> None:
    """Drop what would differ between two conversions of the same network."""
    model.graph.name = "i3d_segment"
    model.graph.doc_string = ""
    model.doc_string = ""
