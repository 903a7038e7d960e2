"""``--log-json``: what happens, as one JSON object a line, for programs that watch a run."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

from i3d_client.printable import json_line


class JsonLog:
    """Writes events to a stream, each as one line, from any thread.

    A line has ``time`` (ISO 8601, UTC) and ``event`` before the event's own fields. Lines are
    ASCII, so that a stream of any encoding takes them. A stream that can no longer be written
    loses the log, not the run.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def event(self, name: str, /, **fields: Any) -> None:
        """Write one event; paths, NumPy's numbers, NaN and undecodable names are all taken.

        Raises:
            ValueError: a field is called ``time`` or ``event``.
        """
        if taken := fields.keys() & {"time", "event"}:
            raise ValueError(f"every event has a field {sorted(taken)[0]!r} of its own")
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json_line({"time": now, "event": name, **fields}) + "\n"
        with self._lock, suppress(OSError):
            self._stream.write(line)
            self._stream.flush()
