"""``i3d report``: bouts, hours, pictures and a page of what has been classified."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i3d_ethogram.finite_float import MOMENT_S

if TYPE_CHECKING:
    from i3d_ethogram.report import Format


@click.command()
@click.argument("out", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--recorded-at",
    metavar="WHEN",
    help="When the recording began, such as 2026-11-25T08:00, or how to read it from the files' "
    "names, such as '%Y-%m-%d_%H-%M-%S' [default: what i3d classify was told]",
)
@click.option(
    "--metadata",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table (CSV) of the animals: a column 'recording' or 'animal', and any others.",
)
@click.option(
    "--forget",
    is_flag=True,
    help="Leave out --recorded-at and --metadata of earlier reports, which hold unless given anew.",
)
@click.option("--title", help="Of report.html.")
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["parquet", "nwb", "deepethogram", "boris-project"]),
    help="Write this too; may be given several times.",
)
@click.option("--overlay", is_flag=True, help="Write a video with the labels in it, for review.")
@click.option(
    "--overlay-time",
    nargs=2,
    type=MOMENT_S,
    metavar="START STOP",
    help="Of the overlay, only what is shown in these seconds of the recording.",
)
@click.option(
    "--videos",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Where the videos are now, if they have moved.",
)
@click.option(
    "--smoothing",
    type=click.Choice(["authors"]),
    help="The rules of the paper's authors: bouts of 3 frames or fewer, and rest of 150 or fewer, "
    "become part of the bout before.",
)
@click.option("--median-frames", type=click.IntRange(min=3), help="Median filter; an odd number.")
@click.option(
    "--merge-bouts",
    multiple=True,
    metavar="[LABEL=]FRAMES",
    help="Bouts of so many frames or fewer become part of the bout before.",
)
@click.option(
    "--minimum-bout",
    multiple=True,
    metavar="[LABEL=]SECONDS",
    help="Bouts that last less become part of a neighbour.",
)
@click.option(
    "--hysteresis",
    nargs=2,
    type=click.FloatRange(0, 1),
    metavar="ENTER LEAVE",
    help="A label holds until its probability falls below LEAVE or another, the most probable, "
    "reaches ENTER.",
)
def report(
    out: Path,
    recorded_at: str | None,
    metadata: Path | None,
    forget: bool,
    title: str | None,
    formats: tuple[Format, ...],
    overlay: bool,
    overlay_time: tuple[float, float] | None,
    videos: Path | None,
    smoothing: str | None,
    median_frames: int | None,
    merge_bouts: tuple[str, ...],
    minimum_bout: tuple[str, ...],
    hysteresis: tuple[float, float] | None,
) -> None:
    """Make bouts, hours, pictures and report.html of what is classified in OUT.

    It needs neither server nor video, and may be repeated with other options: what i3d classify
    wrote is not changed by it. Smoothing is off unless asked for, never reaches across unscored
    frames, and is named in all that it changes.
    """
    from i3d_ethogram.report import ReportOptions, write_reports
    from i3d_ethogram.smoothing_options import chosen_smoothing

    options = ReportOptions(
        recorded_at=recorded_at,
        metadata=metadata,
        forget=forget,
        title=title,
        formats=tuple(dict.fromkeys(formats)),
        overlay=overlay or overlay_time is not None,
        overlay_start_s=None if overlay_time is None else overlay_time[0],
        overlay_stop_s=None if overlay_time is None else overlay_time[1],
        videos=videos,
        smoothing=chosen_smoothing(
            preset=smoothing,
            median_frames=median_frames,
            merge_bouts=merge_bouts,
            minimum_bout=minimum_bout,
            hysteresis=hysteresis,
        ),
    )
    whole = write_reports(out, options=options, say=lambda text: click.echo(text, err=True))
    sys.exit(0 if whole else 1)
