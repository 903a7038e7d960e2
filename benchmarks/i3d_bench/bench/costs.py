"""Table I: what an hour of video costs, and the paper's example experiment.

A cost is the run time of an hour of video times the price of the device, and the machine that it is
in, for an hour. Without a price there are only times and ratios, which need none. The paper's four
costs stand beside; they are figures of a Tesla V100 and of another network's windows, so what can
be compared is the ratio to the synchronous pipeline.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from i3d_bench.bench.bench_results import (
    ASYNCHRONOUS,
    REFERENCE_PRECISION,
    SYNCHRONOUS,
    BenchResults,
    Run,
)
from i3d_bench.bench.bench_table import (
    NOTHING,
    Table,
    digits_text,
    money_text,
    seconds_text,
    share_text,
)
from i3d_bench.bench.pipeline_names import configuration_name, cores_text, precision_name
from i3d_bench.bench.prices import PAPER_PRICE, Price

PAPER_COST_PER_VIDEO_HOUR = {
    (SYNCHRONOUS, "fp32"): 0.93,
    (ASYNCHRONOUS, "fp32"): 0.60,
    (ASYNCHRONOUS, "fp16"): 0.57,
    (ASYNCHRONOUS, "int8"): 0.46,
}
"""Of the paper's Table I, USD, on a cloud V100."""

# The paper's example: 24 animals, 5 days, 24 hours a day.
EXPERIMENT_VIDEO_HOURS = 24 * 5 * 24
PAPER_EXPERIMENT_DEVICE_HOURS = 1_100
PAPER_EXPERIMENT_COST = 1_650

Configuration = tuple[str, str]
_REFERENCE: Configuration = (SYNCHRONOUS, REFERENCE_PRECISION)


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """A pipeline at a precision, over all its videos, at the largest number of cores.

    Attributes:
        videos: how many.
        seconds_per_video_hour: all its median run times over all hours of video they cover.
        over_synchronous: its run time over that of the synchronous pipeline at FP32; None if that
            was not measured.
        paper_cost: USD for an hour of video; None if the paper has none.
        paper_over_synchronous: the same ratio of the paper's costs.
    """

    pipeline: str
    precision: str
    videos: int
    seconds_per_video_hour: float
    over_synchronous: float | None
    paper_cost: float | None
    paper_over_synchronous: float | None

    def cost(self, price: Price, *, video_hours: float = 1) -> float:
        """Return what so many hours of video cost."""
        return self.seconds_per_video_hour / 3600 * price.per_device_hour * video_hours


def cost_rows(results: BenchResults) -> list[CostRow]:
    """Return a row for each pipeline and precision that ran on the largest number of cores."""
    measured = {
        (pipeline, precision): runs
        for pipeline in results.pipelines
        for precision in results.precisions
        if (
            runs := results.runs_of(pipeline=pipeline, precision=precision, cores=results.cores[-1])
        )
    }
    reference = measured.get(_REFERENCE)
    reference_s = None if reference is None else pooled_seconds_per_video_hour(reference)
    return [_row(configuration, runs, reference_s) for configuration, runs in measured.items()]


def pooled_seconds_per_video_hour(runs: Sequence[Run]) -> float:
    """Return the run time of an hour of video over several videos; long ones count for more."""
    return sum(run.median_s for run in runs) / sum(run.video_hours for run in runs)


def costs_table(results: BenchResults) -> Table:
    """Return Table I."""
    prices = results.prices
    columns = ["configuration", "run time of 1 h of video", "× synchronous", "the paper's ratio"]
    columns += [f"{_of(price)} for 1 h of video" for price in prices]
    columns += [f"the paper's {PAPER_PRICE.currency}", "first class the same"]
    rows = [
        (
            configuration_name(row.pipeline, row.precision),
            seconds_text(row.seconds_per_video_hour),
            _ratio(row.over_synchronous),
            _ratio(row.paper_over_synchronous),
            *(money_text(row.cost(price)) for price in prices),
            NOTHING if row.paper_cost is None else f"{row.paper_cost:.2f}",
            _agreement(results, row),
        )
        for row in cost_rows(results)
    ]
    return Table(
        title="Table I: cost of an hour of video",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=_notes(results),
    )


