"""TensorRT plans for the models of a repository: built where missing or stale, else left alone.

A plan is placed only when it is whole. A build that fails leaves the plan that is there, and its
log as ``1/plan.failed.log``; a build that succeeds leaves its log as ``1/plan.log``.

Standard library only, and Python 3.10: this runs inside NVIDIA's TensorRT containers.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from i3d_export.errors import PlanError
from i3d_export.gpu import Gpu
from i3d_export.plan_builder import BuildLog, build_plan
from i3d_export.plan_files import (
    ONNX,
    locked,
    max_batch_size,
    place,
    sha256_of,
    why_build,
    write_log,
)
from i3d_export.plan_stamp import PlanBinding, PlanOptions, PlanStamp
from i3d_export.tensorrt_module import require_buildable

LOG, FAILED_LOG = "plan.log", "plan.failed.log"

_GIB, _MIB = 2**30, 2**20

OnStart = Callable[[str, str], object]
Action = Literal["built", "up to date", "stale", "failed", "not exported"]


@dataclass(frozen=True, kw_only=True)
class PlanOutcome:
    """What became of one model's plan.

    Attributes:
        model: its name.
        action: "stale" only where building was not asked for.
        reason: why it was built, is stale, failed or cannot be; empty if it is up to date.
        stamp: of the plan that is there now and can be used; None if there is none.
    """

    model: str
    action: Action
    reason: str = ""
    stamp: PlanStamp | None = None

    @property
    def usable(self) -> bool:
        """Whether the model can be served, or was never exported here."""
        return self.action not in ("stale", "failed")

    def __str__(self) -> str:
        line = f"{self.model}: {self.action}"
        if self.action == "built" and self.stamp is not None:
            line += f" in {self.stamp.build_seconds:.1f} s, {_say_sizes(self.stamp)}"
        return f"{line} ({self.reason})" if self.reason else line


def build_plans(
    repository: Path,
    *,
    trt: Any,
    gpu: Gpu,
    options: PlanOptions,
    models: Sequence[str] | None = None,
    check_only: bool = False,
    cache: Path | None = None,
    on_start: OnStart = lambda _, __: None,
    on_outcome: Callable[[PlanOutcome], object] = lambda _: None,
) -> tuple[PlanOutcome, ...]:
    """Build every plan that is missing or stale; a failure leaves the others their turn.

    Args:
        repository: the model repository.
        trt: the module ``tensorrt``.
        gpu: what the plans are for.
        options: how they are built.
        models: names; None means every model that was exported. A named one must have been.
        check_only: build nothing.
        cache: for timings; None means ``cache_folder()``.
        on_start: called with name and reason before each build, which can take minutes.
        on_outcome: called after each model.

    Raises:
        PlanError: no such repository or model, nothing exported, or a GPU or an option that this
            TensorRT has no support for.
    """
    require_buildable(trt, gpu, options)
    outcomes = []
    for folder in _model_folders(repository, models):
        if models is None and not (folder / "1" / ONNX).is_file():
            outcome = PlanOutcome(
                model=folder.name, action="not exported", reason=_for_another_engine(folder)
            )
        elif check_only:
            outcome = _guarded(check_plan, folder, trt=trt, gpu=gpu, options=options)
        else:
            outcome = _guarded(
                build_plan_for_model,
                folder,
                trt=trt,
                gpu=gpu,
                options=options,
                cache=cache,
                on_start=on_start,
            )
        outcomes.append(outcome)
        on_outcome(outcome)
    if all(outcome.action == "not exported" for outcome in outcomes):
        raise PlanError(
            f"{repository}: no model was exported here. Make one: i3d export kinetics400"
        )
    return tuple(outcomes)


def build_plan_for_model(
    folder: Path,
    *,
    trt: Any,
    gpu: Gpu,
    options: PlanOptions,
    cache: Path | None = None,
    on_start: OnStart = lambda _, __: None,
) -> PlanOutcome:
    """Build one model's plan if it is missing or stale.

    Args:
        folder: the model's, with ``config.pbtxt`` and ``1/model.onnx``.
        trt: the module ``tensorrt``.
        gpu: what the plan is for.
        options: how it is built.
        cache: for timings; None means ``cache_folder()``.
        on_start: called with name and reason if there is something to build.

    Raises:
        PlanError: the graph is refused or the build fails; the plan that was there is kept.
        OSError: the folder or the cache cannot be written.
    """
    artefacts = folder / "1"
    _require_exported(folder)
    with locked(artefacts):
        wanted = _wanted(folder, trt=trt, gpu=gpu, options=options)
        stamp, reason = why_build(artefacts, wanted)
        if reason is None:
            return PlanOutcome(model=folder.name, action="up to date", stamp=stamp)
        on_start(folder.name, reason)
        timings = (cache or cache_folder()) / "tensorrt" / _timings_name(wanted)
        stamp = _build(artefacts, wanted, trt=trt, gpu=gpu, timings=timings)
        return PlanOutcome(model=folder.name, action="built", reason=reason, stamp=stamp)


def check_plan(folder: Path, *, trt: Any, gpu: Gpu, options: PlanOptions) -> PlanOutcome:
    """Say whether one model's plan can be used as it is; arguments as in building it."""
    _require_exported(folder)
    wanted = _wanted(folder, trt=trt, gpu=gpu, options=options)
    stamp, reason = why_build(folder / "1", wanted)
    if reason is None:
        return PlanOutcome(model=folder.name, action="up to date", stamp=stamp)
    return PlanOutcome(model=folder.name, action="stale", reason=reason)


