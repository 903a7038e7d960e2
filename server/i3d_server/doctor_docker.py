"""Docker, Compose, and the images that the stack is made of."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from i3d_server.doctor_check import Check
from i3d_server.doctor_commands import Said, ask
from i3d_server.doctor_settings import StackSettings

# GPUs in Compose need 1.28, waiting for a one-shot service to succeed 1.29.
_OLDEST_COMPOSE = (1, 29)
_OLDEST_DOCKER = (20, 10)
_IMAGE = re.compile(r"^\s+image:\s*[\"']?([^\s\"']+)", re.M)
_INSTALL_DOCKER = "install Docker (https://docs.docker.com/engine/install/)"


def docker_check() -> tuple[Check, dict[str, Any]]:
    """Check the daemon; return also what it says of itself, empty if it says nothing."""
    said = ask("docker", "info", "--format", "{{json .}}")
    info = _read_info(said.output)
    version = str(info.get("ServerVersion") or "")
    if not version:
        return _no_daemon(said, info), {}
    if _version(version) < _OLDEST_DOCKER:
        return Check(
            name="Docker",
            status="problem",
            says=f"version {version}; expected 20.10 or later",
            advice=_INSTALL_DOCKER,
        ), info
    return Check(name="Docker", status="ok", says=f"version {version}"), info


def compose_check() -> tuple[Check, tuple[str, ...] | None]:
    """Check Compose; return also how it is called, None if it is not there."""
    found: list[str] = []
    for command in (("docker", "compose"), ("docker-compose",)):
        said = ask(*command, "version", "--short")
        version = said.output.strip().removeprefix("v")
        if not said.succeeded or not version[:1].isdecimal():
            continue
        if _version(version) >= _OLDEST_COMPOSE:
            says = f"{' '.join(command)}, version {version}"
            return Check(name="Compose", status="ok", says=says), command
        found.append(version)
    return Check(
        name="Compose",
        status="problem",
        says=f"version {found[0]}; expected 1.29 or later" if found else "not there",
        advice="install Docker's Compose plugin (https://docs.docker.com/compose/install/)",
    ), None


def image_checks(settings: StackSettings, *, compose: tuple[str, ...]) -> Iterator[Check]:
    """Check that Compose can read the stack, and which of its images are there."""
    said = ask(*(*compose, "-f", settings.compose_file.name, "config"), folder=settings.folder)
    if not said.succeeded:
        yield Check(
            name="stack",
            status="problem",
            says=f"{settings.compose_file.name}: {said.last_words}",
            advice="correct .env or the file",
        )
        return
    yield Check(name="stack", status="ok", says=f"{settings.compose_file.name} can be read")
    images = sorted(set(_IMAGE.findall(said.output)))
    missing = [name for name in images if not ask("docker", "image", "inspect", name).succeeded]
    if not missing:
        yield Check(name="images", status="ok", says=f"all {len(images)} are there")
        return
    yield Check(
        name="images",
        status="warning",
        says=f"not here yet: {', '.join(missing)}",
        advice="pulled or built when first needed, which takes a while and many GB",
    )


def publishes(port: int) -> str | None:
    """The Compose service whose container publishes ``port``; None if none does."""
    label = '{{.Label "com.docker.compose.service"}}'
    said = ask("docker", "ps", "--filter", f"publish={port}", "--format", label)
    return said.output.strip() or None if said.succeeded else None


def _read_info(text: str) -> dict[str, Any]:
    try:
        info = json.loads(text)
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def _no_daemon(said: Said, info: Mapping[str, Any]) -> Check:
    if not said.found:
        return Check(
            name="Docker", status="problem", says="no command docker", advice=_INSTALL_DOCKER
        )
    errors = info.get("ServerErrors") or [said.last_words]
    reason = str(errors[0])
    denied = "permission denied" in reason.lower()
    return Check(
        name="Docker",
        status="problem",
        says=reason,
        advice="add yourself to the group docker and log in again: sudo usermod -aG docker $USER"
        if denied
        else "start it: sudo systemctl start docker",
    )


def _version(text: str) -> tuple[int, int]:
    numbers = re.findall(r"\d+", text)[:2]
    return (int(numbers[0]), int(numbers[1])) if len(numbers) == 2 else (0, 0)
