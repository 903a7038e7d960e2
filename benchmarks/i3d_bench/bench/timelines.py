"""Who was busy when: the client's rows and the device, of one traced run (the paper's Fig. 1).

The client's rows are its readers or workers. The device's row is made of what the server counts:
its statistics are asked for many times a second, and each batch that has ended since is put before
the moment at which it was seen, for as long as it took. The places are therefore exact to one
interval of asking (``POLL_S``). Where the server's statistics do not have it (the CPU engine; a
server that refuses), the row says while a request was with the server, transfer and queue included.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from i3d_bench.bench.pipeline_run import REQUEST, Interval, Outcome
from i3d_bench.bench.server_view import ServedModel, ServerView
from i3d_client.trace import TraceEvent, TraceFile

DEVICE = "device"
COMPUTE = "compute"
POLL_S = 0.02
# Process ids of the rows in the file for viewers; rows are no processes of this machine.
_FIRST_PID = 1
_CLIENT_WORK = ("load", "decode", "send", "write")


@contextlib.contextmanager
def watched_device(view: ServerView, served: ServedModel) -> Iterator[list[Interval]]:
    """Fill the list with when the device was busy, until the context ends."""
    found: list[Interval] = []
    if not view.counts_executions(served):
        yield found
        return
    done = threading.Event()
    thread = threading.Thread(target=_watch, args=(view, served, found, done))
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def _watch(
    view: ServerView, served: ServedModel, found: list[Interval], done: threading.Event
) -> None:
    before = view.execution_seconds(served)
    ended = False
    while not ended:
        ended = done.wait(POLL_S)
        if ended:
            time.sleep(POLL_S)  # an execution is counted after it was answered
        now = view.execution_seconds(served)
        seen_ns = time.monotonic_ns()
        if now is None or before is None:
            return
        if now > before:
            begun_ns = seen_ns - round((now - before) * 1e9)
            found.append(Interval(DEVICE, COMPUTE, begun_ns, seen_ns))
        before = now


def timeline(outcome: Outcome, device: Sequence[Interval]) -> list[dict[str, Any]]:
    """Return the rows as bench.json has them: seconds from the run's begin.

    Args:
        outcome: of a traced run.
        device: when the device was busy; empty takes the requests.
    """
    begun_ns = outcome.begun_ns
    end_ns = begun_ns + round(outcome.seconds * 1e9)
    work = [one for one in outcome.intervals if one.what in _CLIENT_WORK]
    names = sorted({one.row for one in work}, key=_natural)
    rows = [(name, [one for one in work if one.row == name]) for name in names]
    requests = [one for one in outcome.intervals if one.what == REQUEST]
    rows.append((DEVICE, list(device) or requests))
    return [{"row": name, "spans": _spans(intervals, begun_ns, end_ns)} for name, intervals in rows]


def _spans(intervals: Sequence[Interval], begun_ns: int, end_ns: int) -> list[list[Any]]:
    """Join what overlaps or touches, of each kind, within the run."""
    spans: list[list[Any]] = []
    for what in dict.fromkeys(one.what for one in intervals):
        joined: list[list[int]] = []
        for one in sorted((one for one in intervals if one.what == what), key=lambda i: i[2]):
            start, stop = max(one.start_ns, begun_ns), min(one.stop_ns, end_ns)
            if stop <= start:
                continue
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], stop)
            else:
                joined.append([start, stop])
        spans += [
            [round((start - begun_ns) / 1e9, 6), round((stop - begun_ns) / 1e9, 6), what]
            for start, stop in joined
        ]
    return sorted(spans)


def busy_fraction(spans: Sequence[list[Any]], seconds: float) -> float:
    """Return how much of the run a row of spans covers, 0 … 1; spans may overlap."""
    covered, end = 0.0, 0.0
    for start, stop, _what in sorted(spans):
        covered += max(0.0, stop - max(start, end))
        end = max(end, stop)
    return covered / seconds


def _natural(row: str) -> tuple[str, int]:
    name, _, number = row.rpartition(" ")
    return (name, int(number)) if number.isdigit() else (row, 0)


def write_perfetto(path: Path, outcome: Outcome, device: Sequence[Interval]) -> None:
    """Write everything that was recorded for ui.perfetto.dev."""
    rows: dict[str, int] = {}
    events = []
    for one in [*outcome.intervals, *device]:
        row = one.row or "requests"
        pid = rows.setdefault(row, _FIRST_PID + len(rows))
        events.append(TraceEvent(row, pid, one.what, one.start_ns, one.stop_ns, {}))
    path.unlink(missing_ok=True)
    with TraceFile(path) as file:
        file.write(events)
