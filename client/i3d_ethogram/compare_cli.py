"""The command ``i3d compare``."""

from __future__ import annotations

from pathlib import Path

import click

from i3d_client.errors import ResultError


@click.command()
@click.argument("result", type=click.Path(path_type=Path))
@click.argument("annotation", type=click.Path(path_type=Path))
def compare(result: Path, annotation: Path) -> None:
    """Compare a RESULT with what a person annotated."""
    raise ResultError(f"{result}, {annotation}: comparing them is not possible yet")
