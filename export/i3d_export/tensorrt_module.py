"""TensorRT's Python module, and where ``tensorrt`` and ``tensorrt_rtx`` differ.

Plans for Triton are built by ``tensorrt`` on the GPU that will run them. ``tensorrt_rtx`` has the
same parser and the same Python interface and can build ahead of time for a named compute
capability, without a GPU; its plans are not ones that Triton loads. It is how the plan builder's
own code is run where there is no GPU. The builder takes either module as a parameter and leaves
what differs to this file.

Standard library only, and Python 3.10: this runs inside NVIDIA's TensorRT containers.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from i3d_export.errors import PlanError
from i3d_export.gpu import Gpu
from i3d_export.plan_stamp import HARDWARE_COMPATIBLE_FROM, PlanOptions, version_numbers

AHEAD_OF_TIME = "tensorrt_rtx"

# TensorRT 10.5 dropped Volta, the architecture before this one.
_TURING, _WITHOUT_VOLTA = (7, 5), (10, 5)
_OLDEST = (10, 0)


def import_tensorrt() -> Any:
    """Import ``tensorrt``; only where a GPU was found.

    Raises:
        PlanError: it is not installed, cannot be loaded, or is too old.
    """
    try:
        trt = importlib.import_module("tensorrt")
    except (ImportError, OSError) as error:
        raise PlanError(
            f"TensorRT is not installed ({error}). Build in NVIDIA's container with i3d plans "
            "--docker, which holds the version that the server of the same release loads; or "
            "pip install 'i3d-triton[tensorrt]' at the version that the server loads"
        ) from error
    if version_numbers(trt.__version__) < _OLDEST:
        raise PlanError(f"TensorRT 10 or newer is needed, this is {trt.__version__}")
    return trt


def require_buildable(trt: Any, gpu: Gpu, options: PlanOptions) -> None:
    """Refuse what this TensorRT cannot build for this GPU.

    Raises:
        PlanError: the GPU is too old for the release, or for a hardware-compatible plan.
    """
    full = trt.__name__ != AHEAD_OF_TIME
    too_new = full and version_numbers(trt.__version__) >= _WITHOUT_VOLTA
    if gpu.compute_capability < _TURING and too_new:
        raise PlanError(
            f"TensorRT {trt.__version__} has no support for {gpu.name} (compute capability "
            f"{gpu.capability}): 10.5 dropped what is older than Turing. Build and serve with a "
            "release up to 24.09: i3d plans --docker --release 24.09"
        )
    if options.hardware_compatible and gpu.compute_capability < HARDWARE_COMPATIBLE_FROM:
        raise PlanError(
            "a hardware-compatible plan runs on Ampere and later (compute capability 8.0), "
            f"{gpu.name} has {gpu.capability}: build without --hardware-compatible"
        )


def aim(trt: Any, config: Any, gpu: Gpu) -> None:
    """Set which GPU a build is for; ``tensorrt`` itself builds for the one it finds.

    Raises:
        PlanError: ``tensorrt_rtx`` does not know the compute capability.
    """
    if trt.__name__ != AHEAD_OF_TIME:
        return
    name = "SM{}{}".format(*gpu.compute_capability)
    known = trt.ComputeCapability.__members__
    if name not in known:
        raise PlanError(f"{AHEAD_OF_TIME} builds for {', '.join(known)}; got {name}")
    config.num_compute_capabilities = 1
    config.set_compute_capability(known[name], 0)


def known_timings(trt: Any, path: Path) -> bytes:
    """Return what a timing cache starts from; ``tensorrt_rtx`` times nothing and keeps nothing."""
    keeps = trt.__name__ != AHEAD_OF_TIME
    return path.read_bytes() if keeps and path.is_file() else b""


@contextmanager
def timing_cache_calls() -> Iterator[None]:
    """Silence ``tensorrt_rtx``, where these calls are kept, do nothing and are deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield
