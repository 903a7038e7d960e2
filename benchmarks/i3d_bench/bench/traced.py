"""One traced run of every pipeline, after everything was timed: bench.json's ``timelines``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i3d_bench.bench.errors import PipelineError
from i3d_bench.bench.other_requests import OtherRequests
from i3d_bench.bench.pipeline_run import Interval, Outcome
from i3d_bench.bench.plan import Configuration
from i3d_bench.bench.rounds import Rounds
from i3d_bench.bench.timelines import (
    DEVICE,
    busy_fraction,
    timeline,
    watched_device,
    write_perfetto,
)


def trace_runs(rounds: Rounds, *, out: Path) -> Iterator[dict[str, Any]]:
    """Trace a run of each pipeline, on most cores, with the first video and precision.

    The file for ui.perfetto.dev goes into ``out``. What fails is left out, and said.
    """
    for one in _chosen(rounds):
        try:
            yield _trace(rounds, one, out=out)
        except PipelineError as error:
            rounds.refuse(one, PipelineError(f"with a trace: {error}"))


def _chosen(rounds: Rounds) -> list[Configuration]:
    cores, precision = max(rounds.options.cores), next(iter(rounds.server.models))
    return [
        one
        for one in rounds.verification.passed
        if one.cores == cores
        and one.video == 0
        and (one.in_tensorflow or one.precision == precision)
    ]


def _trace(rounds: Rounds, one: Configuration, *, out: Path) -> dict[str, Any]:
    outcome, device, source, others = _run(rounds, one)
    name = f"timeline_{one.pipeline}_{one.precision}_{one.cores}.json"
    write_perfetto(out / name, outcome, device)
    rows = timeline(outcome, device)
    (spans,) = [row["spans"] for row in rows if row["row"] == DEVICE]
    return {
        "pipeline": one.pipeline,
        "precision": one.precision,
        "cores": one.cores,
        "video": rounds.subjects[0].video.name,
        "file": name,
        "seconds": round(outcome.seconds, 6),
        "device_row": source,
        "rows": rows,
        "busy_percent": {
            "cores": round(100 * outcome.processor_s / (outcome.seconds * one.cores), 1),
            "device": None if others else round(100 * busy_fraction(spans, outcome.seconds), 1),
        },
    }


def _run(rounds: Rounds, one: Configuration) -> tuple[Outcome, list[Interval], str, bool]:
    """Trace a run.

    Returns:
        The run; the device's intervals (none: requests stand for them); what they are; whether
        requests of other clients are among them.
    """
    if one.in_tensorflow:
        outcome = rounds.runner.run(one, rounds.subjects, traced=True)
        return outcome, [], "the network, on the client's own cores", False
    served = rounds.server.models[one.precision]
    requests = OtherRequests(rounds.server.view, own_segments=rounds.subjects[0].segments)
    with watched_device(rounds.server.view, served) as device:
        outcome = rounds.runner.run(one, rounds.subjects, traced=True)
    others = bool(requests.segments())
    source = "executions, from the server's statistics" if device else "requests at the server"
    if served.simulated_seconds_per_window is not None:
        source = f"SIMULATED device: {source}"
    if others:
        source = f"{source}, beside other clients'"
    return outcome, device, source, others
