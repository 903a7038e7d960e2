"""How fast a pipeline can be, from what each of its stages takes alone.

A frame is read (decoded and brought to the model's geometry) on the client's cores, crosses the
wire, and is inferred on the device. The paper's pipelines differ in what overlaps:

    synchronous    reading on one core + wire + device          one after another
    parallel       reading on n cores + wire + device           one after another
    asynchronous   max(reading on n cores, wire, device)        all at once

Reading on n cores takes ``serial + parallel / n`` (Amdahl, AFIPS 1967). Where server and client
are one machine without a GPU, inference takes its cores away from reading, so overlap cannot win
what the processor does not have: asynchronous is then at least ``device + processor time of
reading / all cores``.

Such times are bounds. How far real runs are from them is a ``Calibration``, fitted on runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Pipeline = Literal["synchronous", "parallel", "asynchronous"]
PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)
Limit = Literal["reading", "wire", "device", "processor", "network", "in turn"]
# Of a number of cores that is whole, so that no core more is asked for.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Seconds that reading a frame takes, by the cores that do it.

    Attributes:
        serial_s: what no number of cores makes shorter.
        parallel_s: processor time that the cores share.
        cores_measured: numbers of cores that this comes from, ascending.
    """

    serial_s: float
    parallel_s: float
    cores_measured: tuple[int, ...]

    def seconds(self, cores: int) -> float:
        """Seconds a frame on ``cores`` cores."""
        return self.serial_s + self.parallel_s / cores

    def cores_for(self, seconds: float) -> int | None:
        """Return the fewest cores that read a frame within ``seconds``; None if none can."""
        if seconds <= self.serial_s:
            return None
        exact = self.parallel_s / (seconds - self.serial_s)
        return max(1, math.ceil(exact * (1 - _ROUNDING)))


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What each stage takes alone, in seconds a frame of video.

    Attributes:
        reading: decoding and geometry.
        device_s: of inference with enough in flight, by precision.
        wire_s: through gRPC, to a network that computes nothing; None if that is not known.
        memory_s: through shared memory, which the asynchronous pipeline takes on one machine; None
            where there is none.
        shared_cores: of the machine that is client and device in one, as measured; None for a
            device of its own.
    """

    reading: Reading
    device_s: dict[str, float]
    wire_s: float | None
    memory_s: float | None
    shared_cores: int | None


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How real runs differ from the bounds.

    Attributes:
        reader: reading as the pipelines that work in turn do it, over reading alone.
        in_turn: serving one request at a time over serving with enough in flight.
        start_s: of an asynchronous run, whatever its length.
        overhead: the rest of an asynchronous run over its bound.
        in_turn_runs, asynchronous_runs: that this was fitted on; where 0, the bounds stand alone.
    """

    reader: float = 1.0
    in_turn: float = 1.0
    start_s: float = 0.0
    overhead: float = 1.0
    in_turn_runs: int = 0
    asynchronous_runs: int = 0


BOUNDS_ALONE = Calibration()


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a pipeline runs.

    Attributes:
        cores: of each client.
        clients: that share the one device, each with its own cores.
        machine_cores: of the one machine that is client and device; None takes those measured.
            Inference is taken to scale with them.
        network_s: seconds a frame over the server's network link; None for no limit.
    """

    cores: int
    clients: int = 1
    machine_cores: int | None = None
    network_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a pipeline would do.

    Attributes:
        frame_s: seconds a frame, of all clients together, once it runs.
        limit: what makes it no faster.
        device_busy: share of the time, 0 to 1.
        start_s: seconds before that.
    """

    frame_s: float
    limit: Limit
    device_busy: float
    start_s: float = 0.0

    def seconds(self, frames: float) -> float:
        """Seconds from start to end for so many frames."""
        return self.start_s + frames * self.frame_s


def predict(
    pipeline: Pipeline,
    precision: str,
    *,
    place: Place,
    rates: Rates,
    calibration: Calibration = BOUNDS_ALONE,
) -> Prediction:
    """Predict a pipeline from the rates.

    Raises:
        KeyError: the rates do not have the precision.
    """
    device_s = rates.device_s[precision]
    shared, cores = rates.shared_cores, place.machine_cores or rates.shared_cores
    if shared and cores:
        device_s *= shared / cores
    wire_s, network_s = rates.wire_s or 0.0, place.network_s or 0.0
    ahead = pipeline == "asynchronous"
    handed_s = wire_s if rates.memory_s is None or not ahead else rates.memory_s
    everyone: dict[Limit, float] = {"wire": handed_s, "network": network_s, "device": device_s}
    if ahead:
        stages = {"reading": rates.reading.seconds(place.cores) / place.clients, **everyone}
        if cores:
            stages["processor"] = device_s + rates.reading.seconds(1) / cores
        factor, start_s = calibration.overhead, calibration.start_s
    else:
        reading_s = rates.reading.seconds(1 if pipeline == "synchronous" else place.cores)
        served_s = calibration.in_turn * (wire_s + device_s) + network_s
        in_turn_s = (calibration.reader * reading_s + served_s) / place.clients
        stages = {"in turn": in_turn_s, **everyone}
        factor, start_s = 1.0, 0.0
    limit = max(stages, key=lambda name: stages[name])
    frame_s = stages[limit] * factor
    return Prediction(
        frame_s=frame_s, limit=limit, device_busy=min(1.0, device_s / frame_s), start_s=start_s
    )


def cores_to_fill_the_device(
    precision: str, *, clients: int, network_s: float | None, rates: Rates
) -> int | str:
    """Return how few cores a client needs for an asynchronous pipeline to be bound by the device.

    Or, in words, why no number of them does it.
    """
    if rates.shared_cores:
        return "the device is these cores"
    device_s = rates.device_s[precision]
    handed_s = rates.wire_s if rates.memory_s is None else rates.memory_s
    for name, seconds in (("wire", handed_s), ("network", network_s)):
        if seconds is not None and seconds > device_s:
            return f"none: the {name} is slower than the device"
    return rates.reading.cores_for(device_s * clients) or "none: reading does not get that fast"
