"""``python3 -m i3d_export.plans_in_container``: build plans where nothing is installed.

NVIDIA's TensorRT containers hold Python, numpy and TensorRT. This needs no more than that, so the
project's source on ``PYTHONPATH`` is enough: nothing is installed there, and it works in the
releases whose Python is 3.10. ``i3d plans`` runs the same function.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i3d_client.errors import I3dError
from i3d_export.errors import PlanError
from i3d_export.gpu import Gpu, visible_gpus
from i3d_export.plan_stamp import PlanOptions
from i3d_export.plans import build_plans
from i3d_export.tensorrt_module import import_tensorrt, require_buildable

Echo = Callable[[object], object]


@dataclass(frozen=True, kw_only=True)
class PlansRequest:
    """What ``i3d plans`` is asked for.

    Attributes:
        repository: the model repository.
        models: names; None means every model that was exported.
        options: how plans are built.
        check_only: build nothing, say what is stale.
    """

    repository: Path
    models: tuple[str, ...] | None = None
    options: PlanOptions = field(default_factory=PlanOptions)
    check_only: bool = False

    def arguments(self, repository: str) -> list[str]:
        """Return the command-line arguments that ask the same of ``repository``."""
        given = ["--repository", repository]
        given += [] if self.models is None else ["--models", ",".join(self.models)]
        if self.options.workspace_gib is not None:
            given += ["--workspace-gib", f"{self.options.workspace_gib:g}"]
        given += ["--version-compatible"] if self.options.version_compatible else []
        given += ["--hardware-compatible"] if self.options.hardware_compatible else []
        return [*given, "--check"] if self.check_only else given


def run_plans(request: PlansRequest, *, echo: Echo) -> int:
    """Build on this machine's GPU; return 1 if a plan is missing, stale or failed at the end.

    Raises:
        PlanError: no GPU, no TensorRT, or nothing to build.
    """
    gpus = _find_gpus()
    gpu = _only_kind(gpus, request.options)
    trt = import_tensorrt()
    for served_on in gpus:
        require_buildable(trt, served_on, request.options)
    echo(f"TensorRT {trt.__version__}, {gpu.name} ({gpu.capability}), driver {gpu.driver_version}")
    outcomes = build_plans(
        request.repository,
        trt=trt,
        gpu=gpu,
        options=request.options,
        models=request.models,
        check_only=request.check_only,
        on_start=lambda model, reason: echo(f"{model}: building, which takes minutes ({reason})"),
        on_outcome=echo,
    )
    return 0 if all(outcome.usable for outcome in outcomes) else 1


def split_names(text: str | None) -> tuple[str, ...] | None:
    """Return the names of a comma-separated list; None if there are none: all that there are."""
    return tuple(name for name in (text or "").split(",") if name) or None


def _find_gpus() -> tuple[Gpu, ...]:
    try:
        return visible_gpus()
    except PlanError as error:
        raise PlanError(
            f"{error}. Plans are built on the GPU that will run them: run i3d plans there. A "
            "machine without one serves the same models on its CPU: i3d serve"
        ) from error


def _only_kind(gpus: tuple[Gpu, ...], options: PlanOptions) -> Gpu:
    """Return the first GPU; all must be of its kind, since Triton serves on all of them."""
    kinds = {(gpu.name, gpu.compute_capability) for gpu in gpus}
    if len(kinds) > 1 and not options.hardware_compatible:
        listed = ", ".join(f"{gpu.name} ({gpu.capability})" for gpu in gpus)
        raise PlanError(
            f"the GPUs here differ: {listed}. A plan runs on one kind: choose GPUs of one kind "
            "with CUDA_VISIBLE_DEVICES, for Triton too, or build with --hardware-compatible"
        )
    return gpus[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m i3d_export.plans_in_container", description="Build TensorRT plans."
    )
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--models", metavar="A,B")
    parser.add_argument("--workspace-gib", type=float)
    parser.add_argument("--version-compatible", action="store_true")
    parser.add_argument("--hardware-compatible", action="store_true")
    parser.add_argument("--check", action="store_true")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    given = _parser().parse_args(arguments)
    request = PlansRequest(
        repository=given.repository,
        models=split_names(given.models),
        options=PlanOptions(
            workspace_gib=given.workspace_gib,
            version_compatible=given.version_compatible,
            hardware_compatible=given.hardware_compatible,
        ),
        check_only=given.check,
    )
    try:
        return run_plans(request, echo=_print_line)
    except I3dError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def _print_line(line: object) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
