"""The command ``i3d fit``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from i3d_client.errors import InputError, MissingExtraError
from i3d_client.options import usable_cores
from i3d_export.cli_options import engines_option, repository_option
from i3d_export.many_values import ManyValuesCommand

if TYPE_CHECKING:
    from i3d_export.precision import Precision
    from i3d_export.quantisation import Engine
    from i3d_fit.groups import GroupBy

_NEEDED = ("jinja2", "matplotlib", "scipy", "sklearn")


@click.command(cls=ManyValuesCommand)
@click.option(
    "--videos",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path),
    help="Files, folders, and .txt lists of paths. Those without annotations are only looked "
    "through for what to annotate next.",
)
@click.option(
    "--annotations",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Exports or projects of BORIS, labels of DeepEthogram, tables of intervals (video, "
    "start_s, stop_s, label) or of frames (frame, label).",
)
@click.option(
    "--out",
    required=True,
    metavar="NAME|PROFILE.toml",
    type=click.Path(path_type=Path),
    help="What the behaviours are called: NAME.toml, NAME.head.npz and the folder NAME are "
    "written, and the models are NAME_fp32, ….",
)
@click.option(
    "--profile",
    default="homecage9",
    show_default=True,
    help="Whose geometry the network has: a shipped profile or a TOML file.",
)
@click.option(
    "--labels",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Behaviours, one a line, in the order of the outputs.  [default: all that are annotated]",
)
@click.option(
    "--rename",
    "renamed",
    multiple=True,
    metavar="ANNOTATED=LABEL",
    help="Take a behaviour as a label of another name; ANNOTATED= leaves it out.",
)
@click.option(
    "--background",
    metavar="LABEL",
    help="Make a class of what is annotated as none of the behaviours, between the first and the "
    "last of a video.",
)
@click.option(
    "--metadata",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table (CSV) of the animals: a column 'recording' or 'animal', and any others.",
)
@click.option(
    "--group-by",
    type=click.Choice(["video", "animal"]),
    help="What is never both trained on and tested.  [default: animals, if --metadata knows them]",
)
@click.option("--observation", metavar="NAME", help="Of a BORIS file: this one alone.")
@click.option("--subject", metavar="NAME", help="Of a BORIS file: this one's events alone.")
@click.option(
    "--stride",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Frames between the windows whose features are computed.",
)
@click.option(
    "--features-precision",
    type=click.Choice(["int8", "fp32"]),
    default="int8",
    show_default=True,
    help="What features are computed in: fp32 takes three times as long or more.",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    type=click.Choice(["fp32", "fp16", "int8"]),
    default=["fp32", "int8"],
    show_default=True,
    help="Of the models to export: one or several.",
)
@engines_option
@click.option(
    "--served-stride",
    type=click.IntRange(1),
    help="Frames between windows of the models.  [default: the profile's]",
)
@repository_option
@click.option(
    "--server",
    help="HOST:PORT of a server that computes the features.  [default: one is started here]",
)
@click.option(
    "--credentials",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="What whoever runs a lab server handed over.",
)
@click.option("--model", help="Of --server: whose features.  [default: the only one there is]")
@click.option(
    "--fine-tune",
    metavar="BLOCKS",
    type=click.IntRange(1, 9),
    help="Train the last BLOCKS Inception blocks of the network too (1 to 9), for who has a GPU.",
)
@click.option(
    "--context",
    type=click.IntRange(1, 10_000),
    metavar="FRAMES",
    help="Also train a head that sees this many frames around a window, NAME.temporal.npz, for "
    "i3d classify --temporal-head; 64 is the authors'.",
)
@click.option("--epochs", type=click.IntRange(1), help="Of --fine-tune.  [default: 10]")
@click.option("--no-export", is_flag=True, help="Fit and report, and export no model.")
@click.option("--force", is_flag=True, help="Place a precision that the gate refuses.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes that decode.  [default: the cores this process may use]",
)
@click.option(
    "--features-anew", is_flag=True, help="Compute features again, though they are there."
)
@click.option("--overwrite", is_flag=True, help="Replace a profile that no fit wrote.")
def fit(
    videos: tuple[Path, ...],
    annotations: tuple[Path, ...],
    out: Path,
    profile: str,
    labels: Path | None,
    renamed: tuple[str, ...],
    background: str | None,
    metadata: Path | None,
    group_by: GroupBy | None,
    observation: str | None,
    subject: str | None,
    stride: int,
    features_precision: Precision,
    precisions: tuple[Precision, ...],
    engines: tuple[Engine, ...],
    served_stride: int | None,
    repository: Path,
    server: str | None,
    credentials: Path | None,
    model: str | None,
    fine_tune: int | None,
    context: int | None,
    epochs: int | None,
    no_export: bool,
    force: bool,
    workers: int | None,
    features_anew: bool,
    overwrite: bool,
) -> None:
    """Make a model of your own behaviours from annotated videos.

    The published network gives the features, your annotations the behaviours: a last layer is
    trained, tested on videos or animals that it has not seen, and exported at each precision.
    NAME/report.html says how good it is and what to annotate next. Features are kept: a second fit
    takes seconds, until models are exported.
    """
    _require(export=not no_export or fine_tune is not None, embedded=not (server or credentials))
    if model and not (server or credentials):
        raise click.UsageError("--model: is one of a server; name that with --server")
    if epochs and fine_tune is None:
        raise click.UsageError("--epochs: are those of --fine-tune")
    if context and fine_tune is not None:
        raise click.UsageError(
            "--context: its head is for the published network's features; leave --fine-tune out"
        )
    from i3d_client.access import find_access
    from i3d_ethogram.annotations.annotation_boris import Chosen
    from i3d_export.cli import print_judged
    from i3d_fit.fit import Told
    from i3d_fit.fit import fit as run_fit
    from i3d_fit.fit_options import DEFAULT_EPOCHS, FitOptions, fit_files, read_labels
    from i3d_fit.fit_view import FitView

    view = FitView()
    options = FitOptions(
        files=fit_files(out),
        videos=videos,
        annotations=tuple(dict.fromkeys(annotations)),
        profile=profile,
        labels=None if labels is None else read_labels(labels),
        names=_names(renamed),
        background=background,
        metadata=metadata,
        group_by=group_by,
        chosen=Chosen(observation=observation, subject=subject),
        stride=stride,
        features_precision=features_precision,
        precisions=tuple(dict.fromkeys(precisions)),
        engines=tuple(dict.fromkeys(engines)),
        served_stride=served_stride,
        repository=repository,
        access=find_access(server=server, credentials=credentials)
        if server or credentials
        else None,
        model=model,
        fine_tune=fine_tune,
        context=context,
        epochs=epochs or DEFAULT_EPOCHS,
        export=not no_export,
        force=force,
        workers=workers or usable_cores(),
        anew=features_anew,
        overwrite=overwrite,
    )
    told = Told(
        say=view.say,
        doubt=view.doubt,
        fitted=view.fitted,
        temporal=view.temporal,
        tuned=view.tuned,
        stage=view.stage,
        judged=print_judged,
    )
    document = run_fit(options, told=told)
    view.written(options, document)


def _names(given: Sequence[str]) -> dict[str, str]:
    names: dict[str, str] = {}
    for text in given:
        name, sign, label = text.partition("=")
        if not sign or not name.strip():
            raise InputError(
                f"--rename {text}: expected ANNOTATED=LABEL, or ANNOTATED= to leave out"
            )
        if names.setdefault(name.strip(), label.strip()) != label.strip():
            raise InputError(
                f"--rename {text}: {name.strip()} was to be {names[name.strip()]!r} already. Give "
                "it once"
            )
    return names


def _require(*, export: bool, embedded: bool) -> None:
    """Refuse at once what would fail at the first heavy import; name all extras together."""
    from i3d_export.cli import NEEDED, NEEDED_TO_JUDGE

    needed = {*_NEEDED, *(NEEDED if export or embedded else NEEDED_TO_JUDGE)}
    needed |= {"pytriton"} if embedded else set()
    if any(find_spec(package) is None for package in needed):
        extras = "export,fit,server" if embedded else "export,fit"
        raise MissingExtraError(extras, needed_for="i3d fit")
