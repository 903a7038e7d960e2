"""The one console command, ``i3d``.

Sub-commands of the other packages come through the entry-point group ``i3d.commands``. Command
modules import nothing heavy at their top, so that ``i3d --help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from importlib.metadata import entry_points, version
from pathlib import Path

import click

from i3d_client.errors import I3dError
from i3d_client.options import Options, usable_cores
from i3d_client.priority import Priority
from i3d_client.report import Report
from i3d_client.transport import Transport

_SERVER = click.option(
    "--server",
    help="HOST:PORT of Triton's gRPC, or of a lab server "
    "[default: $I3D_SERVER, the configuration file's, the credentials', localhost:8001]",
)
_CREDENTIALS = click.option(
    "--credentials",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="What whoever runs a lab server handed over "
    "[default: $I3D_CREDENTIALS, the configuration file's, none]",
)


class _Commands(click.Group):
    """A group that adds what other packages registered under ``i3d.commands``."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        found = {point.name for point in entry_points(group="i3d.commands")}
        return sorted({*super().list_commands(ctx), *found})

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        own = super().get_command(ctx, name)
        if own is not None:
            return own
        for point in entry_points(group="i3d.commands", name=name):
            command = point.load()
            if not isinstance(command, click.Command):
                raise TypeError(f"entry point {point.value} is not a click command")
            return command
        return None


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("i3d-triton"), prog_name="i3d")
def i3d() -> None:
    """Label animal behaviour in video with I3D on an NVIDIA Triton server."""


@i3d.command()
@click.argument("videos", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for the results; each recording gets a folder of its own in it. Give it again "
    "to go on after an interruption.",
)
@_SERVER
@_CREDENTIALS
@click.option("--embedded", is_flag=True, help="Start a Triton on this machine for this run.")
@click.option(
    "--repository",
    default="model_repository",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Model repository of the embedded server.",
)
@click.option("--model", help="Name on the server [default: the only one there is]")
@click.option("--glob", help="Which files of folders to take, such as '*_top.mp4' [default: all]")
@click.option(
    "--concatenate",
    is_flag=True,
    help="Files named together, or lying in one folder, are one recording, in natural order.",
)
@click.option("--start", type=float, metavar="SECONDS", help="Leave out what comes before.")
@click.option("--stop", type=float, metavar="SECONDS", help="Leave out what comes after.")
@click.option("--overwrite", is_flag=True, help="Begin anew, whatever is in --out.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes that decode [default: the cores this process may use]",
)
@click.option(
    "--in-flight",
    type=click.IntRange(1, 4096),
    help="Requests at most between this client and the server [default: 2 a worker]",
)
@click.option(
    "--span-frames",
    type=click.IntRange(min=1),
    default=4096,
    show_default=True,
    help="About how many frames a worker takes at a time.",
)
@click.option(
    "--transport",
    type=click.Choice(["auto", "grpc", "shared memory"]),
    default="auto",
    show_default=True,
    help="How frames reach the server; auto takes shared memory with a server on this host.",
)
@click.option(
    "--priority",
    type=click.Choice(["interactive", "batch"]),
    help="interactive goes before batch, whoever asks [default: the model's own, batch]",
)
@click.option(
    "--give-up-after",
    type=click.FloatRange(min=0),
    default=600,
    show_default=True,
    metavar="SECONDS",
    help="How long the server may be away or overloaded.",
)
@click.option(
    "--trace",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write what every process does when to this file, for ui.perfetto.dev.",
)
@click.option(
    "--features",
    is_flag=True,
    help="Also write each window's features (features.npy), 4 KiB a window.",
)
@click.option(
    "--temporal-head",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="NAME.temporal.npz of i3d fit --context: answers of windows among their neighbours.",
)
@click.option("--log-json", is_flag=True, help="Write JSON lines to standard error, not progress.")
@click.option(
    "--recorded-at",
    metavar="WHEN",
    help="When the recording began, such as 2026-11-25T08:00, for hours by the clock on the wall; "
    "or how to read it from the files' names, such as '%Y-%m-%d_%H-%M-%S'.",
)
@click.option(
    "--metadata",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Table (CSV) of the animals, for the summary: docs/formats.md says which columns.",
)
@click.option(
    "--report/--no-report",
    default=True,
    help="Whether bouts, hours, pictures and report.html are made at the end; i3d report makes "
    "them any time.",
)
def classify(
    videos: tuple[Path, ...],
    out: Path,
    server: str | None,
    credentials: Path | None,
    embedded: bool,
    repository: Path,
    model: str | None,
    glob: str | None,
    concatenate: bool,
    start: float | None,
    stop: float | None,
    overwrite: bool,
    dry_run: bool,
    workers: int | None,
    in_flight: int | None,
    span_frames: int,
    transport: Transport,
    priority: Priority | None,
    give_up_after: float,
    trace: Path | None,
    log_json: bool,
    features: bool,
    temporal_head: Path | None,
    recorded_at: str | None,
    metadata: Path | None,
    report: bool,
) -> None:
    """Classify VIDEOS and write, for each, which behaviour happens when.

    VIDEOS are files, folders (searched with all that is in them), or .txt files with one path a
    line.
    """
    from i3d_client.access import Access, find_access
    from i3d_client.console import note, run_classify, run_dry
    from i3d_client.embedded import embedded_server
    from i3d_client.inputs import collect

    if embedded and (server or credentials):
        raise click.UsageError(
            "--embedded starts a server of its own: leave --server and --credentials out"
        )
    access = None if embedded else find_access(server=server, credentials=credentials)
    inputs = collect(videos, glob=glob, concatenate=concatenate, on_note=note)
    make_report = _report(recorded_at, metadata)
    make_report.check(inputs)
    with nullcontext() if access else embedded_server(repository, model) as address:
        options = Options(
            access=access or Access(server=str(address)),
            model=model,
            out=out,
            workers=workers or usable_cores(),
            in_flight=in_flight,
            start_s=start,
            stop_s=stop,
            overwrite=overwrite,
            give_up_after_s=give_up_after,
            span_frames=span_frames,
            transport=transport,
            priority=priority,
            recorded_at=recorded_at,
            features=features,
            temporal_head=temporal_head,
        )
        if dry_run:
            status = run_dry(inputs=inputs, options=options)
        else:
            status = run_classify(
                inputs=inputs,
                options=options,
                trace=trace,
                log_json=log_json,
                report=make_report if report else None,
            )
    sys.exit(status)


@i3d.command()
@_SERVER
@_CREDENTIALS
def models(server: str | None, credentials: Path | None) -> None:
    """List the models that a server serves, with what each expects."""
    from i3d_client.access import find_access
    from i3d_client.models_view import print_models

    sys.exit(print_models(access=find_access(server=server, credentials=credentials)))


def _report(recorded_at: str | None, metadata: Path | None) -> Report:
    """Return what the ethogram package registers to be done with results."""
    (point,) = entry_points(group="i3d.results")
    report: Report = point.load()(recorded_at=recorded_at, metadata=metadata)
    return report


def main(arguments: list[str] | None = None) -> None:
    """Run ``i3d``; an ``I3dError`` becomes one message and exit status 1."""
    # Else gRPC prints every handshake that fails, as information; workers inherit it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        status = i3d.main(args=arguments, prog_name="i3d", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except I3dError as error:
        click.echo(f"error: {error}", err=True)
        status = 1
    except (click.Abort, KeyboardInterrupt):
        click.echo(
            "interrupted; what is done is kept: the same command goes on from there", err=True
        )
        status = 130
    sys.exit(status if isinstance(status, int) else 0)
