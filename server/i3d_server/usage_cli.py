"""The command ``i3d usage``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from i3d_server.usage import Usage
    from i3d_server.usage_statistics import MeanRequest

_BAD_LINES_SHOWN = 5


@click.command()
@click.argument("logs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="LOG…")
@click.option(
    "--statistics",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Triton's statistics, the answer of GET /v2/models/stats in a file: windows and device "
    "time are estimated by them.",
)
@click.option("--server", help="HOST:PORT of Triton's gRPC, which is asked for its statistics.")
@click.option(
    "--repository",
    type=click.Path(path_type=Path),
    default=Path("model_repository"),
    show_default=True,
    help="Model repository, whose contracts --statistics needs.",
)
@click.option(
    "--price-per-gpu-hour",
    type=click.FloatRange(min=0),
    help="Estimate the cost, in the currency of this price. Needs --statistics or --server.",
)
@click.option(
    "--by",
    type=click.Choice(["day", "lab"]),
    help="Add up the other [default: a row for every lab and day]",
)
@click.option("--csv", "as_csv", is_flag=True, help="CSV, at full precision.")
def usage(
    logs: tuple[Path, ...],
    statistics: Path | None,
    server: str | None,
    repository: Path,
    price_per_gpu_hour: float | None,
    by: str | None,
    as_csv: bool,
) -> None:
    """Say who used the server, from the gateway's access LOGs.

    A LOG is a file (.gz too), or a folder with access.jsonl and what was rotated out of it.
    """
    from i3d_server.gateway_log import read_logs
    from i3d_server.usage import GROUPINGS, summarise_usage
    from i3d_server.usage_report import usage_as_csv, usage_as_table

    if statistics is not None and server is not None:
        raise click.UsageError("--statistics and --server: expected one of them, got both")
    if price_per_gpu_hour is not None and statistics is None and server is None:
        raise click.UsageError(
            "--price-per-gpu-hour: the log does not say what a request costs; give Triton's "
            "statistics too, with --statistics or --server"
        )
    mean = _mean_request(statistics=statistics, server=server, repository=repository)
    grouping = tuple(name for name in GROUPINGS if by in (None, name))
    report = summarise_usage(
        read_logs(logs), by=grouping, mean=mean, price_per_gpu_hour=price_per_gpu_hour
    )
    if as_csv:
        click.echo(usage_as_csv(report, by=grouping), nl=False)
    else:
        click.echo(usage_as_table(report, by=grouping))
        if mean is not None:
            click.echo(_how_estimated(mean))
    _report_bad_lines(report)


def _mean_request(
    *, statistics: Path | None, server: str | None, repository: Path
) -> MeanRequest | None:
    from i3d_server.usage_statistics import mean_request_from_file, mean_request_from_server

    if statistics is not None:
        return mean_request_from_file(statistics, repository=repository)
    return None if server is None else mean_request_from_server(server)


def _how_estimated(mean: MeanRequest) -> str:
    return (
        f"Estimates: an answered inference counts as the mean of Triton's {mean.requests} "
        f"requests since its start, {mean.windows:.2f} windows and "
        f"{mean.device_seconds * 1000:.1f} ms of the device; time in which nothing ran costs "
        "nothing here."
    )


def _report_bad_lines(report: Usage) -> None:
    for line in report.bad_lines[:_BAD_LINES_SHOWN]:
        what = "not complete yet, left out" if line.torn else f"left out: {line.reason}"
        click.echo(f"{line.file}, line {line.number}: {what}", err=True)
    more = len(report.bad_lines) - _BAD_LINES_SHOWN
    if more > 0:
        click.echo(f"{more} more lines left out", err=True)
