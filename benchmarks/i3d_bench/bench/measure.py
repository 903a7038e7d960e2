"""``i3d bench``, from its options to bench.json."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from i3d_bench.bench import tensorflow
from i3d_bench.bench.bench_document import BenchDocument, reason_of
from i3d_bench.bench.bench_file import BENCH_FILE
from i3d_bench.bench.bench_server import BenchServer, bench_server
from i3d_bench.bench.errors import BenchError, PipelineError
from i3d_bench.bench.facts import bench_facts
from i3d_bench.bench.options import BenchOptions, Pipeline
from i3d_bench.bench.plan import Configuration
from i3d_bench.bench.rounds import Rounds
from i3d_bench.bench.runner import Runner
from i3d_bench.bench.subject import Subject, take_subject
from i3d_bench.bench.traced import trace_runs
from i3d_client.options import usable_cores

Say = Callable[[str], None]
_PROBED_BATCHES = 2


def measure(options: BenchOptions, *, out: Path, say: Say) -> dict[str, Any]:
    """Measure, write ``bench.json`` and the timelines into ``out``, and return bench.json.

    bench.json is written after each timing, so whatever ends the bench early leaves what was timed
    until then: ``complete`` is false in that, and ``stopped_by`` says why.

    Raises:
        BenchError: what is asked cannot be measured on this machine or server.
        I3dError: a video or the server cannot be used.
    """
    _require_possible(options)
    facts = bench_facts()
    if facts["busy_warning"]:
        say(f"warning: {facts['busy_warning']}")
    out.mkdir(parents=True, exist_ok=True)
    with bench_server(options) as server:
        pipelines, variables, left_out = _what_can_run(options.pipelines, server)
        for reason in left_out:
            say(f"left out: {reason}")
        with Runner(
            server.access, server.models, batch=options.batch, variables=variables
        ) as runner:
            document = BenchDocument(
                out / BENCH_FILE, options=options, machine=facts, server=server, left_out=left_out
            )
            subjects = _subjects(options, server, runner)
            rounds = Rounds(
                options=options, server=server, runner=runner, subjects=subjects, say=say
            )
            rounds.verify(pipelines)
            return _time(rounds, document, out=out, say=say)


def _time(rounds: Rounds, document: BenchDocument, *, out: Path, say: Say) -> dict[str, Any]:
    try:
        rounds.time(lambda: document.write(rounds))
        if rounds.options.timelines:
            document.timelines.extend(trace_runs(rounds, out=out))
    except BaseException as error:
        kept = document.write(rounds, stopped_by=reason_of(error))
        if kept["runs"] or kept["bounds"]:
            again = f"i3d bench --from {document.path} --out {out}"
            say(f"stopped: what was timed is in {document.path}; {again} shows it")
        raise
    return document.write(rounds, stopped_by=None)


def _require_possible(options: BenchOptions) -> None:
    usable = usable_cores()
    if not options.cores or max(options.cores) > usable:
        raise BenchError(
            f"--cores: expected numbers up to {usable}, the usable cores, got "
            f"{','.join(map(str, options.cores)) or 'none'}"
        )
    names = [video.name for video in options.videos]
    if not names or len(set(names)) < len(names):
        raise BenchError(f"expected videos with names that differ, got {names or 'none'}")


def _what_can_run(
    wanted: Sequence[Pipeline], server: BenchServer
) -> tuple[list[Pipeline], Path | None, list[str]]:
    """Return the pipelines that can be run, TensorFlow's variables, and what is left out."""
    in_tensorflow = [name for name in wanted if name.startswith(tensorflow.PREFIX)]
    if not in_tensorflow:
        return list(wanted), None, []
    served = server.models.get(tensorflow.PRECISION)
    try:
        if served is None:
            raise LookupError(f"no {tensorflow.PRECISION} model is measured to compare them with")
        variables = tensorflow.find_variables(served.model, served.contract)
    except LookupError as reason:
        rest = [name for name in wanted if name not in in_tensorflow]
        return rest, None, [f"{', '.join(in_tensorflow)}: {reason}"]
    return list(wanted), variables, []


def _subjects(options: BenchOptions, server: BenchServer, runner: Runner) -> list[Subject]:
    """Take of each video the windows that were asked for, or that take about so long."""
    contract = server.contract
    if options.windows is not None:
        return [take_subject(video, contract, windows=options.windows) for video in options.videos]
    batch = runner.batch_segments * contract.windows_per_segment
    few = [
        take_subject(video, contract, windows=_PROBED_BATCHES * batch) for video in options.videos
    ]
    subjects = []
    for place, video in enumerate(options.videos):
        window_s = max(_probe(runner, precision, few, place) for precision in server.models)
        batches = max(1, int(options.seconds / window_s / batch))
        subjects.append(take_subject(video, contract, windows=batches * batch))
    return subjects


def _probe(runner: Runner, precision: str, few: Sequence[Subject], place: int) -> float:
    """Return about how many seconds a window takes; the second time counts."""
    probe = Configuration("synchronous", precision, usable_cores(), place)
    try:
        runner.run(probe, few)
        return runner.run(probe, few).seconds / few[place].windows
    except PipelineError as error:
        raise BenchError(
            f"{few[place].video.name}, {precision}: the synchronous pipeline, which all others "
            f"are compared with, fails: {error}"
        ) from error
