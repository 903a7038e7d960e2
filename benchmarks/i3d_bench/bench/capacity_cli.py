"""The command ``i3d plan-capacity``."""

from __future__ import annotations

from pathlib import Path

import click


def _numbers(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Read numbers of cores, such as ``4,8,16``."""
    if value is None:
        return None
    parts = [part.strip() for part in value.split(",")]
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"expected numbers of cores, such as 4,8,16, got {value!r}")
    return tuple(dict.fromkeys(int(part) for part in parts))


@click.command("plan-capacity")
@click.option(
    "--bench",
    "bench_file",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="bench.json of `i3d bench`.",
)
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True),
    default=2880,
    show_default=True,
    help="Of video, of each lab. The default is the paper's: 24 animals, 5 days.",
)
@click.option(
    "--cores",
    metavar="N,N…",
    callback=_numbers,
    help="Of each lab's client, such as 4,8,16 [default: those of the bench, and those that keep "
    "the device busy]",
)
@click.option(
    "--precision", "precisions", multiple=True, help="May be given several times [default: all]"
)
@click.option(
    "--labs",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="That share the server, each with a client of its own.",
)
@click.option(
    "--cap",
    type=click.IntRange(min=1),
    default=8,
    show_default=True,
    help="Requests that the gateway lets a lab have at a time (i3d labs add --in-flight).",
)
@click.option(
    "--separate",
    is_flag=True,
    help="Clients have cores of their own, though the bench ran on one machine; so it is with "
    "several labs.",
)
@click.option("--fps", type=click.FloatRange(min=0, min_open=True), help="[default: the bench's]")
@click.option(
    "--price",
    type=click.FloatRange(min=0),
    help="Of the device for an hour [default: the bench's, if it has one]",
)
@click.option(
    "--link",
    "link_gbit_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="GBIT/S",
    help="Of the server's network [default: no limit]",
)
@click.option(
    "--fairness",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare the simulation of labs with this fairness.json.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON, at full precision.")
def plan_capacity(
    bench_file: Path,
    hours: float,
    cores: tuple[int, ...] | None,
    precisions: tuple[str, ...],
    labs: int,
    cap: int,
    separate: bool,
    fps: float | None,
    price: float | None,
    link_gbit_s: float | None,
    fairness: Path | None,
    as_json: bool,
) -> None:
    """Plan an experiment from a bench: how many cores, how long, how dear, and what limits it.

    Beside the plan stands what the same model says of every run that was measured, and how far off
    it is.
    """
    from i3d_bench.bench.capacity_report import make_report, print_report, report_as_json

    report = make_report(
        bench_file,
        hours=hours,
        cores=cores,
        precisions=precisions or None,
        labs=labs,
        cap=cap,
        separate=separate,
        fps=fps,
        price=price,
        link_gbit_s=link_gbit_s,
        fairness=fairness,
    )
    if as_json:
        click.echo(report_as_json(report))
    else:
        print_report(report)
