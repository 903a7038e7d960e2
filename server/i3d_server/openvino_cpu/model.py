"""Triton backend ``openvino_cpu``: I3D on the CPU, by OpenVINO.

A Python-based backend: Triton runs this one file for every model whose configuration says
``backend: "openvino_cpu"``. It imports nothing of this project, so that it also runs in a plain
Triton container with OpenVINO and numpy beside it.

A window's answer must not depend, in a single bit, on the batch that it came in, or a run that was
interrupted would end with other numbers than one that was not. So the network is compiled for one
segment, whatever the batch. Compiled for a dynamic batch, it gave the same bits at batches 1, 2
and 4 and in every place, but others than compiled for a fixed shape (1.5e-6 apart in FP32, 8e-3 in
BF16): the shape decides which kernels are chosen, so equality between shapes is luck, and is not
relied upon.

Segments are computed side by side, in streams of few threads each, and not one after another on
all cores: the threads of a stream wait for each other after every layer, so one of them that a
decoding process keeps waiting would hold up all the others. A request is answered when its own
segments are done, and the next ones are taken from Triton before that.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import queue
import select
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# OpenVINO reports that it was imported, from a process that it forks. In a stub that soon ends, as
# Triton's first one does, that process can hang, and Triton then waits for it for ever. Without
# this package OpenVINO reports nothing.
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
import openvino as ov  # noqa: E402
import triton_python_backend_utils as pb_utils  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

_INPUT = "FRAMES"
_MOST_STREAMS = 4
_LOOK_EVERY_MS = 50
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
        end_with(os.getppid())
        config = json.loads(args["model_config"])
        asked = config["parameters"]["execution_precision"]["string_value"]
        folder = (Path(args["model_repository"]) / args["model_version"]).resolve()
        self._outputs = [output["name"] for output in config["output"]]
        core = ov.Core()
        asked = choose_precision(asked, core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
        compiled = compile_network(core, folder / "model.xml", precision=asked)
        self._places = Places(compiled)
        executed = executed_precisions(compiled)
        pb_utils.Logger.log_info(
            f"openvino_cpu: {args['model_name']}: OpenVINO {ov.__version__} on "
            f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, "
            f"{compiled.get_property('INFERENCE_NUM_THREADS')} threads in "
            f"{self._places.streams} streams, asked for {asked}, "
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
            for place in range(pending.segments):
                self._places.start(functools.partial(pending.infer, place))

    def finalize(self) -> None:
        """Let what was started be answered."""
        self._places.close()


def end_with(triton: int) -> None:
    """Have this process, Triton's stub, killed as soon as Triton is dead.

    The stub itself looks whether there is a process of Triton's number. There is one until somebody
    waits for it, and where the first process of a container does not, for ever.
    """
    try:
        ended = os.pidfd_open(triton)
    except OSError:  # before Linux 5.3
        return

    def wait() -> None:
        select.select([ended], [], [])
        for argument in Path("/proc/self/cmdline").read_text().split("\0"):
            if argument and "/" not in argument:  # one of them names its shared memory
                Path("/dev/shm", argument).unlink(missing_ok=True)  # noqa: S108
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


class Places:
    """As many segments at a time as the network has streams, and one more.

    That one is there so that no stream waits for Python.
    """

    def __init__(self, compiled: ov.CompiledModel) -> None:
        self.streams = int(compiled.get_property("NUM_STREAMS"))
        count = self.streams + 1
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="segment")
        self._free: queue.SimpleQueue[ov.InferRequest] = queue.SimpleQueue()
        for _ in range(count):
            self._free.put(compiled.create_infer_request())

    def start(self, job: Callable[[ov.InferRequest], None]) -> Future[None]:
        """Run ``job`` in a thread with a place of its own; waits while all are taken."""
        request = self._free.get()
        return self._threads.submit(self._run, job, request)

    def close(self) -> None:
        """Wait for what was started."""
        self._threads.shutdown()

    def _run(self, job: Callable[[ov.InferRequest], None], request: ov.InferRequest) -> None:
        try:
            job(request)
        finally:
            self._free.put(request)


class _CancelledError(Exception):
    """The client no longer waits."""


def infer(
    request: ov.InferRequest,
    segment: NDArray[np.uint8],
    wanted: list[str],
    is_cancelled: Callable[[], bool] = lambda: False,
) -> list[NDArray[np.float32]]:
    """Run one segment, (1, S, H, W, C) uint8, which is not copied; return ``wanted``.

    Raises:
        _CancelledError: before or while it ran.
    """
    if is_cancelled():
        raise _CancelledError
    request.set_tensor(_INPUT, ov.Tensor(segment, shared_memory=True))
    request.start_async()  # infer() would run it outside of the streams
    while not request.wait_for(_LOOK_EVERY_MS):
        if is_cancelled():
            request.cancel()
            with contextlib.suppress(RuntimeError):  # "canceled"; until then it reads the segment
                request.wait()
            raise _CancelledError
    request.wait()  # wait_for() does not say whether it failed
    return [request.get_tensor(name).data.copy() for name in wanted]


class _Pending:
    """A request whose segments are computed in any order; answered once, after the last one."""

    def __init__(self, request: Any, outputs: list[str]) -> None:
        self._sender = request.get_response_sender()
        self._is_cancelled = request.is_cancelled
        self._lock = threading.Lock()
        self._error: Any = None
        self._wanted: list[str] = []
        self._frames: NDArray[np.uint8] = np.empty(0, np.uint8)
        try:
            if self._is_cancelled():
                raise _CancelledError
            requested = request.requested_output_names()
            self._wanted = [name for name in outputs if name in requested]
            self._input = pb_utils.get_input_tensor_by_name(request, _INPUT)
            self._frames = self._input.as_numpy()
        except Exception as error:
            self._error = _failure(error)
        self.segments = self._left = len(self._frames)
        self._parts: list[list[NDArray[np.float32]]] = [[] for _ in range(self.segments)]
        if not self.segments:
            self._answer()

    def infer(self, place: int, request: ov.InferRequest) -> None:
        """Compute one segment; if it was the last one, answer."""
        try:
            segment = self._frames[place : place + 1]
            self._parts[place] = infer(request, segment, self._wanted, self._is_cancelled)
        except Exception as error:  # the neighbours in the batch must be answered all the same
            self._error = _failure(error)
        with self._lock:
            self._left -= 1
            last = self._left == 0
        if last:
            self._answer()

    def _answer(self) -> None:
        try:
            if self._error is None:
                response = self._whole()
            else:
                response = pb_utils.InferenceResponse(error=self._error)
        except Exception as error:
            response = pb_utils.InferenceResponse(error=_failure(error))
        self._sender.send(response, flags=pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _whole(self) -> Any:
        outputs = [
            pb_utils.Tensor(name, column[0] if len(column) == 1 else np.concatenate(column))
            for name, column in zip(self._wanted, zip(*self._parts, strict=True), strict=True)
        ]
        return pb_utils.InferenceResponse(output_tensors=outputs)


def _failure(error: Exception) -> Any:
    if isinstance(error, _CancelledError):
        return pb_utils.TritonError("cancelled by the client", pb_utils.TritonError.CANCELLED)
    return pb_utils.TritonError(f"openvino_cpu: {type(error).__name__}: {error}")


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
                "NUM_STREAMS": streams(cores),
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
