"""The command ``i3d bench``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


class _Numbers(click.ParamType[tuple[int, ...]]):
    """Whole numbers above 0, such as ``1,2,4``."""

    name = "numbers"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = str(value).split(",")
        if not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            self.fail(f"expected whole numbers above 0, such as 1,2,4, got {value!r}", param, ctx)
        return tuple(dict.fromkeys(int(part) for part in parts))


@click.command()
@click.argument("videos", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for bench.json and all that is made of it.",
)
@click.option("--server", help="HOST:PORT of Triton's gRPC, or of a lab server.")
@click.option(
    "--credentials",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="What whoever runs a lab server handed over.",
)
@click.option("--embedded", is_flag=True, help="Start a Triton on this machine for this run.")
@click.option(
    "--repository",
    default="model_repository",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Model repository of the embedded server.",
)
@click.option(
    "--cores",
    type=_Numbers(),
    help="Numbers of cores that the client is held to [default: 1, 2, 4 … and all]",
)
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    help="fp32, fp16, int8; again for another [default: all that the server has]",
)
@click.option(
    "--model-base",
    "--profile",
    "model_base",
    help="Models are BASE_PRECISION [default: the only base on the server]",
)
@click.option(
    "--pipeline",
    "pipelines",
    multiple=True,
    type=click.Choice(
        [
            f"{kind}{name}"
            for kind in ("", "tf_")
            for name in ("synchronous", "parallel", "asynchronous")
        ]
    ),
    help="Again for another [default: all]",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1024),
    default=4,
    show_default=True,
    help="Windows that a synchronous pipeline asks for at a time.",
)
@click.option("--repeat", type=click.IntRange(1, 100), default=3, show_default=True)
@click.option(
    "--windows",
    type=click.IntRange(min=1),
    help="Of each video, from its start [default: as many as take about --seconds]",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=30,
    show_default=True,
    help="That one run takes, about.",
)
@click.option("--timelines/--no-timelines", default=True, help="Whether to trace a run of each.")
@click.option(
    "--price", type=click.FloatRange(min=0), help="Of a device for an hour, for the table of costs."
)
@click.option(
    "--prices",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file of named prices with their dates and sources.",
)
@click.option(
    "--from",
    "made_from",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measure nothing: make figures and tables again from this bench.json, with --price or "
    "--prices at other prices.",
)
def bench(
    videos: tuple[Path, ...],
    out: Path,
    server: str | None,
    credentials: Path | None,
    embedded: bool,
    repository: Path,
    cores: tuple[int, ...] | None,
    precisions: tuple[str, ...],
    model_base: str | None,
    pipelines: tuple[str, ...],
    batch: int,
    repeat: int,
    windows: int | None,
    seconds: float,
    timelines: bool,
    price: float | None,
    prices: Path | None,
    made_from: Path | None,
) -> None:
    """Measure the paper's pipelines and this one on VIDEOS: run times, bounds, timelines, costs.

    Answers are compared before anything is timed. All figures are in bench.json; tables and
    pictures are made from it. A bench that ends early keeps in it what was timed.
    """
    from i3d_bench.bench.bench_file import BENCH_FILE, copy_bench_file
    from i3d_bench.bench.measure import measure
    from i3d_bench.bench.options import PIPELINES, BenchOptions
    from i3d_bench.bench.plan import default_cores
    from i3d_bench.bench.prices import price_entry
    from i3d_client.access import find_access
    from i3d_client.options import usable_cores

    _require_one_source(videos, made_from)
    if embedded and (server or credentials):
        raise click.UsageError(
            "--embedded starts a server of its own: leave --server and --credentials out"
        )
    device_price = price_entry(per_device_hour=price, prices=prices)
    if made_from is not None:
        copy_bench_file(made_from, out, price=device_price)
        _write_pages(out)
        return
    options = BenchOptions(
        videos=videos,
        access=None if embedded else find_access(server=server, credentials=credentials),
        repository=repository,
        cores=cores or default_cores(usable_cores()),
        precisions=precisions,
        model_base=model_base,
        pipelines=tuple(name for name in PIPELINES if not pipelines or name in pipelines),
        batch=batch,
        repeats=repeat,
        windows=windows,
        seconds=seconds,
        timelines=timelines,
        price=device_price,
    )
    document = measure(options, out=out, say=_say)
    _say(f"written: {out / BENCH_FILE}")
    _write_pages(out)
    for one in document["not_timed"]:
        _say(
            f"not timed: {one['pipeline']} {one['precision']}, {one['cores']} cores, "
            f"{one['video']}: {one['reason']}"
        )
    sys.exit(1 if document["not_timed"] else 0)


def _require_one_source(videos: tuple[Path, ...], made_from: Path | None) -> None:
    if bool(videos) == (made_from is not None):
        raise click.UsageError("expected VIDEOS to measure with, or --from BENCH.JSON")


def _write_pages(out: Path) -> None:
    """Make what follows from bench.json."""
    from i3d_bench.bench.pages import write_pages

    for path in write_pages(out):
        _say(f"written: {path}")


def _say(message: str) -> None:
    click.echo(message, err=True)
