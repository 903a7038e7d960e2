"""All that ``i3d plan-capacity`` says, as one object: printed, or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from i3d_bench.bench.capacity import PIPELINES, Calibration, Rates
from i3d_bench.bench.capacity_bench import Bench, read_bench
from i3d_bench.bench.capacity_fairness import FairnessCheck, check_fairness
from i3d_bench.bench.capacity_fit import fit_calibration, fit_rates, rates_by_video
from i3d_bench.bench.capacity_labs import LabRow, share_of_labs
from i3d_bench.bench.capacity_plan import Plan, Question, plan
from i3d_bench.bench.capacity_tables import (
    print_fairness,
    print_labs,
    print_plan,
    print_validation,
)
from i3d_bench.bench.capacity_validation import Validation, largest, middle, validate

PLAN_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Report:
    """The model, how far to trust it, and the plan.

    Attributes:
        labs: empty for a single lab.
        fairness: None unless asked for.
    """

    bench: Bench
    rates: Rates
    calibration: Calibration
    validation: Validation
    plan: Plan
    currency: str
    cap: int
    labs: tuple[LabRow, ...]
    fairness: FairnessCheck | None


def make_report(
    bench_file: Path,
    *,
    hours: float,
    cores: tuple[int, ...] | None,
    precisions: tuple[str, ...] | None,
    labs: int,
    cap: int,
    separate: bool,
    fps: float | None,
    price: float | None,
    link_gbit_s: float | None,
    fairness: Path | None,
) -> Report:
    """Fit, validate and plan; options as those of the command.

    Raises:
        ResultError: a file cannot be used.
        InputError: a precision is not in it.
    """
    bench = read_bench(bench_file)
    rates = fit_rates(bench)
    by_video = rates_by_video(bench)
    calibration = fit_calibration(by_video, bench.runs)
    own_price = bench.price if price is None else None
    question = Question(
        hours=hours,
        cores=cores,
        precisions=precisions,
        labs=labs,
        separate=separate,
        fps=fps,
        price=price if own_price is None else float(own_price["per_device_hour"]),
        link_gbit_s=link_gbit_s,
    )
    planned = plan(question, bench=bench, rates=rates, calibration=calibration)
    return Report(
        bench=bench,
        rates=rates,
        calibration=calibration,
        validation=validate(bench, by_video),
        plan=planned,
        currency=str(own_price["currency"]) if own_price else "cost",
        cap=cap,
        labs=tuple(
            share_of_labs(
                labs=labs,
                cores=max(planned.cores),
                cap=cap,
                precisions=tuple(planned.cores_to_fill),
                rates=rates,
                max_batch=bench.max_batch,
                contract=bench.contract,
            )
        ),
        fairness=None if fairness is None else check_fairness(fairness),
    )


def print_report(report: Report) -> None:
    """Print all of it as tables."""
    console = Console(highlight=False)
    print_plan(
        report.plan,
        bench=report.bench,
        rates=report.rates,
        calibration=report.calibration,
        currency=report.currency,
        console=console,
    )
    print_labs(report.labs, cap=report.cap, console=console)
    print_validation(report.validation, console)
    if report.fairness is not None:
        print_fairness(report.fairness, console)


def report_as_json(report: Report) -> str:
    """Return all of it as JSON, at full precision."""
    plan_ = asdict(report.plan)
    document: dict[str, Any] = {
        "plan_version": PLAN_VERSION,
        "bench": report.bench.name,
        "simulated": report.bench.simulated,
        "notes": report.bench.notes,
        "currency": report.currency,
        "rates": asdict(report.rates),
        "calibration": asdict(report.calibration),
        "plan": plan_,
        "labs": [asdict(row) for row in report.labs],
        "validation": _validation(report.validation),
    }
    if report.fairness is not None:
        document["fairness"] = {
            "b_share": {
                setting: {"measured": measured, "simulated": simulated}
                for setting, (measured, simulated) in report.fairness.b_share.items()
            },
            "rows": [{**asdict(row), "error": row.error} for row in report.fairness.rows],
        }
    return json.dumps(document, indent=2, ensure_ascii=False)


def _validation(validation: Validation) -> dict[str, Any]:
    errors = {
        pipeline: {
            basis: {"median": middle(found), "largest": largest(found)}
            for basis, held_out in (("bounds", False), ("held_out", True))
            for found in [validation.errors(pipeline, held_out=held_out)]
        }
        for pipeline in PIPELINES
    }
    return {
        "runs": [
            {
                **asdict(row.run),
                "spread": row.spread,
                "bounds_s": row.bounds_s,
                "bounds_error": row.bounds_error,
                "held_out_s": row.held_out_s,
                "held_out_error": row.held_out_error,
                "device_busy_predicted": row.device_busy,
            }
            for row in validation.checked
        ],
        "errors": errors,
        "not_modelled": validation.not_modelled,
    }
