"""The command ``i3d export``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from i3d_export.stage_cache import StageResult

NEEDED = (
    "onnx",
    "onnxruntime",
    "openvino",
    "platformdirs",
    "pypi_simple",
    "tensorflow",
    "tf2onnx",
)


@click.command()
@click.argument("profile")
@click.option(
    "--repository",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Triton's model repository.",
)
@click.option("--stride", type=int, help="Frames between windows.  [default: the profile's]")
@click.option("--windows", type=int, help="Windows a request carries.  [default: the profile's]")
@click.option("--name", help="The model's name before its precision.  [default: the profile's]")
@click.option(
    "--checkpoint",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Weights from a file.  [default: the published ones, fetched once]",
)
def export(
    profile: str,
    repository: Path,
    stride: int | None,
    windows: int | None,
    name: str | None,
    checkpoint: Path | None,
) -> None:
    """Export a network into the Triton model repository.

    PROFILE is the name of a shipped profile, such as kinetics400, or a TOML file. Every stage is
    checked against the one before it, and none is computed twice.
    """
    if any(find_spec(package) is None for package in NEEDED):
        raise MissingExtraError("export", needed_for="i3d export")
    from i3d_export.export import export_model

    model = export_model(
        profile=profile,
        repository=repository,
        stride=stride,
        windows=windows,
        name=name,
        checkpoint=checkpoint,
        on_stage=_print_stage,
    )
    click.echo(f"{model.name} is in {model.folder}")
    chosen = "" if repository == Path("model_repository") else f" --repository {repository}"
    click.echo(f"serve it: i3d serve{chosen}")


def _print_stage(stage: StageResult) -> None:
    spent = "from the cache" if stage.reused else f"{stage.duration_s:.1f} s"
    line = f"{stage.name:<10}{spent:>15}"
    if "largest_difference" in stage.figures:
        figures = stage.figures
        line += (
            f"   {figures['candidate']} against {figures['reference']}: logits within "
            f"{figures['largest_difference']:.1e} (allowed {figures['limit']:.1e})"
        )
    click.echo(line)
