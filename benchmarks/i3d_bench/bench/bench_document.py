"""What ``bench.json`` says, of a bench that went to its end or was stopped before it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i3d_bench.bench.bench_file import BENCH_VERSION, write_bench_file
from i3d_bench.bench.bench_server import BenchServer
from i3d_bench.bench.executed import CPU_ENGINE, EXECUTED, executed_entry, this_processor
from i3d_bench.bench.options import BenchOptions
from i3d_bench.bench.rounds import Rounds
from i3d_bench.bench.subject import video_facts
from i3d_client.errors import I3dError
from i3d_client.options import usable_cores

GOES_ON = "it had not ended when this was written"


class BenchDocument:
    """``bench.json`` as it grows. It is made before anything is timed: later, servers may be gone.

    Args:
        path: of the file.
        options: of the bench.
        machine: its facts.
        server: with its models.
        left_out: pipelines, with the reason.

    Raises:
        VideoError: a video cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        options: BenchOptions,
        machine: Mapping[str, Any],
        server: BenchServer,
        left_out: Sequence[str],
    ) -> None:
        self.path = path
        self.timelines: list[dict[str, Any]] = []
        self._machine = dict(machine)
        self._server = _server_facts(server)
        self._videos = [video_facts(video) for video in options.videos]
        self._left_out = list(left_out)

    def write(self, rounds: Rounds, *, stopped_by: str | None = GOES_ON) -> dict[str, Any]:
        """Write what was timed so far, if anything was, and return it.

        Args:
            rounds: that are timed.
            stopped_by: why this is not all; None at the end.

        Raises:
            OutputError: the file cannot be written.
        """
        document = self._content(rounds, stopped_by)
        if document["runs"] or document["bounds"] or stopped_by is None:
            write_bench_file(self.path, document)
        return document

    def _content(self, rounds: Rounds, stopped_by: str | None) -> dict[str, Any]:
        options, server = rounds.options, rounds.server
        return {
            "bench_version": BENCH_VERSION,
            "simulated": server.simulated,
            "machine": self._machine,
            "server": {**self._server, "could_not_see": list(server.view.could_not_see)},
            "videos": self._videos,
            "contract": json.loads(server.contract.to_json()),
            "model_base": server.base,
            "precisions": list(server.models),
            "batch_wanted": options.batch,
            "repeats": options.repeats,
            "cores": list(options.cores),
            "agreement": rounds.verification.agreement(),
            "runs": rounds.runs(),
            "bounds": rounds.bounds(),
            "timelines": list(self.timelines),
            "left_out": self._left_out,
            "not_timed": rounds.not_timed(),
            "price": options.price,
            "complete": stopped_by is None,
            "stopped_by": stopped_by,
        }


def reason_of(error: BaseException) -> str:
    """Return what ``stopped_by`` says of an error."""
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
