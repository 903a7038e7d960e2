"""Lower precisions, written into the graph: FP16, and INT8 as quantise–dequantise pairs.

TensorRT is strongly typed and OpenVINO follows the pairs, so the graph decides what is computed
in which precision. The two engines need different INT8 graphs, from one code path:

- ``tensorrt``: symmetric int8 activations and float biases, as its parser asks; the first
  convolution stays in float, since INT8 3-D convolutions of 3 channels are an open bug there.
- ``openvino``: uint8 activations with a zero point. Signed symmetric ones it computes wrongly on
  a CPU (logits 4 off for Kinetics-400). The first convolution is INT8: in float it takes more
  than half of the whole time (0.27 of 0.31 to 0.60 s a window), and in INT8 the divergence from
  FP32 grows from 0.0124 to 0.0128 only. Weights have 7 bits: processors without VNNI add two
  products in 16 bits and cut off what does not fit, so with 8 bits the same file gives other
  answers there (23 windows: divergence 0.269, first class FP32's in 19; with 7 bits 0.019 and
  all). With VNNI, as in arithmetic without that cut, 7 bits cost little: 0.0140 instead of 0.0068.

In both, logits stay in float, and a convolution's output is quantised after its ReLU, never
before it: negative values would take half of the levels (divergence 0.055 instead of 0.013). The
pools that follow such a ReLU work on bytes too.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from i3d_export.errors import ExportError
from i3d_export.shape import GraphShape

Engine = Literal["openvino", "tensorrt"]
Ranges = Mapping[str, tuple[float, float]]

QUANTISED = ("Conv", "MaxPool", "Concat")


def write_fp16(onnx_file: Path, path: Path) -> None:
    """Write the FP32 graph with FP16 weights and arithmetic; inputs and outputs as they were.

    The Softmax stays in FP32: small probabilities of many classes would vanish.
    """
    import onnx
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    with warnings.catch_warnings():
        # Weights below FP16's smallest value are said one by one; the gate judges the result.
        warnings.simplefilter("ignore")
        model = convert_float_to_float16(
            onnx.load(onnx_file),
            keep_io_types=True,
            op_block_list=[*DEFAULT_OP_BLOCK_LIST, "Softmax"],
        )
    _sort_nodes(model)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)


def write_int8(
    onnx_file: Path, ranges: Ranges, shape: GraphShape, path: Path, *, engine: Engine
) -> None:
    """Write the FP32 graph with quantise–dequantise pairs.

    Args:
        onnx_file: the FP32 graph.
        ranges: of its activations, as ``calibration.ranges_of`` gives them.
        shape: the graph's numbers.
        path: the file to write.
        engine: which variant; see the module.

    Raises:
        ExportError: an activation has no range.
    """
    symmetric = engine == "tensorrt"
    write_quantised(
        onnx_file,
        ranges,
        shape,
        path,
        symmetric_activations=symmetric,
        first_convolution=not symmetric,
        seven_bit_weights=not symmetric,
    )


def write_quantised(
    onnx_file: Path,
    ranges: Ranges,
    shape: GraphShape,
    path: Path,
    *,
    symmetric_activations: bool,
    first_convolution: bool,
    seven_bit_weights: bool,
) -> None:
    """Write one INT8 graph; ``write_int8`` says which choices are right for which engine."""
    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    model = onnx.shape_inference.infer_shapes(onnx.load(onnx_file))
    convolutions = [node for node in model.graph.node if node.op_type == "Conv"]
    known = {**ranges, convolutions[0].input[0]: _input_range(shape)}
    float_ones = convolutions[-1:] if first_convolution else [convolutions[0], convolutions[-1]]
    nodes = list(model.graph.node)
    # What makes windows of bytes is no part of the network, grey → RGB by Concat included.
    float_ones += nodes[: nodes.index(convolutions[0])]
    data = {
        name: TensorData(lowest=np.float32(low), highest=np.float32(high))
        for name, (low, high) in known.items()
    }
    quantizer = QDQQuantizer(
        model,
        True,  # weights per channel
        seven_bit_weights,
        QuantType.QInt8,
        QuantType.QInt8 if symmetric_activations else QuantType.QUInt8,
        TensorsData(CalibrationMethod.MinMax, data),
        [],
        [node.name for node in float_ones],
        list(QUANTISED),
        {
            "ActivationSymmetric": symmetric_activations,
            "WeightSymmetric": True,
            "QuantizeBias": False,
            "OpTypesToExcludeOutputQuantization": ["Conv"],
            # Else a pool after a ReLU stays in float, and so does what it reads.
            "ForceQuantizeNoInputCheck": True,
        },
    )
    _quantise(quantizer)
    _sort_nodes(quantizer.model.model)
    onnx.checker.check_model(quantizer.model.model, full_check=True)
    onnx.save_model(quantizer.model.model, path)


def _sort_nodes(model: Any) -> None:
    """Put the casts that were added at the end where they belong; parsers ask for this order."""
    from onnxruntime.quantization.onnx_model import ONNXModel

    ONNXModel(model).topological_sort()


def _quantise(quantizer: Any) -> None:
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        quantizer.quantize_model()
    except ValueError as error:
        raise ExportError(f"the graph cannot be quantised: {error}") from error
    finally:
        root.setLevel(level)


def _input_range(shape: GraphShape) -> tuple[float, float]:
    """All that bytes can be after normalisation: exact, whatever the calibration videos hold."""
    return (shape.add, 255 / shape.divide_by + shape.add)
