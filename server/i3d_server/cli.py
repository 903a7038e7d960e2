"""The command ``i3d serve``."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from i3d_server.launcher import ServedRepository

_PORT = click.IntRange(1, 65535)


@click.command()
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Folder that holds one folder a model.",
)
@click.option(
    "--port", type=_PORT, default=8001, show_default=True, help="gRPC, which the client uses."
)
@click.option("--http-port", type=_PORT, default=8000, show_default=True, help="HTTP/REST.")
@click.option(
    "--metrics-port", type=_PORT, default=8002, show_default=True, help="Prometheus metrics."
)
@click.option("--models", help="Comma-separated names; all complete models if not given.")
@click.option("--verbose", is_flag=True, help="Show Triton's own log.")
def serve(
    repository: Path,
    port: int,
    http_port: int,
    metrics_port: int,
    models: str | None,
    verbose: bool,
) -> None:
    """Serve the model repository with the real Triton on this machine, without Docker."""
    from i3d_server.launcher import serving
    from i3d_server.region_sweep import sweeping_regions
    from i3d_server.triton_process import Ports

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ports = Ports(grpc=port, http=http_port, metrics=metrics_port)
    names = None if models is None else [name.strip() for name in models.split(",")]
    try:
        with serving(repository, ports=ports, models=names, verbose=verbose) as served:
            click.echo(_summary(served))
            with sweeping_regions(served.triton.address):
                served.triton.wait()
    except KeyboardInterrupt:
        click.echo("stopped")


def _summary(served: ServedRepository) -> str:
    ports, view = served.triton.ports, served.view
    lines = [f"serving {line}" for line in served.descriptions()]
    lines += [f"skipped {model}" for model in view.skipped]
    lines += [f"{service:<8}127.0.0.1:{port}" for service, port in ports.services()]
    return "\n".join([*lines, "Ctrl-C stops"])
