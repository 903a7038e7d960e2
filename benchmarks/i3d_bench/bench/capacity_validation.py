"""What the model says of runs that were measured, beside what they took.

Twice: from the bounds alone, which no run has touched, and held out, with a calibration that was
fitted on every run except those of the same pipeline, precision and cores. So neither figure has
seen what it is compared with.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from i3d_bench.bench.capacity import BOUNDS_ALONE, Calibration, Pipeline, Place, Rates, predict
from i3d_bench.bench.capacity_bench import Bench, Run
from i3d_bench.bench.capacity_fit import fit_calibration, is_modelled


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A measured run and two predictions of it.

    Attributes:
        bounds_s: predicted from the bounds alone; a bound, so a run should not be faster.
        held_out_s: predicted with the calibration of the other runs; None if there are none.
        device_busy: predicted from the bounds and the time that was measured.
    """

    run: Run
    bounds_s: float
    held_out_s: float | None
    device_busy: float

    @property
    def bounds_error(self) -> float:
        """Predicted over measured, less 1."""
        return self.bounds_s / self.run.median_s - 1

    @property
    def held_out_error(self) -> float | None:
        """Predicted over measured, less 1."""
        return None if self.held_out_s is None else self.held_out_s / self.run.median_s - 1

    @property
    def spread(self) -> float | None:
        """Half of what lies between the quartiles of the repeats, over their median.

        None if it was not repeated.
        """
        if self.run.repeats < 2:
            return None
        return (self.run.q3_s - self.run.q1_s) / 2 / self.run.median_s


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All runs.

    Attributes:
        checked: in the order of bench.json.
        not_modelled: pipelines for which there is no prediction.
    """

    checked: tuple[Checked, ...]
    not_modelled: tuple[str, ...]

    def errors(self, pipeline: str, *, held_out: bool) -> list[float]:
        """Return the errors of a pipeline's runs, without their signs."""
        found = [
            row.held_out_error if held_out else row.bounds_error
            for row in self.checked
            if row.run.pipeline == pipeline
        ]
        return [abs(error) for error in found if error is not None]


def validate(bench: Bench, by_video: Mapping[str, Rates]) -> Validation:
    """Predict every run of the bench that can be predicted, by the rates of its video."""
    modelled = [run for run in bench.runs if is_modelled(run, by_video)]
    return Validation(
        checked=tuple(_check(run, modelled, by_video) for run in modelled),
        not_modelled=tuple(
            dict.fromkeys(run.pipeline for run in bench.runs if not is_modelled(run, by_video))
        ),
    )


def largest(errors: Sequence[float]) -> float | None:
    """Return the largest error, None of none."""
    return max(errors, default=None)


def middle(errors: Sequence[float]) -> float | None:
    """Return the median error, None of none."""
    return statistics.median(errors) if errors else None


def _check(run: Run, runs: Sequence[Run], by_video: Mapping[str, Rates]) -> Checked:
    rates = by_video[run.video]
    unlike = [other for other in runs if _setting(other) != _setting(run)]
    others = fit_calibration(by_video, unlike)
    fitted_on = others.asynchronous_runs if run.pipeline == "asynchronous" else others.in_turn_runs
    return Checked(
        run=run,
        bounds_s=_seconds(run, rates, BOUNDS_ALONE),
        held_out_s=_seconds(run, rates, others) if fitted_on else None,
        device_busy=min(1.0, rates.device_s[run.precision] * run.num_frames / run.median_s),
    )


def _setting(run: Run) -> tuple[str, str, int]:
    return run.pipeline, run.precision, run.cores


def _seconds(run: Run, rates: Rates, calibration: Calibration) -> float:
    predicted = predict(
        cast(Pipeline, run.pipeline),
        run.precision,
        place=Place(cores=run.cores),
        rates=rates,
        calibration=calibration,
    )
    return predicted.seconds(run.num_frames)
