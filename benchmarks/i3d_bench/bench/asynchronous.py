"""This project's pipeline: ``i3d classify`` as a user runs it, from its start to its exit.

The start of Python and of the workers is in the time, which the other pipelines have behind them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.clients import held_to
from i3d_bench.bench.errors import PipelineError
from i3d_bench.bench.pacing import SHIM, VARIABLE
from i3d_bench.bench.pipeline_run import REQUEST, Interval, Outcome, Run
from i3d_client.scores_file import SCORES_FILE

_LAST_WORDS = 600


def run_asynchronous(run: Run) -> Outcome:
    """Run the command on the run's cores, and see that it did the whole work.

    Raises:
        PipelineError: it failed, or its results are not whole.
    """
    subject = run.subject
    with tempfile.TemporaryDirectory(prefix="i3d-bench-") as name:
        out, trace = Path(name) / "results", Path(name) / "trace.json"
        command = [sys.executable, "-m", "i3d_client", "classify", str(subject.video)]
        command += ["--server", run.access.server, "--model", run.model, "--out", str(out)]
        command += ["--no-report"]
        if run.access.credentials is not None:
            command += ["--credentials", str(run.access.credentials.folder)]
        if subject.stop_s is not None:
            command += ["--stop", repr(subject.stop_s)]
        if run.readers is not None:
            command += ["--workers", str(run.readers)]
        if run.traced:
            command += ["--trace", str(trace)]
        begun_ns = time.monotonic_ns()
        processor_s = _run(command, run, log=Path(name) / "log")
        seconds = (time.monotonic_ns() - begun_ns) / 1e9
        results = out / subject.video.name
        said = json.loads((results / "run.json").read_text())
        _require_whole(said, run)
        return Outcome(
            begun_ns=begun_ns,
            seconds=seconds,
            processor_s=processor_s,
            probabilities=_read_probabilities(results),
            start_s=seconds - said["run"]["seconds"],
            intervals=read_trace(trace) if run.traced else [],
        )


def _run(command: list[str], run: Run, *, log: Path) -> float:
    """Run it, and return the processor time that it and its workers used."""
    environment = dict(os.environ)
    if run.frame_s:
        environment |= {"PYTHONPATH": str(SHIM), VARIABLE: repr(run.frame_s)}
    with log.open("wb") as output:
        with held_to(run.cores):
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors="replace").strip()[-_LAST_WORDS:]
        raise PipelineError(f"i3d classify ended with status {process.returncode}: {said}")
    return usage.ru_utime + usage.ru_stime


def _require_whole(said: dict[str, Any], run: Run) -> None:
    """See by run.json that the command did the whole work."""
    expected = (True, run.subject.num_frames, run.subject.windows)
    found = (said["complete"], said["frames"]["decoded"], said["windows"]["scored"])
    if found != expected:
        raise PipelineError(
            f"i3d classify is not whole: expected (complete, frames, windows) {expected}, got "
            f"{found}"
        )


def _read_probabilities(results: Path) -> NDArray[np.float32]:
    with np.load(results / SCORES_FILE) as scores:
        probabilities: NDArray[np.float32] = scores["probabilities"]
    return probabilities


def read_trace(path: Path) -> list[Interval]:
    """Read what ``--trace`` wrote; requests in flight have no row of their own."""
    events = json.loads(path.read_text())
    names = {
        event["pid"]: event["args"]["name"] for event in events if event["name"] == "process_name"
    }
    intervals = []
    for event in events:
        if event["ph"] != "X":
            continue
        start_ns = round(event["ts"] * 1000)
        stop_ns = start_ns + round(event["dur"] * 1000)
        is_request = event["name"] == "infer"
        row = "" if is_request else names[event["pid"]]
        what = REQUEST if is_request else event["name"]
        intervals.append(Interval(row, what, start_ns, stop_ns))
    return intervals
