"""From an ONNX file to a TensorRT plan.

The network is strongly typed: a precision is a property of the graph, and TensorRT compiles what
it is given (TensorRT 11 knows nothing else). One optimisation profile serves every batch from
one request to the model's largest, tuned for the largest, which is what a busy server runs.

Standard library only, and Python 3.10: this runs inside NVIDIA's TensorRT containers.
"""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_export.errors import PlanError
from i3d_export.gpu import Gpu
from i3d_export.plan_stamp import PlanOptions
from i3d_export.tensorrt_module import aim, known_timings, timing_cache_calls

_ACTIVATIONS = re.compile(r"Total Activation Memory: (\d+) bytes")


@dataclass(frozen=True, kw_only=True)
class BuiltPlan:
    """A plan in memory.

    Attributes:
        plan: the serialised engine; a buffer.
        graph_precision: what the graph computes in: "fp32", "bf16", "fp16" or "int8".
        activation_bytes: GPU memory for activations of one execution; None if not said.
        build_seconds: parsing and building.
    """

    plan: memoryview
    graph_precision: str
    activation_bytes: int | None
    build_seconds: float


class BuildLog:
    """What TensorRT says during one build, from INFO on; VERBOSE is thousands of lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.errors: list[str] = []

    def logger(self, trt: Any) -> Any:
        """Return a TensorRT logger that writes here."""
        log = self

        class Logger(trt.ILogger):  # type: ignore[misc]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, message: str) -> None:
                log.add(severity.name, message)

        return Logger()

    def add(self, severity: str, message: str) -> None:
        """Keep one message."""
        if severity == "VERBOSE":
            return
        self.lines.append(f"{severity}: {message}")
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(message)

    def said(self) -> str:
        """Return the errors in one line."""
        return "; ".join(self.errors) or "without saying why"

    @property
    def activation_bytes(self) -> int | None:
        """The last figure that TensorRT gave for activations."""
        found = _ACTIVATIONS.findall("\n".join(self.lines))
        return int(found[-1]) if found else None


def build_plan(
    onnx: Path,
    *,
    trt: Any,
    gpu: Gpu,
    max_batch_size: int,
    options: PlanOptions,
    timing_cache: Path,
    log: BuildLog,
) -> BuiltPlan:
    """Build a plan for one GPU.

    Args:
        onnx: the graph.
        trt: ``tensorrt`` on a GPU host; ``tensorrt_rtx`` builds ahead of time.
        gpu: what the plan is for; ``tensorrt`` builds for the GPU it runs on.
        max_batch_size: of the optimisation profile.
        options: workspace and compatibility.
        timing_cache: timings kept between builds; made if it is not there.
        log: filled with what TensorRT says, whether the build succeeds or not.

    Raises:
        PlanError: the graph is refused, with the node's name, or the build fails.
    """
    started = time.monotonic()
    logger = log.logger(trt)
    builder = _start(trt, logger, log)
    network, parser = _parse(trt, builder, logger, onnx)
    config = builder_config(trt, builder, network, gpu=gpu, options=options)
    _add_profile(builder, network, config, max_batch_size)
    timings = _start_timings(trt, config, timing_cache, log)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise PlanError(f"TensorRT could not build the plan: {log.said()}")
    _keep_timings(timings, timing_cache, log)
    del parser  # it owns the weights that the network refers to until here
    return BuiltPlan(
        plan=memoryview(plan),
        graph_precision=graph_precision(trt, network),
        activation_bytes=log.activation_bytes,
        build_seconds=time.monotonic() - started,
    )


def builder_config(trt: Any, builder: Any, network: Any, *, gpu: Gpu, options: PlanOptions) -> Any:
    """Return the builder's configuration.

    TF32, which TensorRT allows by default, rounds what a FP32 convolution multiplies to 10 bits:
    an FP32 graph is computed without. In the graphs of lower precision it stays for the layers
    that are left in FP32: the first convolution alone is a quarter of I3D's multiplications, and
    FP16 has those 10 bits too.
    """
    config = builder.create_builder_config()
    if graph_precision(trt, network) == "fp32":
        config.clear_flag(trt.BuilderFlag.TF32)
    if options.workspace_gib is not None:
        workspace = int(options.workspace_gib * 2**30)
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace)
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    if options.hardware_compatible:
        config.hardware_compatibility_level = trt.HardwareCompatibilityLevel.AMPERE_PLUS
    aim(trt, config, gpu)
    return config


def graph_precision(trt: Any, network: Any) -> str:
    """Return what a parsed network computes in: the lowest precision in it."""
    layers = [network.get_layer(index) for index in range(network.num_layers)]
    if any(layer.type == trt.LayerType.QUANTIZE for layer in layers):
        return "int8"
    types = {layer.get_output(i).dtype for layer in layers for i in range(layer.num_outputs)}
    if trt.DataType.HALF in types:
        return "fp16"
    return "bf16" if trt.DataType.BF16 in types else "fp32"


def _start(trt: Any, logger: Any, log: BuildLog) -> Any:
    """Return a builder; where CUDA does not start, the binding raises one of these."""
    try:
        return trt.Builder(logger)
    except (RuntimeError, TypeError) as error:
        raise PlanError(f"TensorRT cannot start on this GPU: {log.said()} ({error})") from error


def _parse(trt: Any, builder: Any, logger: Any, onnx: Path) -> tuple[Any, Any]:
    flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(onnx)):
        errors = [parser.get_error(index) for index in range(parser.num_errors)]
        said = "".join(f"\n  {_parser_error(error)}" for error in errors)
        raise PlanError(f"TensorRT's parser refuses {onnx}:{said}")
    return network, parser


def _parser_error(error: Any) -> str:
    return f"node {error.node_name()!r} ({error.node_operator()}): {error.desc()}"


def _add_profile(builder: Any, network: Any, config: Any, max_batch_size: int) -> None:
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        free, *fixed = tuple(tensor.shape)
        if free != -1 or -1 in fixed:
            raise PlanError(
                f"input {tensor.name}: expected a free batch and fixed dimensions after it, got "
                f"{tuple(tensor.shape)}"
            )
        largest = (max_batch_size, *fixed)
        profile.set_shape(tensor.name, (1, *fixed), largest, largest)
    config.add_optimization_profile(profile)


def _start_timings(trt: Any, config: Any, path: Path, log: BuildLog) -> Any:
    """Give the build the timings of builds before it, and return what it will add to."""
    with timing_cache_calls():
        timings = config.create_timing_cache(known_timings(trt, path))
        if timings is None or not config.set_timing_cache(timings, False):
            log.add("WARNING", f"{path} is not a timing cache of this TensorRT and GPU")
            timings = config.create_timing_cache(b"")
            config.set_timing_cache(timings, False)
    return timings


def _keep_timings(timings: Any, path: Path, log: BuildLog) -> None:
    """Keep the timings for the next build; a full disk must not cost this one its plan."""
    with timing_cache_calls():
        content = timings.serialize()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".aside-", dir=path.parent) as aside:
            file = Path(aside) / path.name
            file.write_bytes(memoryview(content))
            file.replace(path)
    except OSError as error:
        log.add("WARNING", f"timings are not kept: {error}")
