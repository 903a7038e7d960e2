"""How long and how dear an experiment is, and what limits it.

``hours`` are those of each lab; all labs work at the same time on one device. Start-up is paid once
and not shown. A price is that of the device for as long as the labs use it, and a lab pays its
share.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from i3d_bench.bench.capacity import (
    BOUNDS_ALONE,
    PIPELINES,
    Calibration,
    Limit,
    Pipeline,
    Place,
    Prediction,
    Rates,
    cores_to_fill_the_device,
    predict,
)
from i3d_bench.bench.capacity_bench import Bench
from i3d_client.contract import ModelContract
from i3d_client.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is planned.

    Attributes:
        hours: of video that each lab has.
        cores: of each lab's client, one answer for each; None takes those that were measured, and
            those that keep the device busy.
        precisions: None takes all that were measured.
        labs: that share the device, each with a client of its own.
        separate: clients have cores of their own, although the bench ran on one machine.
        fps: of the videos; None takes that of the bench's.
        price: of the device for an hour; None leaves costs out.
        link_gbit_s: of the server's network; None for no limit.
    """

    hours: float
    cores: tuple[int, ...] | None = None
    precisions: tuple[str, ...] | None = None
    labs: int = 1
    separate: bool = False
    fps: float | None = None
    price: float | None = None
    link_gbit_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An experiment in one configuration.

    Attributes:
        limit: what makes it no faster.
        frames_per_s: of all labs together.
        device_busy: share of the time, 0 to 1.
        hours: until all labs are done.
        hours_at_least: by the bounds alone, which no run reaches.
        times_real_time: hours of video in an hour, of all labs together.
        cost: of each lab; None without a price.
        extrapolated: whether it has more cores than were measured.
    """

    pipeline: Pipeline
    precision: str
    cores: int
    limit: Limit
    frames_per_s: float
    device_busy: float
    hours: float
    hours_at_least: float
    times_real_time: float
    cost: float | None
    extrapolated: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All answers.

    Attributes:
        fps: that was reckoned with.
        frame_bytes: that a frame of video takes on the wire.
        network_s: seconds a frame over the link; None for no limit.
        shared_cores: as measured, where client and device are one machine; else None.
        cores: that there are answers for.
        cores_to_fill: cores of each client that keep the device busy in the asynchronous pipeline,
            or why none do, by precision.
    """

    question: Question
    fps: float
    frame_bytes: float
    network_s: float | None
    shared_cores: int | None
    cores: tuple[int, ...]
    cores_to_fill: dict[str, int | str]
    answers: tuple[Answer, ...]


def plan(question: Question, *, bench: Bench, rates: Rates, calibration: Calibration) -> Plan:
    """Answer a question.

    Raises:
        InputError: a precision was not measured.
    """
    precisions = question.precisions or tuple(rates.device_s)
    unknown = [name for name in precisions if name not in rates.device_s]
    if unknown:
        raise InputError(
            f"--precision {unknown[0]}: not in {bench.name}, which has "
            f"{', '.join(sorted(rates.device_s))}"
        )
    if question.separate or question.labs > 1:
        rates = replace(rates, shared_cores=None, memory_s=None)
    frame_bytes = bytes_a_frame(bench.contract)
    link = question.link_gbit_s
    network_s = None if link is None else frame_bytes * 8 / (link * 1e9)
    fps = question.fps or bench.fps
    cores_to_fill = {
        precision: cores_to_fill_the_device(
            precision, clients=question.labs, network_s=network_s, rates=rates
        )
        for precision in precisions
    }
    cores = question.cores or _telling_cores(rates, cores_to_fill)
    return Plan(
        question=question,
        fps=fps,
        frame_bytes=frame_bytes,
        network_s=network_s,
        shared_cores=rates.shared_cores,
        cores=cores,
        cores_to_fill=cores_to_fill,
        answers=tuple(
            _answer(key, question, fps, network_s, rates, calibration)
            for key in _configurations(cores, precisions, shared=bool(rates.shared_cores))
        ),
    )


def _telling_cores(rates: Rates, cores_to_fill: dict[str, int | str]) -> tuple[int, ...]:
    """Return the cores that were measured and those that keep the device busy."""
    filling = {cores for cores in cores_to_fill.values() if isinstance(cores, int)}
    return tuple(sorted({*rates.reading.cores_measured, *filling}))


def bytes_a_frame(contract: ModelContract) -> float:
    """Return the bytes on the wire for each frame of video, overlaps of segments included."""
    height, width, channels = contract.frame_shape
    advance = contract.windows_per_segment * contract.stride
    return height * width * channels * contract.segment_frames / advance


_Key = tuple[Pipeline, str, int]


def _configurations(
    cores: tuple[int, ...], precisions: tuple[str, ...], *, shared: bool
) -> Iterator[_Key]:
    """Yield the configurations.

    The synchronous pipeline uses one core; only where the network computes on them do others help.
    """
    for precision in precisions:
        for pipeline in PIPELINES:
            one_will_do = pipeline == "synchronous" and not shared
            for number in (1,) if one_will_do else cores:
                yield pipeline, precision, number


def _answer(
    key: _Key,
    question: Question,
    fps: float,
    network_s: float | None,
    rates: Rates,
    calibration: Calibration,
) -> Answer:
    pipeline, precision, cores = key
    place = Place(
        cores=cores,
        clients=question.labs,
        machine_cores=cores if rates.shared_cores else None,
        network_s=network_s,
    )

    def ask(calibrated: Calibration) -> Prediction:
        return predict(pipeline, precision, place=place, rates=rates, calibration=calibrated)

    real, at_least = ask(calibration), ask(BOUNDS_ALONE)
    frames = question.hours * question.labs * 3600 * fps
    hours = frames * real.frame_s / 3600
    return Answer(
        pipeline=pipeline,
        precision=precision,
        cores=cores,
        limit=real.limit,
        frames_per_s=1 / real.frame_s,
        device_busy=real.device_busy,
        hours=hours,
        hours_at_least=frames * at_least.frame_s / 3600,
        times_real_time=1 / (real.frame_s * fps),
        cost=None if question.price is None else hours * question.price / question.labs,
        extrapolated=cores > max(rates.reading.cores_measured),
    )
