"""Start a lab server and wait until labs can use it, or say what keeps it from starting."""

from __future__ import annotations

import hashlib
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i3d_server.compose import Compose
from i3d_server.errors import StackError
from i3d_server.stack import Service, Stack
from i3d_server.triton_log import failed_models

_POLL_S = 1.0
_RESTARTS = 2
_LOG_LINES, _MANY_LINES = 25, 1000
_HANDSHAKE_S = 5.0

Echo = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class RunningStack:
    """What labs need to know.

    Attributes:
        address: ``ADDRESS:PORT`` where the gateway is published on this host.
        labs: the labs' folder.
        fingerprint: SHA-256 of the authority's certificate, ``AB:CD:…``.
        models: lines of what is served and what is not.
    """

    address: str
    labs: Path
    fingerprint: str
    models: tuple[str, ...]


def start_stack(
    compose: Compose,
    stack: Stack,
    *,
    monitoring: bool = False,
    build: bool = True,
    timeout_s: float = 1800.0,
    echo: Echo,
) -> RunningStack:
    """Build the images, start every service in turn, and wait until the gateway answers.

    Args:
        compose: with the stack's file.
        stack: the same one, at the Docker daemon.
        monitoring: start Prometheus and Grafana too.
        build: build the project's images first; False takes those there are.
        timeout_s: for all of it.
        echo: takes a line whenever a service's state changes.

    Raises:
        StackError: a service failed; the message ends with the last lines of its log.
    """
    deadline = time.monotonic() + timeout_s
    watched = _Watch(stack, echo)
    profile = ("--profile", "monitoring") if monitoring else ()
    options = ("--build",) if build else ()
    with compose.start(*profile, "up", "--detach", *options) as process:
        try:
            while process.poll() is None:
                watched.look()
                _require_time(deadline, stack)
                time.sleep(_POLL_S)
        finally:
            _end(process)
    if process.returncode != 0:
        raise StackError(_what_failed(stack, process.returncode))
    while not watched.look():
        _require_time(deadline, stack)
        time.sleep(_POLL_S)
    return running_stack(stack)


def running_stack(stack: Stack) -> RunningStack:
    """Describe a stack whose gateway answers.

    Raises:
        StackError: it does not.
    """
    address, labs = stack.gateway_address(), stack.labs_folder()
    if address is None or labs is None:
        raise StackError("the gateway does not run: i3d server up")
    authority = labs / "gateway" / "ca.crt"
    _shake_hands(address, authority)
    der = ssl.PEM_cert_to_DER_cert(authority.read_text())
    models: list[str] = []
    for service in stack.services():
        if service.name == "prepare":
            said = stack.log(service, lines=100).splitlines()
            models = [line for line in said if line.startswith(("serving ", "skipped "))]
    return RunningStack(
        address=address,
        labs=labs,
        fingerprint=hashlib.sha256(der).digest().hex(":").upper(),
        models=tuple(dict.fromkeys(models)),
    )


class _Watch:
    """Says what changes, and ends the wait for what will never be ready."""

    def __init__(self, stack: Stack, echo: Echo) -> None:
        self._stack = stack
        self._echo = echo
        self._said: dict[str, str] = {}
        self._restarts = {s.container: s.restarts for s in stack.services()}

    def look(self) -> bool:
        """Return whether every service is ready.

        Raises:
            StackError: one starts again and again.
        """
        services = self._stack.services()
        for service in services:
            if service.status != "created" and self._said.get(service.name) != str(service):
                self._said[service.name] = str(service)
                self._echo(f"{service.name}: {service}")
            begun = self._restarts.setdefault(service.container, 0)
            if service.restarts - begun >= _RESTARTS:
                raise StackError(_failure(self._stack, service))
        return bool(services) and all(service.ready for service in services)


def _what_failed(stack: Stack, status: int) -> str:
    services = stack.services()
    failed = [service for service in services if service.failed]
    # Compose gives up on a container in the moment in which it has died and is started again.
    dying = [service for service in services if service.restarts or service.status == "restarting"]
    failed += [service for service in dying if not service.ready]
    if not failed:
        return f"Docker Compose ended with exit status {status}; it says why above"
    return _failure(stack, failed[0])


def _failure(stack: Stack, service: Service) -> str:
    again = service.status != "exited" and not service.ready
    more = "; Docker starts it again and again, until `i3d server down`" if again else ""
    return f"{service.name} failed ({service}){more}. {_last_words(stack, service)}"


def _last_words(stack: Stack, service: Service) -> str:
    if service.name == "triton":
        # Its last lines are tables: the reasons come before them.
        reasons = failed_models(stack.log(service, lines=_MANY_LINES))
        if reasons:
            return "\n".join(f"{model}: {reason}" for model, reason in reasons.items())
    log = stack.log(service, lines=_LOG_LINES).rstrip()
    return f"The end of its log:\n{log}" if log else "Its log is empty"


def _require_time(deadline: float, stack: Stack) -> None:
    if time.monotonic() < deadline:
        return
    waiting = [f"{service.name} ({service})" for service in stack.services() if not service.ready]
    raise StackError(
        f"not ready in time: {', '.join(waiting) or 'nothing was started'}. Look at its log "
        "(i3d server logs), or give it longer (--timeout SECONDS)"
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _shake_hands(address: str, authority: Path) -> None:
    """See that what listens there has a certificate of this authority."""
    host, _, port = address.rpartition(":")
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - compared only
    context = ssl.create_default_context(cafile=str(authority))
    context.check_hostname = False  # the authority is this server's own
    try:
        with (
            socket.create_connection((host, int(port)), timeout=_HANDSHAKE_S) as plain,
            context.wrap_socket(plain),
        ):
            pass
    except OSError as error:
        raise StackError(
            f"the gateway at {address} does not answer as it should: {error}. Its log: "
            "i3d server logs gateway"
        ) from error
