"""The commands ``i3d server up``, ``down``, ``status`` and ``logs``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from i3d_server.stack_start import RunningStack

_PROFILES = ("--profile", "monitoring", "--profile", "export")


def _stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    project = click.option(
        "--project",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        help="The project's folder, with the compose files.  [default: this one]",
    )
    cpu = click.option("--cpu", is_flag=True, help="The stack without a GPU.")
    return project(cpu(command))


@click.group()
def server() -> None:
    """Start and stop the lab server: Triton and its gateway in Docker, for several labs."""


@server.command()
@_stack_options
@click.option("--monitoring", is_flag=True, help="With Prometheus and Grafana.")
@click.option("--no-build", is_flag=True, help="Take the project's images as they are.")
@click.option("--timeout", type=click.FloatRange(min=1), default=1800.0, show_default=True)
def up(project: Path, cpu: bool, monitoring: bool, no_build: bool, timeout: float) -> None:
    """Start it, wait until the models are ready, and say what labs need."""
    _require_docker_extra()
    from i3d_server.compose import lab_server_compose
    from i3d_server.stack import opened_stack
    from i3d_server.stack_start import start_stack

    with opened_stack(project) as stack:
        compose = lab_server_compose(project, cpu=cpu)
        running = start_stack(
            compose,
            stack,
            monitoring=monitoring,
            build=not no_build,
            timeout_s=timeout,
            echo=lambda line: click.echo(line, err=True),
        )
    click.echo(_summary(running))


@server.command()
@_stack_options
def down(project: Path, cpu: bool) -> None:
    """Stop it. Certificates, logs, models and what Prometheus stored stay."""
    _require_docker_extra()
    from i3d_server.compose import lab_server_compose

    sys.exit(lab_server_compose(project, cpu=cpu).run(*_PROFILES, "down"))


@server.command()
@_stack_options
def status(project: Path, cpu: bool) -> None:  # noqa: ARG001 - one option for all commands
    """Say how each service is; the exit status is 0 if labs can use the server."""
    _require_docker_extra()
    from i3d_server.stack import opened_stack
    from i3d_server.stack_start import running_stack

    with opened_stack(project) as stack:
        for service in stack.services():
            more = f", started again {service.restarts} times" if service.restarts else ""
            click.echo(f"{service.name:<12}{service}{more}")
        click.echo(_summary(running_stack(stack)))
        sys.exit(0 if all(service.ready for service in stack.services()) else 1)


@server.command()
@_stack_options
@click.argument("services", nargs=-1)
@click.option("--lines", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C.")
def logs(project: Path, cpu: bool, services: tuple[str, ...], lines: int, follow: bool) -> None:
    """Show the logs of SERVICES; of all if none is named."""
    _require_docker_extra()
    if follow:
        from i3d_server.compose import lab_server_compose

        compose = lab_server_compose(project, cpu=cpu)
        sys.exit(compose.run(*_PROFILES, "logs", "--follow", f"--tail={lines}", *services))
    from i3d_server.stack import opened_stack

    with opened_stack(project) as stack:
        for service in stack.services():
            if not services or service.name in services:
                click.echo(f"== {service.name} ({service})")
                click.echo(stack.log(service, lines=lines).rstrip())


def _summary(running: RunningStack) -> str:
    return "\n".join(
        [
            *running.models,
            f"address      {running.address}",
            f"fingerprint  {running.fingerprint}",
            f"labs         {running.labs}: i3d labs add NAME --labs {running.labs}",
        ]
    )


def _require_docker_extra() -> None:
    if find_spec("docker") is None:
        raise MissingExtraError("docker", needed_for="i3d server")