def cache_folder() -> Path:
    """Return the folder that outlives a build: ``I3D_CACHE``, else the user's cache."""
    chosen = os.environ.get("I3D_CACHE")
    if chosen:
        return Path(chosen)
    users = os.environ.get("XDG_CACHE_HOME")
    return (Path(users) if users else Path.home() / ".cache") / "i3d-triton"


def _model_folders(repository: Path, models: Sequence[str] | None) -> list[Path]:
    if not repository.is_dir():
        raise PlanError(
            f"{repository}: no such folder. Name the model repository with --repository, or make "
            "one: i3d export kinetics400"
        )
    if models is not None and not models:
        raise PlanError("expected at least one model name, got none")
    folders = {entry.parent.name: entry.parent for entry in repository.glob("*/config.pbtxt")}
    if models is not None and (unknown := sorted(set(models) - set(folders))):
        known = ", ".join(sorted(folders)) or "none"
        raise PlanError(f"{repository}: no model named {', '.join(unknown)}; there is {known}")
    return [folders[name] for name in sorted(folders if models is None else set(models))]


def _guarded(work: Callable[..., PlanOutcome], folder: Path, **arguments: Any) -> PlanOutcome:
    try:
        return work(folder, **arguments)
    except (PlanError, OSError) as error:
        return PlanOutcome(model=folder.name, action="failed", reason=str(error))


def _for_another_engine(folder: Path) -> str:
    """Say so if a model was exported, but not for TensorRT."""
    exported = (folder / "1" / "build.json").is_file()
    return "for TensorRT: i3d export … --engine openvino tensorrt" if exported else ""


def _require_exported(folder: Path) -> None:
    onnx = folder / "1" / ONNX
    if not onnx.is_file():
        raise PlanError(f"{onnx} is missing: export the model first (i3d export …)")


def _wanted(folder: Path, *, trt: Any, gpu: Gpu, options: PlanOptions) -> PlanBinding:
    return PlanBinding(
        onnx_sha256=sha256_of(folder / "1" / ONNX),
        max_batch_size=max_batch_size(folder / "config.pbtxt"),
        module=trt.__name__,
        version=trt.__version__,
        gpu=gpu.name,
        compute_capability=gpu.capability,
        options=options,
    )


def _build(artefacts: Path, wanted: PlanBinding, *, trt: Any, gpu: Gpu, timings: Path) -> PlanStamp:
    log = BuildLog()
    try:
        built = build_plan(
            artefacts / ONNX,
            trt=trt,
            gpu=gpu,
            max_batch_size=wanted.max_batch_size,
            options=wanted.options,
            timing_cache=timings,
            log=log,
        )
    except PlanError as error:
        write_log(artefacts / FAILED_LOG, log)
        raise PlanError(f"{error}\n  its log: {artefacts / FAILED_LOG}") from error
    stamp = place(artefacts, built, wanted, driver_version=gpu.driver_version)
    write_log(artefacts / LOG, log)
    (artefacts / FAILED_LOG).unlink(missing_ok=True)
    return stamp


def _timings_name(wanted: PlanBinding) -> str:
    gpu = re.sub(r"[^A-Za-z0-9]+", "-", wanted.gpu)
    return f"timings-{wanted.module}-{wanted.version}-{gpu}-{wanted.compute_capability}.bin"


def _say_sizes(stamp: PlanStamp) -> str:
    said = f"{stamp.plan_bytes / _MIB:.1f} MiB"
    if stamp.activation_bytes is not None:
        said += f", activations {stamp.activation_bytes / _GIB:.2f} GiB an instance"
    return said
