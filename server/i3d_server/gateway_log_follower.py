"""Lines that are appended to a log, across its rotation and its truncation.

A log that is there at the start is followed from its end; one that appears later, from its
beginning. When the path names another file, the old one is read once more at the next call: nginx's
workers write to it until each has reopened its log.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

# A line is a few hundred bytes; one without an end must not fill the memory.
_MAX_LINE_BYTES = 1 << 20
_MAX_READ_BYTES = 16 << 20


class LogFollower:
    """The end of one log; asked again and again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rest = b""
        self._replaced = False
        self._file = self._open()
        if self._file is not None:
            self._file.seek(0, os.SEEK_END)

    def new_lines(self) -> list[bytes]:
        """Return the whole lines that came since the last call, without their ends.

        At most 16 MiB a call; what is left comes with the next one.
        """
        if self._file is None:
            self._file = self._open()
        if self._file is None:
            return []
        if os.fstat(self._file.fileno()).st_size < self._file.tell():
            self._file.seek(0)
            self._rest = b""
        read = self._file.read(_MAX_READ_BYTES)
        lines = self._whole_lines(read)
        if len(read) == _MAX_READ_BYTES:
            return lines
        if self._replaced:
            self.close()
            self._file, self._rest = self._open(), b""
        self._replaced = not self._replaced and self._was_replaced()
        return lines

    def close(self) -> None:
        """Close the log."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _whole_lines(self, read: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + read).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return [line for line in lines if line.strip()]

    def _was_replaced(self) -> bool:
        assert self._file is not None  # noqa: S101 - its only caller has just read from it
        try:
            named = self._path.stat()
        except OSError:
            return False
        mine = os.fstat(self._file.fileno())
        return (named.st_dev, named.st_ino) != (mine.st_dev, mine.st_ino)

    def _open(self) -> BinaryIO | None:
        try:
            return self._path.open("rb")
        except FileNotFoundError:
            return None
