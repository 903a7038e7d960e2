"""The files of many recordings, written by a process a core: drawing takes most of the time."""

from __future__ import annotations

import ctypes
import signal
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Self

from i3d_client.errors import I3dError
from i3d_client.options import usable_cores
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.recording_files import Wanted, write_recording_files

_LEAST = 6  # recordings for which starting processes is worth its second
_PR_SET_PDEATHSIG = 1  # prctl(2)
_AHEAD = 2  # recordings a process, so that none waits


class RecordingWriters:
    """Writes recordings' files; a context manager that ends when all are written.

    Args:
        recordings: that there will be, about.
        say: told what cannot be written.

    Attributes:
        failed: how many recordings have a file that cannot be written.
    """

    def __init__(self, recordings: int, *, say: Callable[[str], None]) -> None:
        self.failed = 0
        self._say = say
        self._waiting: deque[Future[list[str]]] = deque()
        self._processes = min(usable_cores(), recordings) if recordings >= _LEAST else 1
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self._processes > 1:
            self._pool = ProcessPoolExecutor(
                self._processes,
                mp_context=get_context("spawn"),
                initializer=_begin,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=kind is not None)
        if kind is None:
            self._settle(0)

    def write(self, folder: Path, ethogram: Ethogram, wanted: Wanted) -> None:
        """Write a recording's files, sooner or later."""
        if self._pool is None:
            self._count(_write(folder, ethogram, wanted))
            return
        self._settle(_AHEAD * self._processes)
        self._waiting.append(self._pool.submit(_write, folder, ethogram, wanted))

    def _settle(self, most: int) -> None:
        while len(self._waiting) > most:
            self._count(self._waiting.popleft().result())

    def _count(self, problems: list[str]) -> None:
        self.failed += bool(problems)
        for problem in problems:
            self._say(f"error: {problem}")


def _write(folder: Path, ethogram: Ethogram, wanted: Wanted) -> list[str]:
    """Return what went wrong: not every error passes from process to process."""
    try:
        return write_recording_files(folder, ethogram, wanted)
    except I3dError as error:
        return [str(error)]


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
