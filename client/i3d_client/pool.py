"""Worker processes, as their parent sees them: started, watched, replaced, ended.

Everything that workers say arrives in one queue of ``(worker, message)``; the end of a process is
the message ``Died``.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

from i3d_client.messages import PARENT_DECIDES, Setup, Stop, Task

_KILL_AFTER_S = 5.0
_SHOWN_OF_LOG = 2000


@dataclass(frozen=True, kw_only=True)
class Died:
    """A worker process has ended.

    Attributes:
        reason: how, and the end of what it wrote to standard error.
    """

    reason: str


class Worker:
    """One worker process.

    Attributes:
        name: ``worker 1``, …
        ready: whether it has said that it can take tasks. It may be given one before.
        busy: whether it has a task to decode.
    """

    def __init__(self, setup: Setup) -> None:
        self.name = setup.name
        self.ready = False
        self.busy = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        ours, theirs = socket.socketpair()
        with theirs:
            # What goes to all processes of a terminal or a job, also while it starts, must not
            # end it: the parent decides.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, PARENT_DECIDES)
            try:
                self._process = subprocess.Popen(
                    # -P: what lies in the current folder is not imported.
                    [sys.executable, "-P", "-m", "i3d_client.worker", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._log,
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._pipe = Pipe(ours.detach())
        self.send(setup)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def send(self, message: Setup | Task | Stop) -> None:
        """Send a message; one that has died says so itself."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._pipe.send(message)

    def watch(self, events: asyncio.Queue[tuple[Worker | None, object]]) -> None:
        """Put what it says into the queue, and ``Died`` at its end."""

        def receive() -> None:
            try:
                while self._pipe.poll():
                    events.put_nowait((self, self._pipe.recv()))
            except (EOFError, OSError):
                loop.remove_reader(self._pipe.fileno())
                events.put_nowait((self, Died(reason=self._end())))
            except Exception as error:
                events.put_nowait((None, error))

        loop = asyncio.get_running_loop()
        loop.add_reader(self._pipe.fileno(), receive)

    def kill(self) -> None:
        """End it now."""
        self._process.kill()

    def _end(self) -> str:
        """Wait for the process, and say how it ended."""
        try:
            status = self._process.wait(_KILL_AFTER_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _SHOWN_OF_LOG))
        said = self._log.read().decode(errors="replace").strip()
        self._log.close()
        if status < 0:
            how = f"killed by {signal.Signals(-status).name}"
            if status == -signal.SIGKILL:
                how += " (out of memory?)"
        else:
            how = f"ended with status {status}"
        return f"{how}: {said.splitlines()[-1]}" if said else how


class Pool:
    """Up to ``count`` workers; an async context manager that leaves none behind.

    Args:
        setup: what all of them are told first.
        count: of workers at a time.

    Attributes:
        events: what workers say.
        workers: those that live.
    """

    def __init__(self, setup: Setup, count: int) -> None:
        self._setup = setup
        self._count = count
        self._started = 0
        self.events: asyncio.Queue[tuple[Worker | None, object]] = asyncio.Queue()
        self.workers: list[Worker] = []

    async def __aenter__(self) -> Pool:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.kill_all()

    def start_one(self) -> Worker | None:
        """Start a worker and return it; None if there are enough."""
        if len(self.workers) == self._count:
            return None
        self._started += 1
        worker = Worker(dataclasses.replace(self._setup, name=f"worker {self._started}"))
        worker.watch(self.events)
        self.workers.append(worker)
        return worker

    def idle(self, load: Callable[[Worker], int]) -> Worker | None:
        """Return the worker with the least load that can take a task.

        One is started if none can, and there may be more.
        """
        free = (worker for worker in self.workers if not worker.busy)
        return min(free, key=load, default=None) or self.start_one()

    def forget(self, worker: Worker) -> None:
        """Take one that has died from the list."""
        self.workers.remove(worker)

    async def kill_all(self) -> None:
        """End the workers that are left, and wait for them."""
        self.kill_now()
        while self.workers:
            worker, message = await self.events.get()
            if isinstance(message, Died) and worker is not None:
                self.forget(worker)

    def kill_now(self) -> None:
        """End the workers that are left."""
        for worker in self.workers:
            worker.kill()
