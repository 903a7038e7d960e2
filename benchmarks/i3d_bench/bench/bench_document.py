"""What ``bench.json`` says, of a bench that went to its end or was stopped before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from i3d_bench.bench.bench_file import BENCH_VERSION
from i3d_bench.bench.bench_server import BenchServer
from i3d_bench.bench.executed import CPU_ENGINE, EXECUTED, executed_entry, this_processor
from i3d_bench.bench.options import BenchOptions
from i3d_bench.bench.rounds import Rounds
from i3d_bench.bench.subject import video_facts
from i3d_client.errors import I3dError
from i3d_client.options import usable_cores


def known_before(options: BenchOptions, server: BenchServer) -> dict[str, Any]:
    """Return what the server and the videos say; later the server may be gone.

    Raises:
        VideoError: a video cannot be read.
    """
    return {
        "server": _server_facts(server),
        "videos": [video_facts(video) for video in options.videos],
    }


def bench_document(
    rounds: Rounds,
    *,
    machine: Mapping[str, Any],
    before: Mapping[str, Any],
    timelines: Sequence[Mapping[str, Any]],
    left_out: Sequence[str],
    stopped_by: BaseException | None,
) -> dict[str, Any]:
    """Return bench.json.

    Args:
        rounds: what was timed so far.
        machine: its facts.
        before: what ``known_before`` has returned.
        timelines: of the runs that were traced.
        left_out: pipelines, with the reason.
        stopped_by: what ended the bench early; None if nothing did.
    """
    options, server = rounds.options, rounds.server
    return {
        "bench_version": BENCH_VERSION,
        "simulated": server.simulated,
        "machine": dict(machine),
        "server": {**before["server"], "could_not_see": list(server.view.could_not_see)},
        "videos": before["videos"],
        "contract": json.loads(server.contract.to_json()),
        "model_base": server.base,
        "precisions": list(server.models),
        "batch_wanted": options.batch,
        "repeats": options.repeats,
        "cores": list(options.cores),
        "agreement": rounds.verification.agreement(),
        "runs": rounds.runs(),
        "bounds": rounds.bounds(),
        "timelines": list(timelines),
        "left_out": list(left_out),
        "not_timed": rounds.not_timed(),
        "price": options.price,
        "complete": stopped_by is None,
        "stopped_by": None if stopped_by is None else _reason(stopped_by),
    }


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "it was interrupted"
    return str(error) if isinstance(error, I3dError) else f"{type(error).__name__}: {error}"


def _server_facts(server: BenchServer) -> dict[str, Any]:
    return {
        "address": server.access.server,
        "embedded": server.embedded,
        "cores": usable_cores() if server.embedded else None,
        "version": server.view.version(),
        "max_batch_size": {
            precision: served.max_batch_segments for precision, served in server.models.items()
        },
        "engines": {precision: one.model.engine for precision, one in server.models.items()},
        EXECUTED: _executed(server),
    }


def _executed(server: BenchServer) -> dict[str, Any]:
    """Return what each precision is executed in; the server's processor is known if embedded."""
    engines = {one.model.engine for one in server.models.values()}
    processor = this_processor() if server.embedded and CPU_ENGINE in engines else None
    return {
        precision: executed_entry(one.model.build, engine=one.model.engine, processor=processor)
        for precision, one in server.models.items()
    }
