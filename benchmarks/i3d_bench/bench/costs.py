"""Table I: what an hour of video costs, and the paper's example experiment.

A cost is the run time of an hour of video times the price of the device, and the machine that it is
in, for an hour. The run time is of one run over an hour of video: the start that was measured is
in it once, and the rest grows with the video. With the start scaled too it is longer, by the more
the shorter the measured run was; that stands in a column of its own.

Without a price there are only times and ratios, which need none. The paper's four costs stand
beside; they are figures of a Tesla V100 and of another network's windows, so what can be compared
is the ratio to the synchronous pipeline.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from i3d_bench.bench.bench_results import (
    ASYNCHRONOUS,
    REFERENCE_PRECISION,
    SYNCHRONOUS,
    TENSORFLOW,
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
from i3d_bench.bench.executed import CPU_ENGINE, executed_text, is_halved
from i3d_bench.bench.pipeline_names import (
    configuration_name,
    cores_text,
    pipeline_name,
    precision_name,
)
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

_EXECUTED, _AGREEMENT = "executed in", "first class the same"
Configuration = tuple[str, str]
_REFERENCE: Configuration = (SYNCHRONOUS, REFERENCE_PRECISION)
_TENSORFLOW: tuple[Configuration, ...] = (
    (TENSORFLOW + SYNCHRONOUS, REFERENCE_PRECISION),
    (TENSORFLOW + ASYNCHRONOUS, REFERENCE_PRECISION),
)


@dataclass(frozen=True, kw_only=True)
class CostRow:
    """A pipeline at a precision, over all its videos, at the largest number of cores.

    Attributes:
        videos: how many.
        seconds_per_video_hour: of one run over an hour of all its videos, by the medians.
        scaled_seconds_per_video_hour: all its median run times over all hours of video they cover.
        over_synchronous: its run time over that of the synchronous pipeline at FP32; None if that
            was not measured.
        over_tensorflow: the same over the paper's own pipelines in TensorFlow, synchronous and
            asynchronous, at FP32.
        paper_cost: USD for an hour of video; None if the paper has none.
        paper_over_synchronous: the same ratio of the paper's costs.
    """

    pipeline: str
    precision: str
    videos: int
    seconds_per_video_hour: float
    scaled_seconds_per_video_hour: float
    over_synchronous: float | None
    over_tensorflow: tuple[float | None, float | None]
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
    seconds = {name: pooled_seconds_per_video_hour(runs) for name, runs in measured.items()}
    return [_row(configuration, runs, seconds) for configuration, runs in measured.items()]


def pooled_seconds_per_video_hour(runs: Sequence[Run]) -> float:
    """Return the run time of an hour of video over several videos; long ones count for more.

    It starts once, in the mean of their times.
    """
    working_s = sum(run.median_s - run.start_s for run in runs)
    return working_s / _video_hours(runs) + statistics.fmean(run.start_s for run in runs)


def _video_hours(runs: Sequence[Run]) -> float:
    return sum(run.video_hours for run in runs)


def costs_table(results: BenchResults) -> Table:
    """Return Table I."""
    prices, found = results.prices, cost_rows(results)
    places = [at for at in range(len(_TENSORFLOW)) if any(one.over_tensorflow[at] for one in found)]
    columns = [
        *("configuration", _EXECUTED, "run time of 1 h of video", "× synchronous"),
        "the paper's ratio",
        *(f"× {pipeline_name(_TENSORFLOW[at][0])}" for at in places),
        *(f"{_of(price)} for 1 h of video" for price in prices),
        *(f"the paper's {PAPER_PRICE.currency}", _AGREEMENT, "with the start scaled too"),
    ]
    rows = [
        (
            configuration_name(row.pipeline, row.precision),
            _executed(results, row),
            seconds_text(row.seconds_per_video_hour),
            _ratio(row.over_synchronous),
            _ratio(row.paper_over_synchronous),
            *(_ratio(row.over_tensorflow[at]) for at in places),
            *(money_text(row.cost(price)) for price in prices),
            NOTHING if row.paper_cost is None else f"{row.paper_cost:.2f}",
            _agreement(results, row),
            seconds_text(row.scaled_seconds_per_video_hour),
        )
        for row in found
    ]
    return Table(
        title="Table I: cost of an hour of video",
        columns=tuple(columns),
        rows=tuple(rows),
        notes=(*headlines(found), *_notes(results, found)),
        words=(_EXECUTED,),
    )


def headlines(rows: Sequence[CostRow]) -> list[str]:
    """Say in words what the quickest asynchronous precision takes of what it is compared with."""
    by_name = {(row.pipeline, row.precision): row for row in rows}
    ours = [row for row in rows if row.pipeline == ASYNCHRONOUS]
    if not ours:
        return []
    best = min(ours, key=lambda row: row.seconds_per_video_hour)
    name = configuration_name(best.pipeline, best.precision)
    name = name[0].upper() + name[1:]
    scaled = best.scaled_seconds_per_video_hour
    said = []
    if best.over_synchronous is not None:
        all_scaled = scaled / by_name[_REFERENCE].scaled_seconds_per_video_hour
        paper = min(PAPER_COST_PER_VIDEO_HOUR.values()) / PAPER_COST_PER_VIDEO_HOUR[_REFERENCE]
        said.append(
            f"{name} takes {best.over_synchronous:.2f} of the time of "
            f"{configuration_name(*_REFERENCE)} ({all_scaled:.2f} with the start scaled too); the "
            f"paper's best ratio is {paper:.2f}."
        )
    over = [
        f"{ratio:.2f} of that of {configuration_name(*other)} "
        f"({scaled / by_name[other].scaled_seconds_per_video_hour:.2f} with the start scaled too)"
        for other, ratio in zip(_TENSORFLOW, best.over_tensorflow, strict=True)
        if ratio is not None
    ]
    if over:
        said.append(f"{name} takes {' and '.join(over)}, which is what the paper itself used.")
    return said


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
            f"{PAPER_PRICE.per_device_hour:.2f} for a GPU hour. Ours: a run an hour of video.",
        ),
    )


def _row(
    configuration: Configuration, runs: Sequence[Run], every: Mapping[Configuration, float]
) -> CostRow:
    seconds = every[configuration]

    def over(other: Configuration) -> float | None:
        return seconds / every[other] if other in every else None

    tensorflow = over(_TENSORFLOW[0]), over(_TENSORFLOW[1])
    paper = PAPER_COST_PER_VIDEO_HOUR.get(configuration)
    return CostRow(
        pipeline=configuration[0],
        precision=configuration[1],
        videos=len({run.video for run in runs}),
        seconds_per_video_hour=seconds,
        scaled_seconds_per_video_hour=sum(run.median_s for run in runs) / _video_hours(runs),
        over_synchronous=over(_REFERENCE),
        over_tensorflow=tensorflow,
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


def _executed(results: BenchResults, row: CostRow) -> str:
    if row.pipeline.startswith(TENSORFLOW):
        return "f32, TensorFlow"
    return executed_text(row.precision, results.executed.get(row.precision))


def _notes(results: BenchResults, rows: Sequence[CostRow]) -> tuple[str, ...]:
    runs = results.runs
    if not runs:
        return ()
    times = [run.median_s for run in runs]
    video_s = statistics.median(run.video_hours * 3600 for run in runs)
    notes = [
        f"The client had {cores_text(results.cores[-1])}. "
        "× synchronous: run time over that of the synchronous pipeline at FP32, and the same "
        "ratio of the paper's costs; × TensorFlow: over that of the paper's own pipelines in one "
        "process with TensorFlow. First class the same: of windows, as "
        f"{precision_name(results.precisions[0])} has it on the same server; decided are those "
        "where that has more than 0.5.",
        f"Runs took {seconds_text(min(times))} to {seconds_text(max(times))} for "
        f"{seconds_text(video_s)} of video in the median. The start of a process, "
        f"{seconds_text(max(run.start_s for run in runs))} at most, is in them. An hour of video "
        "has it once: (run time − start) ÷ hours of video + start. With the start scaled too: run "
        "time ÷ hours of video.",
        *_on_a_processor(results),
        *_halved(results, rows),
        *(_source(price) for price in results.prices),
    ]
    if not results.prices:
        notes.append("No price was given (`--price`, `--prices`), so there are no costs of ours.")
    return tuple(notes)


def _on_a_processor(results: BenchResults) -> list[str]:
    engines = set(results.document["server"].get("engines", {}).values())
    if engines != {CPU_ENGINE}:
        return []
    return ["OpenVINO executed every model on a processor; no time here is a GPU's."]


def _halved(results: BenchResults, rows: Sequence[CostRow]) -> list[str]:
    """Say which precisions were not executed as they are called."""
    precisions = dict.fromkeys(row.precision for row in rows)
    return [
        f"{precision_name(one)} was executed in f32 here, with weights that are kept in f16, since "
        "the processor has no FP16: its times are not those of FP16 on a GPU."
        for one in precisions
        if is_halved(one, results.executed.get(one))
    ]


def _of(price: Price) -> str:
    return f"{price.currency} ({price.name})" if price.currency else f"cost ({price.name})"


def _source(price: Price) -> str:
    per_hour = f"{price.per_device_hour:g} {price.currency}".strip()
    day = "" if price.date is None else f", {price.date}"
    return f"{price.name}: {per_hour} for a device hour ({price.source}{day})."


def _ratio(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.2f}"
