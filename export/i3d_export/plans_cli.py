"""The command ``i3d plans``."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import click

from i3d_client.errors import MissingExtraError
from i3d_export.cli_options import repository_option

DEFAULT_RELEASE = "26.08"


@click.command()
@repository_option
@click.option("--models", help="Names, separated by commas.  [default: all that were exported]")
@click.option(
    "--workspace-gib",
    type=click.FloatRange(min=0, min_open=True),
    help="GPU memory for a layer's scratch space, at most.  [default: all there is]",
)
@click.option(
    "--version-compatible", is_flag=True, help="Plans that load in later TensorRT releases too."
)
@click.option("--hardware-compatible", is_flag=True, help="Plans for every GPU from Ampere on.")
@click.option("--check", is_flag=True, help="Build nothing; say what is missing or stale.")
@click.option("--docker", is_flag=True, help="Build in NVIDIA's TensorRT container.")
@click.option(
    "--release",
    help=f"Of the container; Triton's must be the same.  [default: {DEFAULT_RELEASE}]",
)
def plans(
    repository: Path,
    models: str | None,
    workspace_gib: float | None,
    version_compatible: bool,
    hardware_compatible: bool,
    check: bool,
    docker: bool,
    release: str | None,
) -> None:
    """Build the TensorRT plans that are missing or stale, on this machine's GPU.

    A plan fits the GPU and the TensorRT release that built it, so it is built where it will be
    served, and again when either changes.
    """
    from i3d_export.plan_stamp import PlanOptions
    from i3d_export.plans_in_container import PlansRequest, run_plans, split_names

    if release and not docker:
        raise click.UsageError("--release is of the container: add --docker")
    request = PlansRequest(
        repository=repository,
        models=split_names(models),
        options=PlanOptions(
            workspace_gib=workspace_gib,
            version_compatible=version_compatible,
            hardware_compatible=hardware_compatible,
        ),
        check_only=check,
    )
    if not docker:
        sys.exit(run_plans(request, echo=click.echo))
    if find_spec("docker") is None:
        raise MissingExtraError("docker", needed_for="i3d plans --docker")
    from i3d_export.plans_docker import run_plans_in_docker

    chosen = release or DEFAULT_RELEASE
    sys.exit(run_plans_in_docker(request, release=chosen, echo=click.echo))
