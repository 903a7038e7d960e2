"""``--trace FILE``: what every process did when, in the Trace Event Format.

chrome://tracing and ui.perfetto.dev show it. A process has a row for each kind of interval
(``decode``, ``wait``, ``send``, ``infer``, ``write``), and one row more for each interval of a kind
that overlaps another, such as requests in flight. Rows are threads and intervals complete events
("X"), which both viewers lay out alike; they do not with asynchronous events ("b", "e").

Workers record with a ``Recorder`` and hand over what it ``take``s; the parent writes it to the
one ``TraceFile``. Times are CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from i3d_client.errors import OutputError
from i3d_client.printable import json_line, printable

_KINDS = ("decode", "wait", "send", "infer", "write")
# Row ids must not be process ids (at most 2 ** 22): a viewer takes such a row for a main thread.
_FIRST_ROW = 10_000_000


class TraceEvent(NamedTuple):
    """One interval of one process.

    Attributes:
        process: its name.
        pid: of the process.
        name: kind of interval.
        start_ns, stop_ns: CLOCK_MONOTONIC, as ``time.monotonic_ns``.
        args: what the viewer shows beside it.
    """

    process: str
    pid: int
    name: str
    start_ns: int
    stop_ns: int
    args: dict[str, Any]


class Recorder:
    """Collects the intervals of this process, from any of its threads and tasks.

    ``NO_TRACE`` is one that keeps nothing.
    """

    def __init__(self, process: str) -> None:
        self._process = process
        self._pid = os.getpid()
        self._events: list[TraceEvent] = []

    def span(self, name: str, **args: Any) -> Span:
        """Return a context manager whose duration is recorded."""
        return Span(self, name, args)

    def add(self, name: str, start_ns: int, stop_ns: int, /, **args: Any) -> None:
        """Record an interval ``[start_ns, stop_ns)`` of ``time.monotonic_ns``."""
        self._events.append(TraceEvent(self._process, self._pid, name, start_ns, stop_ns, args))

    def take(self) -> list[TraceEvent]:
        """Return what was recorded since the last time, to be pickled or written."""
        count = len(self._events)  # other threads may append meanwhile
        taken = self._events[:count]
        del self._events[:count]
        return taken


class Span:
    """Records the duration of its ``with`` block, also if the block raises."""

    __slots__ = ("_args", "_name", "_recorder", "_start_ns")

    def __init__(self, recorder: Recorder, name: str, args: dict[str, Any]) -> None:
        self._recorder, self._name, self._args = recorder, name, args

    def __enter__(self) -> None:
        self._start_ns = time.monotonic_ns()

    def __exit__(self, *error: object) -> None:
        self._recorder.add(self._name, self._start_ns, time.monotonic_ns(), **self._args)


class _NoSpan(Span):
    __slots__ = ()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass


class _NoRecorder(Recorder):
    def span(self, name: str, **args: Any) -> Span:  # noqa: ARG002
        return _NO_SPAN

    def add(self, name: str, start_ns: int, stop_ns: int, /, **args: Any) -> None:
        pass


NO_TRACE: Recorder = _NoRecorder("")
"""What to record with if there is no trace."""
_NO_SPAN = _NoSpan(NO_TRACE, "", {})


class TraceFile:
    """Writes intervals as they come: a JSON array that is readable at any time but for its ``]``.

    Both viewers open an array without its end, so a run that was killed leaves its trace.

    Raises:
        OutputError: the file cannot be written, or holds something that is no trace.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows = _Rows()
        self._written = 0
        self._failed = False
        try:
            _refuse_to_replace(path)
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise self._error(error) from error
        self._append(b"[")

    def write(self, events: Sequence[TraceEvent]) -> None:
        """Write intervals that a recorder gave; they need not be in order.

        Raises:
            OutputError: they cannot be written (once: what follows is dropped).
        """
        lines = []
        for event in sorted(events, key=lambda event: event.start_ns):
            row, described = self._rows.row(event)
            lines += [*described, _interval(event, row)]
        if lines:
            text = ",\n".join(json_line(line) for line in lines)
            self._append((",\n" if self._written > 1 else "\n").encode() + text.encode())

    def close(self) -> None:
        """End the array.

        Raises:
            OutputError: it cannot be written.
        """
        if not self._file.closed:
            try:
                self._append(b"\n]\n")
            finally:
                self._file.close()

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(OutputError):
            self.close()

    def _append(self, data: bytes) -> None:
        """Write all of ``data`` or, if the disk is full, nothing, now and later."""
        if self._failed:
            return
        try:
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._failed = True
            with suppress(OSError):
                self._file.truncate(self._written)
            raise self._error(error) from error
        self._written += len(data)

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{printable(self._path)}: the trace cannot be written: {error.strerror}. Choose "
            "another file with --trace, or make room or give permission there"
        )


def _refuse_to_replace(path: Path) -> None:
    if not path.is_file():
        return
    with path.open("rb") as file:
        if file.read(1) not in (b"", b"["):
            raise OutputError(
                f"{printable(path)}: holds something that is no trace, and --trace would replace "
                "it. Name another file"
            )


class _Rows:
    """Gives every interval a row of its process and kind in which it overlaps no other."""

    def __init__(self) -> None:
        self._processes: set[int] = set()
        self._ends: dict[tuple[int, str], dict[int, int]] = {}
        self._count = 0

    def row(self, event: TraceEvent) -> tuple[int, list[dict[str, Any]]]:
        """Return the row, and the metadata events that describe what is new."""
        described: list[dict[str, Any]] = []
        ends = self._ends.setdefault((event.pid, event.name), {})
        free = [row for row, end in ends.items() if end <= event.start_ns]
        if free:
            row = max(free, key=lambda row: ends[row])
        else:
            row = _FIRST_ROW + self._count
            self._count += 1
            described = _describe_row(event, row, number=len(ends) + 1)
        if event.pid not in self._processes:
            self._processes.add(event.pid)
            described.append(_metadata("process_name", event.pid, row, name=event.process))
        ends[row] = event.stop_ns
        return row, described


def _describe_row(event: TraceEvent, row: int, *, number: int) -> list[dict[str, Any]]:
    name = event.name if number == 1 else f"{event.name} {number}"
    kind = _KINDS.index(event.name) if event.name in _KINDS else len(_KINDS)
    return [
        _metadata("thread_name", event.pid, row, name=name),
        _metadata("thread_sort_index", event.pid, row, sort_index=1000 * kind + number),
    ]


def _metadata(name: str, pid: int, row: int, /, **args: Any) -> dict[str, Any]:
    return {"ph": "M", "name": name, "pid": pid, "tid": row, "args": args}


def _interval(event: TraceEvent, row: int) -> dict[str, Any]:
    return {
        "ph": "X",
        "name": event.name,
        "pid": event.pid,
        "tid": row,
        "ts": event.start_ns / 1000,
        "dur": (event.stop_ns - event.start_ns) / 1000,
        "args": event.args,
    }
