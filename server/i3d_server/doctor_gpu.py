"""GPU, driver and container toolkit, as far as ``nvidia-smi`` and Docker say.

``nvidia-smi`` is asked for comma-separated values without units, which is the form that its manual
gives for programs. Drivers before 510 do not know ``compute_cap``.
"""

from __future__ import annotations

import ctypes.util
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_server.doctor_check import Check
from i3d_server.doctor_commands import Said, ask
from i3d_server.releases import Verdict, judge_compute_capability, judge_driver

_FIELDS = ("name", "driver_version", "memory.total", "memory.free")
_CAPABILITY = "compute_cap"
# Nothing has run on a GPU yet: weights, two instances' activations and CUDA itself are expected
# to fit, and plan.json says what a plan really needs.
_ENOUGH_FREE_MIB = 6 * 1024
_CDI_FILES = ("/etc/cdi/nvidia.yaml", "/var/run/cdi/nvidia.yaml")
_INSTALL_TOOLKIT = (
    "install the NVIDIA Container Toolkit "
    "(https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html)"
)
_CONFIGURE_TOOLKIT = "sudo nvidia-ctk runtime configure --runtime=docker, then restart Docker"


@dataclass(frozen=True, kw_only=True)
class SeenGpu:
    """A GPU as ``nvidia-smi`` describes it; None where it does not say.

    Attributes:
        name, driver: as printed.
        total_mib, free_mib: memory.
        capability: compute capability, (major, minor).
    """

    name: str
    driver: str
    total_mib: int | None
    free_mib: int | None
    capability: tuple[int, int] | None


def gpu_checks(*, release: str) -> Iterator[Check]:
    """Check driver, kind and memory of the GPUs."""
    said = _query((*_FIELDS, _CAPABILITY))
    if said.found and not said.succeeded and _CAPABILITY in said.output + said.errors:
        said = _query(_FIELDS)
    gpus = _read_gpus(said.output) if said.succeeded else []
    if not gpus:
        yield _no_gpu(said)
        return
    yield _check("driver", judge_driver(release, gpus[0].driver))
    yield _kinds(gpus)
    for capability in sorted({gpu.capability for gpu in gpus}, key=lambda found: found or (0, 0)):
        yield _capability(release, capability)
    yield from (_memory(number, gpu) for number, gpu in enumerate(gpus))


def toolkit_check(docker_info: Mapping[str, Any]) -> Check:
    """Check that Docker can give a container the GPU.

    Args:
        docker_info: what ``docker info`` says.
    """
    if "nvidia" in (docker_info.get("Runtimes") or {}):
        return Check(name="container toolkit", status="ok", says="Docker has the runtime nvidia")
    if hook := shutil.which("nvidia-container-runtime-hook"):
        return Check(name="container toolkit", status="ok", says=f"{hook} is there")
    if docker_info.get("CDISpecDirs") and any(Path(file).exists() for file in _CDI_FILES):
        return Check(
            name="container toolkit",
            status="warning",
            says="devices by CDI alone, which not every Docker uses for Compose",
            advice=f'if the start says "could not select device driver": {_CONFIGURE_TOOLKIT}',
        )
    installed = shutil.which("nvidia-ctk") is not None
    return Check(
        name="container toolkit",
        status="problem",
        says=f"{'installed, but ' if installed else ''}Docker has no runtime nvidia",
        advice=_CONFIGURE_TOOLKIT if installed else f"{_INSTALL_TOOLKIT}; {_CONFIGURE_TOOLKIT}",
    )


def _query(fields: Sequence[str]) -> Said:
    return ask("nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits")


def _read_gpus(text: str) -> list[SeenGpu]:
    rows = [[cell.strip() for cell in line.split(",")] for line in text.splitlines()]
    return [
        SeenGpu(
            name=row[0],
            driver=row[1],
            total_mib=_number(row[2]),
            free_mib=_number(row[3]),
            capability=_read_capability(row[4]) if len(row) > len(_FIELDS) else None,
        )
        for row in rows
        if len(row) >= len(_FIELDS)
    ]


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


def _read_capability(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def _no_gpu(said: Said) -> Check:
    if not said.found and ctypes.util.find_library("cuda"):
        return Check(
            name="driver",
            status="warning",
            says="libcuda is there, but nvidia-smi is not, so GPU and driver cannot be checked",
            advice="install nvidia-smi (Debian and Ubuntu: nvidia-utils of the driver's version)",
        )
    says = "no nvidia-smi" if not said.found else f"nvidia-smi: {said.last_words}"
    if said.succeeded:
        says = "nvidia-smi sees no GPU"
    return Check(
        name="driver",
        status="problem",
        says=says,
        advice="install NVIDIA's driver and restart, or take the stack without a GPU (--cpu)",
    )


def _kinds(gpus: Sequence[SeenGpu]) -> Check:
    kinds = sorted({gpu.name for gpu in gpus})
    says = ", ".join(f"{sum(gpu.name == kind for gpu in gpus)} × {kind}" for kind in kinds)
    if len(kinds) == 1:
        return Check(name="GPU", status="ok", says=says)
    return Check(
        name="GPU",
        status="problem",
        says=f"{says}: a plan fits one kind",
        advice="give the stack GPUs of one kind (device_ids in docker-compose.yml)",
    )


def _capability(release: str, capability: tuple[int, int] | None) -> Check:
    if capability is None:
        return Check(
            name="GPU and release",
            status="warning",
            says="this nvidia-smi does not say the compute capability",
            advice="look it up: docs/gpu.md says which release fits",
        )
    return _check("GPU and release", judge_compute_capability(release, capability))


def _memory(number: int, gpu: SeenGpu) -> Check:
    name = f"GPU {number} memory"
    if gpu.free_mib is None or gpu.total_mib is None:
        return Check(name=name, status="warning", says="nvidia-smi does not say")
    says = f"{gpu.free_mib / 1024:.1f} of {gpu.total_mib / 1024:.1f} GiB free"
    if gpu.free_mib >= _ENOUGH_FREE_MIB:
        return Check(name=name, status="ok", says=says)
    return Check(
        name=name,
        status="warning",
        says=says,
        advice="end what else uses it (nvidia-smi shows it), or serve fewer models (MODELS)",
    )


def _check(name: str, verdict: Verdict) -> Check:
    return Check(name=name, status=verdict.judgement, says=verdict.says, advice=verdict.advice)
