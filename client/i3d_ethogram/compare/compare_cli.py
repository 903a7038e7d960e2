"""The command ``i3d compare``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from i3d_ethogram.finite_float import MOMENT_S, FiniteFloat


@click.command()
@click.argument("result", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument(
    "annotations",
    metavar="ANNOTATION...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
)
@click.option(
    "--map",
    "names",
    multiple=True,
    metavar="ANNOTATED=LABEL",
    help="The model's label for a behaviour that was annotated by another name; may be given "
    "several times. ANNOTATED= leaves it out.",
)
@click.option(
    "--tolerance",
    type=FiniteFloat(min=0, max=3600),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="How much the beginnings of two bouts may differ.",
)
@click.option(
    "--offset",
    type=FiniteFloat(-1e6, 1e6),
    default=0.0,
    metavar="SECONDS",
    help="Add this to the annotation's times.",
)
@click.option("--start", type=MOMENT_S, metavar="SECONDS", help="Leave out what comes before.")
@click.option("--stop", type=MOMENT_S, metavar="SECONDS", help="Leave out what comes after.")
@click.option(
    "--others",
    is_flag=True,
    help="What is not annotated is a behaviour too, and so is every label that the annotation does "
    "not have: for annotations of a few behaviours.",
)
@click.option("--observation", metavar="NAME", help="Of a BORIS file: this one alone.")
@click.option("--subject", metavar="NAME", help="Of a BORIS file: this one's events alone.")
@click.option(
    "--smoothing",
    type=click.Choice(["authors"]),
    help="Smooth the model's labels by the rules of the paper's authors, as in i3d report.",
)
@click.option("--median-frames", type=click.IntRange(min=3), help="As in i3d report.")
@click.option("--merge-bouts", multiple=True, metavar="[LABEL=]FRAMES", help="As in i3d report.")
@click.option("--minimum-bout", multiple=True, metavar="[LABEL=]SECONDS", help="As in i3d report.")
@click.option(
    "--hysteresis",
    nargs=2,
    type=click.FloatRange(0, 1),
    metavar="ENTER LEAVE",
    help="As in i3d report.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write agreement.csv, agreement_labels.csv, confusion.csv and agreement.png there.",
)
def compare(
    result: Path,
    annotations: tuple[Path, ...],
    names: tuple[str, ...],
    tolerance: float,
    offset: float,
    start: float | None,
    stop: float | None,
    others: bool,
    observation: str | None,
    subject: str | None,
    smoothing: str | None,
    median_frames: int | None,
    merge_bouts: tuple[str, ...],
    minimum_bout: tuple[str, ...],
    hysteresis: tuple[float, float] | None,
    out: Path | None,
) -> None:
    """Say how well RESULT agrees with what people annotated.

    RESULT is the folder of a recording, or of all recordings, as i3d classify wrote it. An
    ANNOTATION is an export or a project of BORIS, labels of DeepEthogram, a table of intervals
    (start_s, stop_s, label; video, if of several) or of frames (frame, label). Of several
    annotations of one recording, people are compared with each other too. It is an error if no
    frame at all could be compared.
    """
    from i3d_ethogram.annotations.annotation_boris import Chosen
    from i3d_ethogram.compare.compare_view import print_comparison
    from i3d_ethogram.compare.comparing import compare_results
    from i3d_ethogram.compare.comparison import CompareOptions, Comparison
    from i3d_ethogram.compare.comparison_notes import Note
    from i3d_ethogram.smoothing_options import chosen_smoothing

    options = CompareOptions(
        names=_names(names),
        tolerance_us=round(tolerance * 1e6),
        offset_us=round(offset * 1e6),
        start_us=None if start is None else round(start * 1e6),
        stop_us=None if stop is None else round(stop * 1e6),
        others=others,
        chosen=Chosen(observation=observation, subject=subject),
        smoothing=chosen_smoothing(
            preset=smoothing,
            median_frames=median_frames,
            merge_bouts=merge_bouts,
            minimum_bout=minimum_bout,
            hysteresis=hysteresis,
        ),
    )
    found = list(compare_results(result, annotations, options=options))
    comparisons = [item for item in found if isinstance(item, Comparison)]
    notes = [item for item in found if isinstance(item, Note)]
    print_comparison(comparisons, notes, options=options)
    if out is not None:
        from i3d_ethogram.compare.agreement_picture import write_agreement_picture
        from i3d_ethogram.compare.compare_files import write_comparison

        write_comparison(out, comparisons, options=options)
        write_agreement_picture(out, comparisons)
        click.echo(f"→ {out}")
    if not any(comparison.agreement.account.compared for comparison in comparisons):
        click.echo(
            "error: no frame could be compared: expected one that has a label in both. See the "
            "notes above; --offset moves the annotation, --map names its behaviours, --others "
            "takes what is not annotated as a behaviour",
            err=True,
        )
        sys.exit(1)


def _names(given: tuple[str, ...]) -> dict[str, str]:
    names = {}
    for text in given:
        name, sign, label = text.partition("=")
        if not sign or not name:
            raise click.UsageError(f"--map {text}: expected ANNOTATED=LABEL")
        names[name.strip()] = label.strip()
    return names