def experiment_table(results: BenchResults) -> Table:
    """Return what the paper's example experiment takes."""
    prices = results.prices
    hours = EXPERIMENT_VIDEO_HOURS
    columns = ["configuration", "device hours", "days", *(_of(price) for price in prices)]
    columns.append(f"the paper's cost × {hours:,}, {PAPER_PRICE.currency}")
    rows = []
    for row in cost_rows(results):
        device_hours = row.seconds_per_video_hour / 3600 * hours
        paper = NOTHING if row.paper_cost is None else f"{row.paper_cost * hours:,.0f}"
        rows.append(
            (
                configuration_name(row.pipeline, row.precision),
                digits_text(device_hours),
                digits_text(device_hours / 24),
                *(digits_text(row.cost(price, video_hours=hours)) for price in prices),
                paper,
            )
        )
    return Table(
        title=f"An experiment of 24 animals for 5 days: {hours:,} h of video on one device",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(
            f"The paper's own example: about {PAPER_EXPERIMENT_DEVICE_HOURS:,} GPU hours, about "
            f"{PAPER_EXPERIMENT_COST:,} {PAPER_PRICE.currency} at "
            f"{PAPER_PRICE.per_device_hour:.2f} for a GPU hour.",
        ),
    )


def _row(configuration: Configuration, runs: Sequence[Run], reference_s: float | None) -> CostRow:
    seconds = pooled_seconds_per_video_hour(runs)
    paper = PAPER_COST_PER_VIDEO_HOUR.get(configuration)
    return CostRow(
        pipeline=configuration[0],
        precision=configuration[1],
        videos=len({run.video for run in runs}),
        seconds_per_video_hour=seconds,
        over_synchronous=None if reference_s is None else seconds / reference_s,
        paper_cost=paper,
        paper_over_synchronous=(
            None if paper is None else paper / PAPER_COST_PER_VIDEO_HOUR[_REFERENCE]
        ),
    )


def _agreement(results: BenchResults, row: CostRow) -> str:
    if row.precision == results.precisions[0]:
        return "the reference"
    found = results.agreement.get(row.precision)
    if found is None:
        return "not compared"
    text = f"{share_text(found['same_first_class'])} of {found['windows']}"
    if found["decided_windows"]:
        of_decided = share_text(found["same_first_class_of_decided"])
        text += f"; {of_decided} of {found['decided_windows']} decided"
    return text


def _notes(results: BenchResults) -> tuple[str, ...]:
    runs = results.runs
    if not runs:
        return ()
    times = [run.median_s for run in runs]
    video_s = statistics.median(run.video_hours * 3600 for run in runs)
    notes = [
        f"The client had {cores_text(results.cores[-1])}. "
        "× synchronous: run time over that of the synchronous pipeline at FP32, and the same "
        "ratio of the paper's costs. First class the same: of windows, as "
        f"{precision_name(results.precisions[0])} has it on the same server; decided are those "
        "where that has more than 0.5.",
        f"Runs took {seconds_text(min(times))} to {seconds_text(max(times))} for "
        f"{seconds_text(video_s)} of video in the median. The start of a process is in them, "
        f"{seconds_text(max(run.start_s for run in runs))} at most, which a longer video does not "
        "have more of.",
        *(_source(price) for price in results.prices),
    ]
    if not results.prices:
        notes.append("No price was given (`--price`, `--prices`), so there are no costs of ours.")
    return tuple(notes)


def _of(price: Price) -> str:
    return f"{price.currency} ({price.name})" if price.currency else f"cost ({price.name})"


def _source(price: Price) -> str:
    per_hour = f"{price.per_device_hour:g} {price.currency}".strip()
    day = "" if price.date is None else f", {price.date}"
    return f"{price.name}: {per_hour} for a device hour ({price.source}{day})."


def _ratio(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
