"""The machine that the client of a bench ran on, and whether it was busy with something else."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

from i3d_bench.machine import machine_facts

_BUSY_LOAD_PER_CORE = 0.5
_NVIDIA_SMI_S = 20


def bench_facts() -> dict[str, Any]:
    """Return the machine's facts, its GPU if it has one, and a warning if it is busy."""
    facts = machine_facts()
    facts["gpu"] = _gpu() or "none seen"
    load, cores = facts["load_average_before"], facts["cores_usable"]
    busy = load / cores > _BUSY_LOAD_PER_CORE
    facts["busy_warning"] = (
        f"a load of {load:.1f} on {cores} cores before the bench began: the figures are those of "
        "a machine that does something else too"
        if busy
        else None
    )
    return facts


def _gpu() -> str | None:
    """Return names and driver as nvidia-smi gives them; None without it or without a GPU."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_NVIDIA_SMI_S
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return "; ".join(line.strip() for line in said.stdout.splitlines() if line.strip()) or None
