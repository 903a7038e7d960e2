"""The rates and the calibration that a bench.json gives.

Rates come from the bounds alone, those of a video from its own where it has any. The calibration
comes from the runs: for pipelines that work in turn by least squares of relative errors, with two
parameters, neither of them negative; where the runs cannot tell the two apart they become one.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.capacity import Calibration, Place, Rates, Reading, predict
from i3d_bench.bench.capacity_bench import Bench, Bound, Run
from i3d_client.errors import ResultError

_MODELLED = ("synchronous", "parallel", "asynchronous")
# Both together, or one after the other.
_LOADING, _DECODING, _PREPROCESSING = "loading", "decoding", "preprocessing"
# The two columns of a fit must differ by so much, relative to each other, to be told apart.
_TOLD_APART = 1.5


def fit_rates(bench: Bench, *, video: str | None = None) -> Rates:
    """Take the rates from the bounds.

    Args:
        bench: that was measured.
        video: take its own bounds where there are some; None takes those of all videos.

    Raises:
        ResultError: no bound of loading or decoding, or none of inference.
    """
    reading = [_of(bench, _LOADING, video)]
    if not reading[0]:
        reading = [_of(bench, name, video) for name in (_DECODING, _PREPROCESSING)]
    inference = [bound for bound in _of(bench, "inference", video) if bound.precision]
    missing = [
        name for name, found in (("decoding", reading[0]), ("inference", inference)) if not found
    ]
    if missing:
        raise ResultError(
            f"{bench.name}: no bound of {' and '.join(missing)}: run `i3d bench` again, with these"
        )
    scalings = [_scaling(bounds) for bounds in reading if bounds]
    return Rates(
        reading=Reading(
            serial_s=sum(scaling.serial_s for scaling in scalings),
            parallel_s=sum(scaling.parallel_s for scaling in scalings),
            cores_measured=scalings[0].cores_measured,
        ),
        device_s={
            str(name): _frame_s([bound for bound in inference if bound.precision == name])
            for name in dict.fromkeys(bound.precision for bound in inference)
        },
        wire_s=_frame_s(wire) if (wire := _of(bench, "wire", video)) else None,
        memory_s=_frame_s(memory) if (memory := _of(bench, "shared_memory", video)) else None,
        shared_cores=bench.shared_cores,
    )


def rates_by_video(bench: Bench) -> dict[str, Rates]:
    """Take the rates of each video that was run.

    Raises:
        ResultError: as ``fit_rates``.
    """
    return {
        video: fit_rates(bench, video=video)
        for video in dict.fromkeys(run.video for run in bench.runs)
    }


def fit_calibration(by_video: Mapping[str, Rates], runs: Sequence[Run]) -> Calibration:
    """Fit how the runs differ from the bounds; pipelines that are not modelled are left out."""
    known = [run for run in runs if is_modelled(run, by_video)]
    in_turn = [run for run in known if run.pipeline != "asynchronous"]
    ahead = [run for run in known if run.pipeline == "asynchronous"]
    reader, served = _in_turn(by_video, in_turn) if in_turn else (1.0, 1.0)
    over = [(run.median_s - run.start_s) / _bound_s(run, by_video[run.video]) for run in ahead]
    return Calibration(
        reader=reader,
        in_turn=served,
        start_s=statistics.median(run.start_s for run in ahead) if ahead else 0.0,
        overhead=statistics.median(over) if over else 1.0,
        in_turn_runs=len(in_turn),
        asynchronous_runs=len(ahead),
    )


def is_modelled(run: Run, by_video: Mapping[str, Rates]) -> bool:
    """Say whether a run can be predicted: TensorFlow's network has no bound."""
    return run.pipeline in _MODELLED and run.precision in by_video[run.video].device_s


def _of(bench: Bench, name: str, video: str | None) -> list[Bound]:
    every = [bound for bound in bench.bounds if bound.bound == name]
    own = [bound for bound in every if bound.video == video]
    return own or every


def _frame_s(bounds: Sequence[Bound]) -> float:
    """Return seconds a frame, over all that was measured."""
    return sum(bound.median_s for bound in bounds) / sum(bound.num_frames for bound in bounds)


def _scaling(bounds: Sequence[Bound]) -> Reading:
    measured = tuple(sorted({bound.cores for bound in bounds}))
    frame_s = [_frame_s([b for b in bounds if b.cores == cores]) for cores in measured]
    if len(measured) == 1:  # nothing says that more cores would not help
        serial, parallel = 0.0, frame_s[0] * measured[0]
    else:
        cores = np.array(measured, float)
        serial, parallel, _ = _two_parameters(np.ones_like(cores), 1 / cores, np.array(frame_s))
    return Reading(serial_s=serial, parallel_s=parallel, cores_measured=measured)


def _in_turn(by_video: Mapping[str, Rates], runs: Sequence[Run]) -> tuple[float, float]:
    rates = [by_video[run.video] for run in runs]
    reading = np.array(
        [
            of.reading.seconds(1 if run.pipeline == "synchronous" else run.cores)
            for run, of in zip(runs, rates, strict=True)
        ]
    )
    served = np.array(
        [
            (of.wire_s or 0.0) + of.device_s[run.precision]
            for run, of in zip(runs, rates, strict=True)
        ]
    )
    measured = np.array([(run.median_s - run.start_s) / run.num_frames for run in runs])
    reader, in_turn, apart = _two_parameters(reading, served, measured)
    if not apart:
        both = float(np.median(measured / (reading + served)))
        return both, both
    return reader, in_turn


def _bound_s(run: Run, rates: Rates) -> float:
    bound = predict("asynchronous", run.precision, place=Place(cores=run.cores), rates=rates)
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
