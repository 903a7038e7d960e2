"""What ``i3d plan-capacity`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from i3d_bench.bench.capacity import PIPELINES, Calibration, Rates
from i3d_bench.bench.capacity_bench import Bench
from i3d_bench.bench.capacity_fairness import FairnessCheck
from i3d_bench.bench.capacity_labs import LabRow
from i3d_bench.bench.capacity_plan import Answer, Plan
from i3d_bench.bench.capacity_validation import Validation, largest, middle

_TEXT_COLUMNS = (
    "pipeline",
    "precision",
    "limit",
    "video",
    "stage",
    "case",
    "lab",
    "labs",
    "cores to keep the device busy",
)


def print_plan(
    plan: Plan,
    *,
    bench: Bench,
    rates: Rates,
    calibration: Calibration,
    currency: str,
    console: Console,
) -> None:
    """Print rates, cores and the answers."""
    question = plan.question
    _say(console, f"{bench.name}: {bench.contract.profile}, {plan.fps:.4g} frames/s of video")
    for note in bench.notes:
        _say(console, f"note: {note}")
    _print_stages(plan, rates, console)
    _print_cores(plan, console)
    what = f"{question.hours:,.6g} h of video"
    if question.labs > 1:
        what = f"{question.labs} labs with {what} each"
    costs = question.price is not None
    cost = currency if question.labs == 1 else f"{currency} a lab"
    columns = ["pipeline", "precision", "cores", "frames/s", "× real time", "device busy"]
    columns += ["limit", "at least", "takes", *([cost] if costs else [])]
    _print(console, what, columns, (_answer_cells(answer) for answer in plan.answers))
    for note in _notes_on(plan, rates, calibration):
        _say(console, note)


def print_validation(validation: Validation, console: Console) -> None:
    """Print every run beside its predictions, and the errors of each pipeline."""
    _print(
        console,
        "Measured runs, and predictions that have not seen them",
        [
            *("pipeline", "precision", "cores", "video", "measured s", "±"),
            *("bounds s", "error", "held out s", "error", "busy", "predicted"),
        ],
        (
            [
                row.run.pipeline,
                row.run.precision,
                str(row.run.cores),
                row.run.video,
                f"{row.run.median_s:.2f}",
                "—" if row.spread is None else f"{row.spread:.1%}",
                f"{row.bounds_s:.2f}",
                f"{row.bounds_error:+.1%}",
                "—" if row.held_out_s is None else f"{row.held_out_s:.2f}",
                _signed(row.held_out_error),
                "—" if row.run.device_busy is None else f"{row.run.device_busy:.0%}",
                f"{row.device_busy:.0%}",
            ]
            for row in validation.checked
        ),
    )
    _say(console, "Bounds leave out how long a command takes to start.")
    for pipeline in PIPELINES:
        if bounds := validation.errors(pipeline, held_out=False):
            held = validation.errors(pipeline, held_out=True)
            _say(
                console,
                f"{pipeline}: {len(bounds)} runs; error from the bounds {_errors(bounds)}; "
                f"held out {_errors(held)}",
            )
    for name in validation.not_modelled:
        _say(console, f"{name}: no prediction, the bench has no bound of its network")


def print_labs(rows: Sequence[LabRow], *, cap: int, console: Console) -> None:
    """Print what each lab gets."""
    if not rows:
        return
    _print(
        console,
        f"Labs side by side on {rows[0].cores} cores each, simulated; the gateway's cap is {cap}",
        ["precision", "case", "lab", "share", "even", "queue s (median)", "queue s (95 %)"],
        (
            [
                row.precision,
                row.case,
                row.lab,
                f"{row.share:.1%}",
                f"{row.fair_share:.1%}",
                f"{row.queued_median_s:.3f}",
                f"{row.queued_95_s:.3f}",
            ]
            for row in rows
        ),
    )


def print_fairness(check: FairnessCheck, console: Console) -> None:
    """Print the simulation beside fairness.json."""
    _print(
        console,
        "Two labs, measured (the accelerator SIMULATED, gateway and Triton real) and simulated",
        [
            *("case", "lab", "answers/s", "simulated", "error"),
            *("answer s", "simulated", "refused/s", "simulated", "given up/s", "simulated"),
        ],
        (
            [
                row.setting.replace("_", " "),
                row.run.replace("_", " "),
                f"{row.measured['answered_per_s']:.2f}",
                f"{row.answered_per_s:.2f}",
                _signed(row.error),
                f"{row.measured['median_seconds_to_answer']:.3f}",
                f"{row.median_seconds_to_answer:.3f}",
                f"{row.measured['refused_per_s']:.0f}",
                f"{row.refused_per_s:.0f}",
                f"{row.measured.get('given_up_per_s', 0):.0f}",
                f"{row.given_up_per_s:.0f}",
            ]
            for row in check.rows
        ),
    )
    for setting, (measured, simulated) in check.b_share.items():
        _say(
            console,
            f"{setting.replace('_', ' ')}: B beside A gets {measured:.3f} of what it gets alone, "
            f"simulated {simulated:.3f}",
        )


def _print_stages(plan: Plan, rates: Rates, console: Console) -> None:
    measured = ", ".join(str(cores) for cores in rates.reading.cores_measured)
    stages = [
        ["reading, 1 core", _rate(rates.reading.seconds(1)), f"measured on {measured} cores"],
        ["wire", _rate(rates.wire_s), "gRPC" if rates.wire_s else "not measured: left out"],
    ]
    if rates.memory_s is not None and plan.question.labs == 1 and not plan.question.separate:
        stages.append(["shared memory", _rate(rates.memory_s), "instead, if asynchronous"])
    stages += [
        [f"device, {name}", _rate(seconds), ""]
        for name, seconds in rates.device_s.items()
        if name in plan.cores_to_fill
    ]
    link = plan.question.link_gbit_s
    if link is not None:
        per_frame = f"{link:g} Gbit/s, {plan.frame_bytes:,.0f} bytes a frame"
        stages.append(["network", _rate(plan.network_s), per_frame])
    _print(console, "Each stage alone", ["stage", "frames/s", ""], stages)


def _print_cores(plan: Plan, console: Console) -> None:
    where = " of each lab" if plan.question.labs > 1 else ""
    for precision, cores in plan.cores_to_fill.items():
        counted = f"{cores}{where}" if isinstance(cores, int) else cores
        _say(console, f"{precision}: cores that keep the device busy: {counted}")


def _answer_cells(answer: Answer) -> list[str]:
    cells = [
        answer.pipeline,
        answer.precision,
        f"{answer.cores}{' *' if answer.extrapolated else ''}",
        f"{answer.frames_per_s:,.4g}",
        f"{answer.times_real_time:,.3g}",
        f"{answer.device_busy:.0%}",
        answer.limit,
        duration(answer.hours_at_least),
        duration(answer.hours),
    ]
    return cells if answer.cost is None else [*cells, f"{answer.cost:,.2f}"]


def _notes_on(plan: Plan, rates: Rates, calibration: Calibration) -> Iterable[str]:
    yield "“at least” is by the bounds alone, “takes” as the measured runs stood to theirs."
    if plan.shared_cores:
        yield (
            "Client and device are the same cores here, and inference is taken to scale with them; "
            "--separate plans for clients elsewhere."
        )
    if any(answer.extrapolated for answer in plan.answers):
        most = max(rates.reading.cores_measured)
        yield f"* more cores than were measured ({most}): extrapolated."
    if not calibration.asynchronous_runs:
        yield "No asynchronous run was measured: its times are bounds."
    else:
        yield (
            f"An asynchronous run takes {calibration.overhead:.2f} × its bound, and "
            f"{calibration.start_s:.1f} s to start (not in the table)."
        )
    if min(calibration.overhead, calibration.reader) < 1:
        yield "Some runs were faster than their bounds: the bench's machine was not steady."


def duration(hours: float) -> str:
    """Write a time as people say it."""
    if hours >= 48:
        return f"{hours / 24:,.1f} days"
    return f"{hours:.2f} h" if hours >= 1 else f"{hours * 60:.2f} min"


def _rate(seconds: float | None) -> str:
    return "—" if not seconds else f"{1 / seconds:,.4g}"


def _signed(error: float | None) -> str:
    return "—" if error is None else f"{error:+.1%}"


def _errors(errors: Sequence[float]) -> str:
    median, most = middle(errors), largest(errors)
    if median is None or most is None:
        return "—"
    return f"{median:.1%} (median), {most:.1%} (largest)"


def _say(console: Console, text: str) -> None:
    console.print(Text(text))


def _print(
    console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> None:
    table = Table(box=None, pad_edge=False, title=Text(title), title_justify="left")
    for name in columns:
        left = name in _TEXT_COLUMNS or not name
        table.add_column(name, justify="left" if left else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print()
    console.print(table)
