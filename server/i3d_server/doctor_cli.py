"""The command ``i3d doctor``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click


@click.command()
@click.option(
    "--gpu/--cpu",
    default=True,
    help="The stack of docker-compose.yml or of docker-compose.cpu.yml [default: --gpu]",
)
@click.option("--release", help="Of Triton, YY.MM [default: TRITON_RELEASE of the stack]")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Where the Compose files are [default: this folder]",
)
@click.option("--json", "as_json", is_flag=True, help="A list of checks, for other programs.")
def doctor(gpu: bool, release: str | None, folder: Path, as_json: bool) -> None:
    """Check that this host can start the lab server, and say what to do where it cannot.

    Changes nothing. The exit status is 1 if there is a problem.
    """
    from i3d_server.doctor import examine_host
    from i3d_server.doctor_settings import read_settings

    checks = examine_host(read_settings(folder=folder, gpu=gpu, release=release))
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], ensure_ascii=False, indent=2))
    else:
        for check in checks:
            click.echo(str(check))
    if any(check.status == "problem" for check in checks):
        raise SystemExit(1)
