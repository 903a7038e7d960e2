"""The machine that a figure comes from."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# What decides how fast INT8 is beside FP32.
_FEATURES = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8")
_PACKAGES = ("i3d-triton", "av", "numpy", "opencv-python-headless", "tritonclient", "openvino")


def machine_facts() -> dict[str, Any]:
    """Return what a reader needs to judge a figure: processor, load, versions, date."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _cpu_model(),
        "cpu_features": _cpu_features(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": "none used",
        "load_average_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _cpu_model() -> str:
    return _cpu_info("model name") or platform.machine()


def _cpu_features() -> list[str]:
    has = set(_cpu_info("flags").split())
    return [name for name in _FEATURES if name in has]


def _cpu_info(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith(key):
            return line.partition(":")[2].strip()
    return ""
