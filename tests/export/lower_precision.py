"""FP16 and INT8 graphs as TensorRT takes them, made from an FP32 graph for tests of the builder."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.transformers.float16 import convert_float_to_float16


def write_fp16(source: Path, target: Path) -> None:
    """Halve a graph's floats; its inputs and outputs stay as they are."""
    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)


def write_int8(
    source: Path, target: Path, segments: Sequence[np.ndarray], *, quantised_bias: bool = False
) -> None:
    """Quantise the convolutions but the first and the last; symmetric, weights per channel."""
    convolutions = [node.name for node in onnx.load(source).graph.node if node.op_type == "Conv"]
    quantize_static(
        source,
        target,
        _Segments(segments),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=["Conv"],
        nodes_to_exclude=[convolutions[0], convolutions[-1]],
        per_channel=True,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
        extra_options={
            "ActivationSymmetric": True,
            "WeightSymmetric": True,
            "QuantizeBias": quantised_bias,
        },
    )


class _Segments(CalibrationDataReader):  # type: ignore[misc]
    """Segments, (S, H, W, C) uint8, one at a time."""

    def __init__(self, segments: Sequence[np.ndarray]) -> None:
        self.left = [segment[np.newaxis] for segment in segments]

    def get_next(self) -> dict[str, np.ndarray] | None:
        return {"FRAMES": self.left.pop()} if self.left else None
