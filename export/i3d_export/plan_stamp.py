"""What a TensorRT plan is bound to, and when it has to be built again.

A plan runs on the GPU model and the TensorRT release that built it, from one ONNX file, for
batches up to one size. ``1/plan.json`` keeps all of that beside ``1/model.plan``. The driver's
version is kept too and decides nothing: plans go on working when the driver is updated.

Standard library only, and Python 3.10: this runs inside NVIDIA's TensorRT containers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STAMP_VERSION = 1

# The first architecture that plans for several architectures run on: Ampere.
HARDWARE_COMPATIBLE_FROM = (8, 0)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """How plans are built.

    Attributes:
        workspace_gib: GPU memory at most that a layer may use as scratch space while it is timed
            and run; None leaves it at all there is.
        version_compatible: the plan also loads in later TensorRT releases. It then carries code
            of its own, which the server has to allow, and can be slower.
        hardware_compatible: the plan runs on every GPU from Ampere on, and can be slower.
    """

    workspace_gib: float | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False


@dataclass(frozen=True, kw_only=True)
class PlanBinding:
    """What decides whether a plan can be used.

    Attributes:
        onnx_sha256: of the graph.
        max_batch_size: requests a batch holds at most.
        module: "tensorrt", or "tensorrt_rtx" for what tests build.
        version: the module's, such as "11.0.0.114".
        gpu: the GPU's name.
        compute_capability: the GPU's, such as "8.9".
        options: how it is built.
    """

    onnx_sha256: str
    max_batch_size: int
    module: str
    version: str
    gpu: str
    compute_capability: str
    options: PlanOptions


@dataclass(frozen=True, kw_only=True)
class PlanStamp:
    """What stands in ``plan.json`` about the plan beside it.

    Attributes:
        binding: what the plan is bound to.
        driver_version: of the GPU's driver when it was built.
        graph_precision: what the graph computes in: "fp32", "bf16", "fp16" or "int8".
        plan_sha256: of the plan file.
        plan_bytes: its size.
        activation_bytes: GPU memory for activations of one execution; None if not said.
        build_seconds: what the build took.
    """

    binding: PlanBinding
    driver_version: str
    graph_precision: str
    plan_sha256: str
    plan_bytes: int
    activation_bytes: int | None
    build_seconds: float


def stale_reason(stamp: PlanStamp, wanted: PlanBinding) -> str | None:
    """Return why a plan has to be built again, None if it need not be."""
    built = stamp.binding
    if built.onnx_sha256 != wanted.onnx_sha256:
        return "model.onnx has changed"
    if built.max_batch_size != wanted.max_batch_size:
        return f"max_batch_size was {built.max_batch_size}, is {wanted.max_batch_size}"
    if built.options != wanted.options:
        return f"options were {_say(built.options)}, are {_say(wanted.options)}"
    return _stale_version(built, wanted) or _stale_gpu(built, wanted)


def plan_document(stamp: PlanStamp, build: dict[str, Any]) -> dict[str, Any]:
    """Return ``plan.json``: what the export knows of the model, and the stamp as its engine.

    Args:
        stamp: of the plan.
        build: the content of ``build.json``; what it says of other engines is left out, and all
            of it if it is about another ONNX file.
    """
    sha256 = stamp.binding.onnx_sha256
    known = build if build.get("onnx_sha256") == sha256 else {}
    kept = {key: value for key, value in known.items() if key != "engines"}
    engine = asdict(stamp)
    engine = {"stamp_version": STAMP_VERSION, **engine.pop("binding"), **engine}
    return {
        "precision": stamp.graph_precision,
        "onnx_sha256": sha256,
        **kept,
        "engines": {"tensorrt": engine},
    }


def read_stamp(path: Path) -> PlanStamp | None:
    """Read the stamp from ``plan.json``; None if it is absent, spoilt or of another version."""
    try:
        engine = json.loads(path.read_text(encoding="utf-8"))["engines"]["tensorrt"]
        if engine.pop("stamp_version") != STAMP_VERSION:
            return None
        engine["options"] = PlanOptions(**engine["options"])
        bound = {name: engine.pop(name) for name in PlanBinding.__dataclass_fields__}
        return PlanStamp(binding=PlanBinding(**bound), **engine)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _stale_version(built: PlanBinding, wanted: PlanBinding) -> str | None:
    was, now = f"{built.module} {built.version}", f"{wanted.module} {wanted.version}"
    if was == now or (built.options.version_compatible and _loads_in(built, wanted)):
        return None
    return f"it was built by {was}, this is {now}"


def _loads_in(built: PlanBinding, wanted: PlanBinding) -> bool:
    """Whether a version-compatible plan loads in a release: a later one of the same major.

    NVIDIA's pages differ on plans of TensorRT 10 in TensorRT 11; those are built again.
    """
    was, now = version_numbers(built.version), version_numbers(wanted.version)
    return built.module == wanted.module and was <= now and was[0] == now[0]


def _stale_gpu(built: PlanBinding, wanted: PlanBinding) -> str | None:
    here = f"{wanted.gpu} ({wanted.compute_capability})"
    if built.options.hardware_compatible:
        runs = version_numbers(wanted.compute_capability) >= HARDWARE_COMPATIBLE_FROM
        return None if runs else f"a hardware-compatible plan does not run on {here}"
    was = f"{built.gpu} ({built.compute_capability})"
    return None if was == here else f"it was built for {was}, this is {here}"


def version_numbers(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: "11.0.0.114" is (11, 0, 0, 114)."""
    numbers = []
    for part in version.split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)


def _say(options: PlanOptions) -> str:
    said = [] if options.workspace_gib is None else [f"workspace {options.workspace_gib:g} GiB"]
    said += ["version-compatible"] if options.version_compatible else []
    said += ["hardware-compatible"] if options.hardware_compatible else []
    return ", ".join(said) or "the defaults"
