"""Ports, disk and memory of this host."""

from __future__ import annotations

import errno
import re
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from i3d_server.doctor_check import Check
from i3d_server.doctor_settings import StackSettings

_GIB = 1 << 30
_ENOUGH_DISK = {True: 60 * _GIB, False: 40 * _GIB}
_TOO_LITTLE_DISK = 5 * _GIB
_ENOUGH_MEMORY = 8 * _GIB
_ENOUGH_SHM = 1 * _GIB
_SHM = Path("/dev/shm")  # noqa: S108 - shared memory, not a place for files
_UNITS = {"b": 1, "k": 1 << 10, "m": 1 << 20, "g": _GIB}
_LOOPBACK = "127.0.0.1"


def port_checks(
    settings: StackSettings, *, publishes: Callable[[int], str | None]
) -> Iterator[Check]:
    """Check that the stack's ports are free, or its own.

    Args:
        settings: of the stack.
        publishes: the Compose service that has a port already.
    """
    ports = (
        ("gateway", settings.gateway_address, settings.gateway_port, "GATEWAY_PORT"),
        ("prometheus", _LOOPBACK, settings.prometheus_port, "PROMETHEUS_PORT"),
        ("grafana", _LOOPBACK, settings.grafana_port, "GRAFANA_PORT"),
    )
    for service, address, port, setting in ports:
        yield _port(service, address, port, setting, publishes)


def resource_checks(settings: StackSettings, *, docker_info: Mapping[str, Any]) -> Iterator[Check]:
    """Check disk, memory and shared memory."""
    yield _disk(str(docker_info.get("DockerRootDir") or "/var/lib/docker"), gpu=settings.gpu)
    memory = _meminfo()
    yield _memory(memory, limit=settings.triton_memory)
    yield _shared_memory()


def _port(
    service: str,
    address: str,
    port: int,
    setting: str,
    publishes: Callable[[int], str | None],
) -> Check:
    name = f"port of {service}"
    place = f"{address}:{port}"
    reason = _why_not_free(address, port)
    if reason is None:
        return Check(name=name, status="ok", says=f"{place} is free")
    if reason == errno.EADDRINUSE and publishes(port) == service:
        return Check(name=name, status="ok", says=f"{place} is the stack's own, which runs")
    needed = service == "gateway"
    if reason == errno.EADDRINUSE:
        says, advice = f"{place} is in use", f"end what listens there, or set {setting} in .env"
    elif reason == errno.EACCES:
        says, advice = f"{place} is not allowed to you", "Docker may be; else take one from 1024 on"
        needed = False
    else:
        says = f"{address} is no address of this host"
        advice = "set GATEWAY_BIND in .env to one of its addresses, or to 0.0.0.0 for all"
    return Check(name=name, status="problem" if needed else "warning", says=says, advice=advice)


def _why_not_free(address: str, port: int) -> int | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except socket.gaierror:
            return errno.EADDRNOTAVAIL
        except OSError as error:
            return error.errno
    return None


def _disk(docker_folder: str, *, gpu: bool) -> Check:
    folder = Path(docker_folder)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    says = f"{free / _GIB:.0f} GiB free for Docker ({folder})"
    if free >= _ENOUGH_DISK[gpu]:
        return Check(name="disk", status="ok", says=says)
    return Check(
        name="disk",
        status="problem" if free < _TOO_LITTLE_DISK else "warning",
        says=says,
        advice=f"{_ENOUGH_DISK[gpu] / _GIB:.0f} GiB hold all images: docker system prune, or move "
        "Docker's data-root",
    )


def _meminfo() -> dict[str, int]:
    text = Path("/proc/meminfo").read_text(encoding="ascii", errors="replace")
    return {key: int(kib) * 1024 for key, kib in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}


def _memory(memory: Mapping[str, int], *, limit: str) -> Check:
    total, available = memory.get("MemTotal", 0), memory.get("MemAvailable", 0)
    says = f"{available / _GIB:.1f} of {total / _GIB:.1f} GiB available"
    wanted = _bytes(limit)
    if wanted is not None and wanted > total:
        return Check(
            name="memory",
            status="warning",
            says=f"{says}; Triton may take {limit}",
            advice="set TRITON_MEMORY in .env below what there is, or the kernel ends something",
        )
    if available < _ENOUGH_MEMORY:
        advice = "8 GiB are enough for a few models; end other programs, or serve fewer (MODELS)"
        return Check(name="memory", status="warning", says=says, advice=advice)
    return Check(name="memory", status="ok", says=says)


def _shared_memory() -> Check:
    name = "shared memory"
    if not _SHM.is_dir():
        return Check(
            name=name, status="warning", says="no /dev/shm", advice="needed for i3d serve alone"
        )
    free = shutil.disk_usage(_SHM).free
    says = f"{free / _GIB:.1f} GiB free in /dev/shm"
    if free >= _ENOUGH_SHM:
        return Check(name=name, status="ok", says=says)
    return Check(
        name=name,
        status="warning",
        says=says,
        advice="i3d serve needs it (containers have their own, TRITON_SHM): mount it larger",
    )


def _bytes(text: str) -> int | None:
    found = re.match(r"^(\d+)\s*([bkmg])b?$", text.strip().lower())
    return int(found[1]) * _UNITS[found[2]] if found else None
