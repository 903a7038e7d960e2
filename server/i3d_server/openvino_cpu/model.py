"""Triton backend ``openvino_cpu``: I3D on the CPU, by OpenVINO.

A Python-based backend: Triton runs this one file for every model whose configuration says
``backend: "openvino_cpu"``. It imports nothing of this project, so that it also runs in a plain
Triton container with OpenVINO and numpy beside it.

A window's answer must not depend, in a single bit, on the batch that it came in, or a run that was
interrupted would end with other numbers than one that was not. So the network is compiled for one
segment, and the segments of a batch run one after another, each on all cores, each answered when
it is done. Measured with kinetics400_fp32 (OpenVINO 2026.4, 2 cores of a Xeon with AVX-512): one
segment at a time takes 0.70 to 0.78 s a window, a batch of four 0.66 to 0.74 s, which is the same
CPU time (1.3 to 1.5 s); there is nothing to win. Compiled for a dynamic batch, the network gave
the same bits at batches 1, 2 and 4 and in every place, but others than compiled for a fixed shape
(1.5e-6 apart in FP32, 8e-3 in BF16): the shape decides which kernels are chosen, so equality
between shapes is luck, and is not relied upon.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

_INPUT = "FRAMES"
_COMPUTE_LAYERS = ("Convolution", "FullyConnected", "MatMul")
_FLOATS = ("f32", "bf16", "f16")
_CAPABILITY = {"f16": "FP16", "bf16": "BF16", "f32": "FP32"}


class TritonPythonModel:
    """One model on the CPU; Triton makes it, and calls it from one thread."""

    def initialize(self, args: dict[str, str]) -> None:
        """Compile ``<version>/model.xml`` for one segment.

        Args:
            args: Triton's: model_config (JSON), model_repository (the model's folder or, of a
                Python-based backend, whatever holds the version folder), model_version, …

        Raises:
            TritonModelException: the files are not what OpenVINO reads, or it would execute FP32
                at a lower precision.
        """
        config = json.loads(args["model_config"])
        asked = config["parameters"]["execution_precision"]["string_value"]
        folder = (Path(args["model_repository"]) / args["model_version"]).resolve()
        self._outputs = [output["name"] for output in config["output"]]
        core = ov.Core()
        asked = choose_precision(asked, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        compiled = _compile(core, folder / "model.xml", precision=asked)
        self._request = compiled.create_infer_request()
        executed = executed_precisions(compiled)
        pb_utils.Logger.log_info(
            f"openvino_cpu: {args['model_name']}: OpenVINO {ov.__version__} on "
            f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, "
            f"{compiled.get_property('INFERENCE_NUM_THREADS')} threads, asked for {asked}, "
            f"executes {', '.join(f'{n} layers in {name}' for name, n in executed.items())}"
        )
        _check_precision(asked, executed)

    def execute(self, requests: list[Any]) -> None:
        """Answer each request as soon as its own segments are done.

        A request: FRAMES uint8 (b, S, H, W, C). Its answer: PROBABILITIES fp32 (b, N, K) and
        FEATURES fp32 (b, N, 1024), whichever it asked for. An error fails its request alone.
        """
        for request in requests:
            sender = request.get_response_sender()
            sender.send(self._answer(request), flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _answer(self, request: Any) -> Any:
        if request.is_cancelled():
            error = pb_utils.TritonError("cancelled by the client", pb_utils.TritonError.CANCELLED)
            return pb_utils.InferenceResponse(error=error)
        try:
            frames = pb_utils.get_input_tensor_by_name(request, _INPUT).as_numpy()
            wanted = [name for name in self._outputs if name in request.requested_output_names()]
            parts = [self._infer(frames[b : b + 1], wanted) for b in range(len(frames))]
            outputs = [
                pb_utils.Tensor(name, parts[0][i] if len(parts) == 1 else np.concatenate(column))
                for i, (name, column) in enumerate(
                    zip(wanted, zip(*parts, strict=True), strict=True)
                )
            ]
            return pb_utils.InferenceResponse(output_tensors=outputs)
        except Exception as error:  # the neighbours in the batch must be answered all the same
            message = f"openvino_cpu: {type(error).__name__}: {error}"
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(message))

    def _infer(self, segment: NDArray[np.uint8], wanted: list[str]) -> list[NDArray[np.float32]]:
        """Run one segment, (1, S, H, W, C) uint8, which is not copied; return ``wanted``."""
        self._request.set_tensor(_INPUT, ov.Tensor(segment, shared_memory=True))
        self._request.infer()
        return [self._request.get_tensor(name).data.copy() for name in wanted]


def _compile(core: ov.Core, path: Path, *, precision: str) -> ov.CompiledModel:
    if cache := os.environ.get("I3D_OPENVINO_CACHE"):
        core.set_property({"CACHE_DIR": cache})
    try:
        model = core.read_model(path)
        shape = model.input(_INPUT).get_partial_shape()
        shape[0] = 1
        model.reshape({_INPUT: shape})
        return core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": 1,
                "INFERENCE_NUM_THREADS": usable_cores(),
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
    except RuntimeError as error:
        raise pb_utils.TritonModelException(f"OpenVINO cannot load {path}: {error}") from error


def choose_precision(wanted: str, capabilities: Iterable[str]) -> str:
    """Return the first of ``wanted``, separated by commas, that the processor has, or the last."""
    options = [name.strip() for name in wanted.split(",")]
    has = set(capabilities)
    return next((name for name in options if _CAPABILITY.get(name) in has), options[-1])


def executed_precisions(compiled: ov.CompiledModel) -> Counter[str]:
    """Count the layers that do the work by the precision that they are really executed in."""
    found: Counter[str] = Counter()
    for layer in compiled.get_runtime_model().get_ops():
        if layer.get_rt_info()["layerType"].astype(str) in _COMPUTE_LAYERS:
            # Not "runtimePrecision": for a layer in FP32 whose weights are kept as FP16 it is f16.
            found[layer.get_input_element_type(0).get_type_name()] += 1
    return found


def _check_precision(asked: str, executed: Counter[str]) -> None:
    others = [name for name in executed if name in _FLOATS and name != asked]
    if not others:
        return
    message = f"openvino_cpu: {asked} was asked for, and layers are executed in {others}"
    if asked == "f32":
        raise pb_utils.TritonModelException(message)
    pb_utils.Logger.log_warn(message)


def usable_cores() -> int:
    """Cores that this process may use: its affinity, and the CPU quota of its cgroup (v2)."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
    except (OSError, ValueError):
        return cores
    return cores if quota == "max" else max(1, min(cores, math.ceil(int(quota) / int(period))))
