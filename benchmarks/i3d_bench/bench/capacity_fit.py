"""The rates and the calibration that a bench.json gives.

Rates come from the bounds alone. The calibration comes from the runs, by least squares of relative
errors with at most two parameters, neither of them negative. Where the runs cannot tell the two
apart they become one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.capacity import (
    BOUNDS_ALONE,
    Calibration,
    Place,
    Rates,
    Reading,
    predict,
)
from i3d_bench.bench.capacity_bench import Bench, Bound, Run
from i3d_client.errors import ResultError

READING = ("decoding", "preprocessing")
# The two columns of a fit must differ by so much, relative to each other, to be told apart.
_TOLD_APART = 1.5


def fit_rates(bench: Bench) -> Rates:
    """Take the rates from the bounds.

    Raises:
        ResultError: no bound of decoding, or none of inference.
    """
    reading = [_scaling(_of(bench.bounds, name)) for name in READING if _of(bench.bounds, name)]
    inference = _of(bench.bounds, "inference")
    missing = [
        name
        for name, there in (
            ("decoding", _of(bench.bounds, "decoding")),
            ("inference", [bound for bound in inference if bound.precision]),
        )
        if not there
    ]
    if missing:
        raise ResultError(
            f"{bench.name}: no bound of {' and '.join(missing)}: run `i3d bench` again, with these"
        )
    wire = _of(bench.bounds, "wire")
    return Rates(
        reading=Reading(
            serial_s=sum(scaling.serial_s for scaling in reading),
            parallel_s=sum(scaling.parallel_s for scaling in reading),
            cores_measured=reading[0].cores_measured,
        ),
        device_s={
            precision: min(bound.frame_s for bound in inference if bound.precision == precision)
            for precision in dict.fromkeys(bound.precision for bound in inference)
            if precision is not None
        },
        wire_s=min((bound.frame_s for bound in wire), default=None),
        shared_cores=bench.shared_cores,
    )


def fit_calibration(rates: Rates, runs: Sequence[Run]) -> Calibration:
    """Fit how the runs differ from the bounds; pipelines that are not modelled are left out."""
    in_turn = [run for run in runs if is_modelled(run, rates) and run.pipeline != "asynchronous"]
    ahead = [run for run in runs if is_modelled(run, rates) and run.pipeline == "asynchronous"]
    reader, served = _in_turn(rates, in_turn) if in_turn else (1.0, 1.0)
    start_s, overhead, known = _asynchronous(rates, ahead) if ahead else (0.0, 1.0, False)
    return Calibration(
        reader=reader,
        in_turn=served,
        start_s=start_s,
        overhead=overhead,
        in_turn_runs=len(in_turn),
        asynchronous_runs=len(ahead),
        start_known=known,
    )


def is_modelled(run: Run, rates: Rates) -> bool:
    """Say whether a run can be predicted: TensorFlow's network has no bound."""
    return run.pipeline in ("synchronous", "parallel", "asynchronous") and (
        run.precision in rates.device_s
    )


def _of(bounds: Sequence[Bound], name: str) -> list[Bound]:
    return [bound for bound in bounds if bound.bound == name]


def _scaling(bounds: Sequence[Bound]) -> Reading:
    cores = np.array([bound.cores for bound in bounds], float)
    serial, parallel, _ = _two_parameters(
        np.ones_like(cores), 1 / cores, np.array([bound.frame_s for bound in bounds])
    )
    measured = tuple(sorted({bound.cores for bound in bounds}))
    if len(measured) == 1:  # nothing says that more cores would not help
        serial, parallel = 0.0, float(np.mean([bound.frame_s for bound in bounds])) * measured[0]
    return Reading(serial_s=serial, parallel_s=parallel, cores_measured=measured)


def _in_turn(rates: Rates, runs: Sequence[Run]) -> tuple[float, float]:
    reading = [rates.reading.seconds(1 if r.pipeline == "synchronous" else r.cores) for r in runs]
    served = [(rates.wire_s or 0.0) + rates.device_s[run.precision] for run in runs]
    measured = [run.median_s / run.num_frames for run in runs]
    reader, in_turn, apart = _two_parameters(
        np.array(reading), np.array(served), np.array(measured)
    )
    if not apart:
        both = float(np.median(np.array(measured) / (np.array(reading) + served)))
        return both, both
    return reader, in_turn


def _asynchronous(rates: Rates, runs: Sequence[Run]) -> tuple[float, float, bool]:
    bounds = np.array([_bound_of(run, rates) for run in runs])
    measured = np.array([run.median_s for run in runs])
    start_s, overhead, apart = _two_parameters(np.ones_like(bounds), bounds, measured)
    if not apart:
        return 0.0, float(np.median(measured / bounds)), False
    return start_s, overhead, True


def _bound_of(run: Run, rates: Rates) -> float:
    place = Place(cores=run.cores)
    bound = predict(
        "asynchronous", run.precision, place=place, rates=rates, calibration=BOUNDS_ALONE
    )
    return bound.seconds(run.num_frames)


def _two_parameters(
    first: NDArray[np.float64], second: NDArray[np.float64], measured: NDArray[np.float64]
) -> tuple[float, float, bool]:
    """Fit ``measured = a · first + b · second`` with a, b ≥ 0.

    Returns:
        a, b, and whether the columns differ enough for a and b to mean anything.
    """
    ratio = first / second
    apart = bool(ratio.max() > _TOLD_APART * ratio.min())
    columns = np.stack([first, second], axis=1) / measured[:, None]
    ones = np.ones(len(measured))
    (a, b), *_ = np.linalg.lstsq(columns, ones, rcond=None)
    if a < 0 or b < 0:  # the best with one of them 0
        alone = [float(column @ ones / (column @ column)) for column in columns.T]
        errors = [
            float(np.sum((column * value - ones) ** 2))
            for column, value in zip(columns.T, alone, strict=True)
        ]
        a, b = (alone[0], 0.0) if errors[0] < errors[1] else (0.0, alone[1])
    return float(a), float(b), apart
