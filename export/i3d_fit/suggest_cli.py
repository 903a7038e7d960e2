"""The command ``i3d suggest``."""

from __future__ import annotations

from pathlib import Path

import click

from i3d_client.errors import InputError

_SHOWN = 10
_SUFFIX = ".boris"
_DEFAULT_NAME = "suggestions.boris"


@click.command()
@click.argument("results", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--count",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Stretches at most, of all recordings together.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The BORIS project; a table with the suffix .csv lies beside it.  "
    "[default: RESULTS/suggestions.boris]",
)
@click.option(
    "--videos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the videos are now, if they have moved.",
)
def suggest(results: Path, count: int, out: Path | None, videos: Path | None) -> None:
    """Choose what to annotate next: the stretches of which a model is least sure.

    RESULTS is the folder of a recording, or of all recordings, as i3d classify wrote it with any
    model. The stretches are marked in a BORIS project that opens with the videos; annotate them
    there and give the project to i3d fit --annotations.
    """
    from i3d_fit.suggest import lines_of, suggest_from_results

    out = out or results / _DEFAULT_NAME
    if out.suffix != _SUFFIX:
        raise InputError(f"--out {out}: expected a name that ends in {_SUFFIX}, as BORIS's do")
    found, out = suggest_from_results(results, out=out, count=count, videos=videos)
    for line in lines_of(found, most=_SHOWN):
        click.echo(line)
    if len(found) > _SHOWN:
        click.echo(f"and {len(found) - _SHOWN} more")
    click.echo(f"→ {out}")
    click.echo(f"→ {out.with_suffix('.csv')}")
