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
import threading
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import triton_python_backend_utils as pb_utils
from numpy.typing import NDArray

_INPUT = "FRAMES"
_MOST_STREAMS = 4
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
        compiled = compile_network(core, folder / "model.xml", precision=asked)
        self._queue = infer_queue(compiled)
        self._queue.set_callback(_keep_answer)
        executed = executed_precisions(compiled)
        pb_utils.Logger.log_info(
            f"openvino_cpu: {args['model_name']}: OpenVINO {ov.__version__} on "
            f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, "
            f"{compiled.get_property('INFERENCE_NUM_THREADS')} threads in "
            f"{compiled.get_property('NUM_STREAMS')} streams, asked for {asked}, "
            f"executes {', '.join(f'{n} layers in {name}' for name, n in executed.items())}"
        )
        _check_precision(asked, executed)

    def execute(self, requests: list[Any]) -> None:
        """Start the segments of each request; return as soon as the last one is started.

        A request: FRAMES uint8 (b, S, H, W, C). Its answer: PROBABILITIES fp32 (b, N, K) and
        FEATURES fp32 (b, N, 1024), whichever it asked for. An error fails its request alone.
        """
        for request in requests:
            pending = _Pending(request, self._outputs)
            if not pending.begin():
                continue
            for place in range(pending.segments):
                try:
                    # Waits while every place in the queue is taken.
                    self._queue.start_async({_INPUT: pending.tensor(place)}, (pending, place))
                except Exception as error:
                    pending.fail(place, error)

    def finalize(self) -> None:
        """Let what was started be answered."""
        self._queue.wait_all()


class _Pending:
    """A request whose segments are computed, and answered once, when the last one is done."""

    def __init__(self, request: Any, outputs: list[str]) -> None:
        self._request = request
        self._sender = request.get_response_sender()
        self._wanted = [name for name in outputs if name in request.requested_output_names()]
        self._lock = threading.Lock()
        self._error: Exception | None = None

    def begin(self) -> bool:
        """Look at the request; if there is nothing to compute, answer it and return False."""
        if self._request.is_cancelled():
            self._send_error("cancelled by the client", pb_utils.TritonError.CANCELLED)
            return False
        try:
            self._input = pb_utils.get_input_tensor_by_name(self._request, _INPUT)
            self._frames: NDArray[np.uint8] = self._input.as_numpy()
        except Exception as error:
            self._send_error(_described(error))
            return False
        self.segments = self._left = len(self._frames)
        self._parts: list[list[NDArray[np.float32]]] = [[]] * self.segments
        return True

    def tensor(self, place: int) -> ov.Tensor:
        """Return one segment, (1, S, H, W, C) uint8, not copied."""
        return ov.Tensor(self._frames[place : place + 1], shared_memory=True)

    def keep(self, place: int, request: ov.InferRequest) -> None:
        """Take a segment's answer."""
        try:
            self._parts[place] = [request.get_tensor(name).data.copy() for name in self._wanted]
        except Exception as error:
            self.fail(place, error)
        else:
            self._one_less()

    def fail(self, _place: int, error: Exception) -> None:
        """Take a segment's error, which is then the request's."""
        self._error = error
        self._one_less()

    def _one_less(self) -> None:
        with self._lock:
            self._left -= 1
            if self._left:
                return
        try:
            if self._error is not None:
                raise self._error
            columns = zip(*self._parts, strict=True)
            outputs = [
                pb_utils.Tensor(name, column[0] if len(column) == 1 else np.concatenate(column))
                for name, column in zip(self._wanted, columns, strict=True)
            ]
        except Exception as error:
            self._send_error(_described(error))
        else:
            self._send(pb_utils.InferenceResponse(output_tensors=outputs))

    def _send_error(self, message: str, code: Any = None) -> None:
        error = (
            pb_utils.TritonError(message) if code is None else pb_utils.TritonError(message, code)
        )
        self._send(pb_utils.InferenceResponse(error=error))

    def _send(self, response: Any) -> None:
        self._sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)


def _keep_answer(request: ov.InferRequest, started: tuple[_Pending, int]) -> None:
    pending, place = started
    pending.keep(place, request)


def _described(error: Exception) -> str:
    return f"openvino_cpu: {type(error).__name__}: {error}"


def infer_queue(compiled: ov.CompiledModel) -> ov.AsyncInferQueue:
    """Return a queue with one place more than there are streams, so that none waits for Python."""
    return ov.AsyncInferQueue(compiled, compiled.get_property("NUM_STREAMS") + 1)


def compile_network(core: ov.Core, path: Path, *, precision: str) -> ov.CompiledModel:
    """Compile a network for one segment at a time in each stream."""
    cores = usable_cores()
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
                "NUM_STREAMS": int(os.environ.get("I3D_STREAMS", streams(cores))),
                "INFERENCE_NUM_THREADS": cores,
                "INFERENCE_PRECISION_HINT": precision,
            },
        )
    except RuntimeError as error:
        raise pb_utils.TritonModelException(f"OpenVINO cannot load {path}: {error}") from error


def streams(cores: int) -> int:
    """Return how many segments are computed at a time: a divisor of ``cores``, at most 4."""
    return max(count for count in range(1, _MOST_STREAMS + 1) if cores % count == 0)


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
