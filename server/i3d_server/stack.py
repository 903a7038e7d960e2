"""The containers of a lab server, as the Docker daemon sees them.

They are found by the label that Compose, v1 and v2, gives each: the folder it was run in.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import docker.errors

from i3d_server.errors import StackError

_FOLDER = "com.docker.compose.project.working_dir"
_SERVICE = "com.docker.compose.service"
_ONE_OFF = "com.docker.compose.oneoff"
_GATEWAY_PORT = "8443/tcp"
# In the order in which they start.
ORDER = ("plans", "prepare", "triton", "verify", "gateway", "exporter", "prometheus", "grafana")
_SERVERS = ("triton", "gateway")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service's container.

    Attributes:
        name: of the service.
        status: Docker's: ``created``, ``running``, ``restarting``, ``exited``, ``dead``.
        health: ``healthy``, ``starting``, ``unhealthy``; None where there is no health check.
        exit_code: of its last end.
        restarts: how often Docker has started it again by itself.
        container: its id.
    """

    name: str
    status: str
    health: str | None
    exit_code: int
    restarts: int
    container: str

    @property
    def ready(self) -> bool:
        """Whether it does what it is for, or has done it."""
        if self.status == "exited":
            return self.name not in _SERVERS and self.exit_code == 0
        return self.status == "running" and self.health in (None, "healthy")

    @property
    def failed(self) -> bool:
        """Whether it will not become ready by waiting."""
        ended = self.status in ("exited", "dead") and (self.exit_code != 0 or not self.ready)
        return ended or self.health == "unhealthy"

    def __str__(self) -> str:
        if self.status == "exited":
            return "done" if self.ready else f"ended, exit status {self.exit_code}"
        return (self.status == "running" and self.health) or self.status


class Stack:
    """The lab server of one folder."""

    def __init__(self, client: Any, folder: Path) -> None:
        self._client = client
        self._folder = folder.resolve()

    def services(self) -> list[Service]:
        """Return what there is, in the order in which it starts."""
        found = [_service(container) for container in self._containers()]
        known = {name: place for place, name in enumerate(ORDER)}
        return sorted(found, key=lambda service: known.get(service.name, len(known)))

    def log(self, service: Service, *, lines: int) -> str:
        """Return the last lines of a service's log."""
        container = self._client.containers.get(service.container)
        return str(container.logs(tail=lines).decode("utf-8", "replace"))

    def gateway_address(self) -> str | None:
        """Return ``ADDRESS:PORT`` where the gateway is published on this host."""
        for container in self._containers():
            if container.labels[_SERVICE] == "gateway":
                published = container.attrs["NetworkSettings"]["Ports"].get(_GATEWAY_PORT) or []
                for place in published:
                    return f"{place['HostIp']}:{place['HostPort']}"
        return None

    def labs_folder(self) -> Path | None:
        """Return the labs' folder that the gateway was started with."""
        for container in self._containers():
            if container.labels[_SERVICE] == "gateway":
                for mount in container.attrs["Mounts"]:
                    if mount["Destination"] == "/labs":
                        return Path(mount["Source"]).parent
        return None

    def _containers(self) -> list[Any]:
        labels = [f"{_FOLDER}={self._folder}"]
        found = []
        with contextlib.suppress(docker.errors.NotFound):  # one that has gone meanwhile
            found = self._client.containers.list(all=True, filters={"label": labels})
        return [c for c in found if c.labels.get(_ONE_OFF, "False") != "True"]


@contextlib.contextmanager
def opened_stack(folder: Path) -> Iterator[Stack]:
    """Connect to the Docker daemon.

    Raises:
        StackError: none answers.
    """
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        raise StackError(_unreachable(error)) from error
    with contextlib.closing(client):
        try:
            client.ping()
        except (docker.errors.DockerException, OSError) as error:
            raise StackError(_unreachable(error)) from error
        yield Stack(client, folder)


def _unreachable(error: BaseException) -> str:
    if "Permission denied" in str(error):
        return (
            "this user may not talk to Docker. Join its group (sudo usermod -aG docker $USER, then "
            "log in again), or run this as root"
        )
    return (
        f"no Docker daemon answers ({error}). Start it (sudo systemctl start docker), or name "
        "another one in DOCKER_HOST"
    )


def _service(container: Any) -> Service:
    state = container.attrs["State"]
    health = state.get("Health", {}).get("Status")
    return Service(
        name=container.labels[_SERVICE],
        status=state["Status"],
        health=None if health in (None, "none", "") else health,
        exit_code=int(state.get("ExitCode", 0)),
        restarts=int(container.attrs.get("RestartCount", 0)),
        container=container.id,
    )
