"""Answers to segments from each thing that can execute a model: one of its outputs.

The reference is ONNX Runtime on the FP32 graph: it is none of the engines that are judged, so an
engine's own mistake cannot stand on both sides, and it is what a client's machine can run beside
a server with a GPU. Segments are executed one at a time, as the CPU backend does.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES, ModelContract
from i3d_export.errors import ExportError
from i3d_export.sampling import Piece, Sample, read_pieces, window_count
from i3d_export.shape import Floats, Segments

# From one segment, (S, H, W, C) uint8, to an output's rows for its windows, (N, K) or (N, 1024)
# float32.
Answer = Callable[[Segments], Floats]

_COMPUTE_LAYERS = ("Convolution", "FullyConnected", "MatMul")
_CAPABILITY = {"f16": "FP16", "bf16": "BF16", "f32": "FP32"}


@dataclass(frozen=True, kw_only=True)
class OpenvinoModel:
    """A compiled model.

    Attributes:
        answer: asks it.
        precision: what it was compiled for, such as ``f32``.
        layers: how many layers that do the work are really executed in which precision.
    """

    answer: Answer
    precision: str
    layers: Mapping[str, int]


def answers_to(
    sample: Sample, answer: Answer, *, contract: ModelContract
) -> tuple[Floats, list[Piece]]:
    """Ask for every piece that can be decoded.

    Returns:
        The rows of their windows, such as ``(windows, K)``, those of padding left out; and the
        pieces, in the same order.

    Raises:
        ExportError: no piece could be decoded.
    """
    rows, pieces = [], []
    for piece, segment in read_pieces(sample, contract=contract):
        rows.append(answer(segment)[: window_count(piece, contract)])
        pieces.append(piece)
    if not rows:
        raise ExportError("none of the windows to compare could be decoded: name other videos")
    return np.concatenate(rows), pieces


def onnxruntime_answer(onnx_file: Path, *, output: str = OUTPUT_PROBABILITIES) -> Answer:
    """Load a graph into ONNX Runtime, with the numbers that the graph says.

    Quantise–dequantise pairs are computed as they are written, in float, and not merged into
    integer kernels, which on processors without VNNI cut off sums that do not fit in 16 bits.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = len(os.sched_getaffinity(0))
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    session = onnxruntime.InferenceSession(
        onnx_file, sess_options=options, providers=["CPUExecutionProvider"]
    )

    def answer(segment: Segments) -> Floats:
        (found,) = session.run([output], {INPUT_FRAMES: segment[np.newaxis]})
        return np.asarray(found[0], np.float32)

    return answer


def openvino_model(xml: Path, *, wanted: str, output: str = OUTPUT_PROBABILITIES) -> OpenvinoModel:
    """Compile a model as the CPU backend does.

    Args:
        xml: the ``.xml`` file.
        wanted: the configuration's ``execution_precision``: one, or several separated by commas,
            of which the first that the processor has is taken.
        output: the tensor to answer with.

    Raises:
        ExportError: it was to be FP32, and OpenVINO executes something less.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(xml)
    shape = model.input(INPUT_FRAMES).get_partial_shape()
    shape[0] = 1
    model.reshape({INPUT_FRAMES: shape})
    precision = choose_precision(wanted, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": precision,
    }
    compiled = core.compile_model(model, "CPU", options)
    request = compiled.create_infer_request()

    def answer(segment: Segments) -> Floats:
        request.infer({INPUT_FRAMES: segment[np.newaxis]})
        return np.array(request.get_tensor(output).data[0], np.float32)

    layers = _executed(compiled)
    if precision == "f32" and {"f16", "bf16"} & set(layers):
        raise ExportError(f"{xml}: f32 was asked of OpenVINO, and it executes {layers}")
    return OpenvinoModel(answer=answer, precision=precision, layers=layers)


def choose_precision(wanted: str, capabilities: Iterable[str]) -> str:
    """Return the first of ``wanted`` that the processor has; the last one if it has none."""
    options = [name.strip() for name in wanted.split(",")]
    has = set(capabilities)
    return next((name for name in options if _CAPABILITY.get(name) in has), options[-1])


def processor() -> str:
    """Return what decides OpenVINO's choice of kernels: the processor and what it can."""
    import openvino

    core = openvino.Core()
    capabilities = ",".join(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")))
    return f"{core.get_property('CPU', 'FULL_DEVICE_NAME')} ({capabilities})"


def _executed(compiled: Any) -> dict[str, int]:
    found: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        if layer.get_rt_info()["layerType"].astype(str) in _COMPUTE_LAYERS:
            # Not "runtimePrecision": for a layer in FP32 whose weights are kept as FP16 it is f16.
            found[layer.get_input_element_type(0).get_type_name()] += 1
    return dict(sorted(found.items()))
