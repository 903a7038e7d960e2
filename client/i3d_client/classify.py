"""Classify recordings and write their ethograms: what ``i3d classify`` does.

The parent opens recordings one ahead of the workers, gives out spans, keeps their results in the
journals, and writes the tables of a recording when its last span is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import sys
import threading
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from i3d_client.contract import ModelContract
from i3d_client.errors import I3dError, OutputError, VideoError, WorkerError
from i3d_client.inference import may_share_memory
from i3d_client.inputs import Input
from i3d_client.journal import OutputLock
from i3d_client.messages import (
    Decoded,
    Done,
    Failed,
    Progress,
    Ready,
    Result,
    Setup,
    Stop,
    Trouble,
)
from i3d_client.options import Options, usable_cores
from i3d_client.pool import Died, Pool, Worker
from i3d_client.shared_memory import remove_dead_regions
from i3d_client.spans import Span
from i3d_client.trace import NO_TRACE, Recorder, TraceFile
from i3d_client.triton import Connection, Model
from i3d_client.work import Outcome, Work, prepare

INTERRUPTED = 130
_STARTS = 3
_BYTES_A_WORKER = 2_000_000
_STOP_WITHIN_S = 5.0
_END_WITHIN_S = 1.5  # after the second signal
_TIDY_WITHIN_S = 1.0
_OPEN_AHEAD = 2


class Observer(Protocol):
    """Is told what happens."""

    def opened(self, work: Work) -> None:
        """A recording is opened; its spans are given out as workers are free."""

    def advanced(self, work: Work, frames: int) -> None:
        """``frames`` of it are done, by this run and those before it."""

    def ended(self, outcome: Outcome) -> None:
        """A recording has ended, well or not."""

    def said(self, message: str) -> None:
        """Something that the user should know now."""


@dataclass
class _Assignment:
    """A span that a worker has. Of all but the newest only answers are still to come."""

    work: Work
    span: Span
    done_to: int
    frames: int = 0


async def classify_recordings(
    inputs: Sequence[Input],
    *,
    options: Options,
    observer: Observer,
    trace: TraceFile | None = None,
) -> list[Outcome]:
    """Classify recordings; one that fails leaves the others alone.

    SIGINT, SIGTERM and SIGHUP end it early: what is in flight is finished and kept, and the
    recordings that are not done are ``interrupted``. A second one ends this process at once.

    Args:
        inputs: as ``collect`` returns them.
        options: server, model, output folder and the rest.
        observer: told what happens.
        trace: where to write what happens when.

    Returns:
        What became of each recording, in order.

    Raises:
        CredentialsError: the lab's credentials cannot be used.
        ServerError: the server or the model is not there, refuses, or was away for too long. What
            was done is kept.
        ContractError: the model cannot be used.
        OutputError: the output folder cannot be written, or another run has it.
        WorkerError: no worker process can be started.
    """
    async with Connection(options.access) as connection:
        model, contract = await connection.choose_model(options.model)
        workers = options.workers
        in_flight = options.in_flight or 2 * workers
        setup = Setup(
            name="",
            access=options.access,
            model=model,
            in_flight=max(1, in_flight // workers),
            transport=options.transport,
            priority=options.priority,
            give_up_after_s=options.give_up_after_s,
            features=options.needs_features,
            traced=trace is not None,
        )
        with OutputLock(options.out):
            async with (
                _tidy(connection, options),
                Pool(setup, min(workers, in_flight)) as pool,
            ):
                run = _Run(inputs, pool, options, observer, trace)
                opening = asyncio.create_task(run.open_all(model, contract))
                try:
                    return await run.run()
                finally:
                    opening.cancel()


@dataclass(frozen=True)
class _Opened:
    given: Input
    prepared: Work | Outcome


class _Run:
    def __init__(
        self,
        inputs: Sequence[Input],
        pool: Pool,
        options: Options,
        observer: Observer,
        trace: TraceFile | None,
    ) -> None:
        self._inputs = inputs
        self._pool = pool
        self._options = options
        self._observer = observer
        self._trace = trace
        self._recorder = NO_TRACE if trace is None else Recorder("parent")
        self._works: list[Work] = []
        self._outcomes: dict[Input, Outcome] = {}
        self._assigned: defaultdict[Worker, deque[_Assignment]] = defaultdict(deque)
        self._finishing: set[asyncio.Task[None]] = set()
        self._open_next = asyncio.Event()
        self._failed_starts = 0
        self._in_trouble: set[Worker] = set()
        self._said_transport = False
        self._interrupted = False
        self._at_once = False
        self._ended = False

    async def run(self) -> list[Outcome]:
        with _handling_signals(self._interrupt):
            try:
                # Starting takes as long as opening a video; a short one needs no second worker.
                for _ in range(1 + self._bytes_named() // _BYTES_A_WORKER):
                    if self._pool.start_one() is None:
                        break
                while len(self._outcomes) < len(self._inputs) and not self._interrupted:
                    self._assign()
                    self._handle(*await self._pool.events.get())
            except BaseException:
                await self._stop()
                raise
            error = await self._stop()
        if error is not None:
            raise error
        open_now = {work.given: work for work in self._works}
        return [
            self._outcomes.get(given)
            or (
                open_now[given].interrupted()
                if given in open_now
                else Outcome(given=given, state="interrupted")
            )
            for given in self._inputs
        ]

    def _bytes_named(self) -> int:
        """Size of all files, in bytes; of those that are there."""
        files = (path for given in self._inputs for path in given.files)
        return sum(path.stat().st_size for path in files if path.exists())

    async def open_all(self, model: Model, contract: ModelContract) -> None:
        """Open recordings, a few ahead of the workers."""
        for given in self._inputs:
            while sum(bool(work.waiting) for work in self._works) >= _OPEN_AHEAD:
                self._open_next.clear()
                await self._open_next.wait()
            try:
                event: object = _Opened(
                    given,
                    await asyncio.to_thread(
                        prepare,
                        given,
                        model=model,
                        contract=contract,
                        options=self._options,
                        check=self._check,
                    ),
                )
            except Exception as error:
                if self._ended:
                    return
                event = error
            self._pool.events.put_nowait((None, event))
            await asyncio.sleep(0)  # let it be handled first

    def _check(self) -> None:
        """End the opening of recordings with the run."""
        if self._ended:
            raise I3dError("the run has ended")

    async def _stop(self) -> Exception | None:
        """See everything end, and keep what was in flight; return what went wrong with that."""
        self._ended = True
        error = await self._stop_workers()
        await asyncio.gather(*self._finishing)
        while not self._pool.events.empty():
            error = self._keep_last(*self._pool.events.get_nowait()) or error
        return error

    async def _stop_workers(self) -> Exception | None:
        error: Exception | None = None
        for worker in self._pool.workers:
            worker.send(Stop())
        deadline = asyncio.get_running_loop().time() + _STOP_WITHIN_S
        while self._pool.workers:
            left = deadline - asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(max(0.0, left)):
                    sender, message = await self._pool.events.get()
            except TimeoutError:
                break
            error = self._keep_last(sender, message) or error
        await self._pool.kill_all()
        return error

    def _keep_last(self, sender: Worker | None, event: object) -> Exception | None:
        """Handle what comes after the end; return what goes wrong."""
        if sender is not None and isinstance(event, Died):
            self._pool.forget(sender)
        elif sender is not None and isinstance(event, Done | Failed):
            if self._assigned[sender]:
                self._assigned[sender].popleft()  # results after this are the next span's
        elif isinstance(event, Result | Outcome):
            try:
                self._handle(sender, event)
            except OutputError as error:
                return error
        elif isinstance(event, _Opened) and isinstance(event.prepared, Work):
            self._works.append(event.prepared)  # what earlier runs did of it is kept
        elif isinstance(event, Exception):
            return event
        return None

    def _interrupt(self) -> None:
        if self._at_once:
            _exit_now()
        if self._interrupted:
            self._at_once = True
            self._pool.kill_now()
            threading.Timer(_END_WITHIN_S, _exit_now).start()
            return
        self._interrupted = True
        self._observer.said("stopping: what is in flight is finished and kept; again ends at once")
        self._pool.events.put_nowait((None, None))

    def _assign(self) -> None:
        """Give waiting spans to idle workers, those of earlier recordings first."""
        for work in self._works:
            while work.waiting:
                worker = self._pool.idle(lambda one: len(self._assigned[one]))
                if worker is None:
                    self._open_next.set()
                    return
                span = work.waiting.pop(0)
                work.running += 1
                worker.busy = True
                self._assigned[worker].append(_Assignment(work, span, span.first_segment))
                worker.send(work.task(span, all_cores=usable_cores()))
        self._open_next.set()

    def _handle(self, worker: Worker | None, event: object) -> None:
        if worker is None:
            self._handle_own(event)
        elif isinstance(event, Ready):
            self._failed_starts = 0
            worker.ready = True
            if not self._said_transport:
                self._said_transport = True
                access = self._options.access
                through = event.transport if access.credentials is None else "gRPC through TLS"
                self._observer.said(f"frames go to {access.server} by {through}")
        elif isinstance(event, Progress):
            self._assigned[worker][0].frames = event.frames
            self._advance(self._assigned[worker][0].work)
        elif isinstance(event, Result):
            self._keep(worker, event)
        elif isinstance(event, Decoded):
            worker.busy = False
        elif isinstance(event, Done):
            self._release(worker)
        elif isinstance(event, Failed):
            self._fail(worker, event.error)
        elif isinstance(event, Trouble):
            self._trouble(worker, event.message)
        elif isinstance(event, Died):
            self._replace(worker, event.reason)

    def _handle_own(self, event: object) -> None:
        if isinstance(event, Exception):
            raise event
        if isinstance(event, Outcome):
            self._end(event)
        elif isinstance(event, _Opened):
            if isinstance(event.prepared, Outcome):
                self._end(event.prepared)
                return
            work = event.prepared
            self._works.append(work)
            self._observer.opened(work)
            self._advance(work)
            self._finish_if_done(work)

    def _keep(self, worker: Worker, result: Result) -> None:
        assignment = self._assigned[worker][0]
        with self._recorder.span("write"):
            assignment.work.keep(result.span)
        assignment.done_to = result.span.stop_segment
        assignment.frames = 0
        if self._trace is not None:
            self._trace.write([*result.trace, *self._recorder.take()])
        self._advance(assignment.work)

    def _advance(self, work: Work) -> None:
        assigned = itertools.chain.from_iterable(self._assigned.values())
        now = sum(assignment.frames for assignment in assigned if assignment.work is work)
        self._observer.advanced(work, work.frames_before + work.frames_now + now)

    def _release(self, worker: Worker) -> None:
        work = self._assigned[worker].popleft().work
        work.running -= 1
        self._finish_if_done(work)

    def _fail(self, worker: Worker, error: I3dError) -> None:
        if not isinstance(error, VideoError):
            raise error
        work = self._assigned[worker][0].work
        work.waiting, work.failure = [], str(error)
        self._release(worker)

    def _trouble(self, worker: Worker, message: str | None) -> None:
        before = bool(self._in_trouble)
        if message is None:
            self._in_trouble.discard(worker)
        else:
            self._in_trouble.add(worker)
        if not before and message is not None:
            self._observer.said(f"waiting for the server: {message}")
        elif before and not self._in_trouble:
            self._observer.said("the server answers again")

    def _replace(self, worker: Worker, reason: str) -> None:
        """Put back the spans of a worker that died; the next span starts another one.

        One of them may be why it died: the newest if that was being decoded, else the oldest.
        """
        self._pool.forget(worker)
        self._in_trouble.discard(worker)
        assignments = self._assigned.pop(worker, deque())
        if not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == _STARTS:
                raise WorkerError(
                    f"worker processes do not start, {_STARTS} in a row: the last one {reason}"
                )
        if assignments and worker.ready:
            self._observer.said(f"{worker.name} {reason}; another one takes its place")
        suspect = assignments[-1 if worker.busy else 0] if assignments and worker.ready else None
        for assignment in reversed(assignments):
            work = assignment.work
            work.running -= 1
            given_up = work.put_back(
                assignment.span,
                assignment.done_to,
                died=reason if assignment is suspect else None,
            )
            if given_up is not None:
                self._observer.said(f"{work.given.name}: {given_up}")
        for assignment in assignments:
            self._finish_if_done(assignment.work)

    def _finish_if_done(self, work: Work) -> None:
        if work.waiting or work.running or work not in self._works:
            return
        self._works.remove(work)
        task = asyncio.create_task(self._finish(work))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _finish(self, work: Work) -> None:
        try:
            with self._recorder.span("write"):
                outcome: object = await asyncio.to_thread(work.finish)
        except Exception as error:
            outcome = error
        self._pool.events.put_nowait((None, outcome))

    def _end(self, outcome: Outcome) -> None:
        self._outcomes[outcome.given] = outcome
        self._observer.ended(outcome)


@contextlib.asynccontextmanager
async def _tidy(connection: Connection, options: Options) -> AsyncIterator[None]:
    """At the end, remove the shared memory of workers that could not do so."""
    try:
        yield
    finally:
        if may_share_memory(options.access, options.transport):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TIDY_WITHIN_S):
                    await remove_dead_regions(connection)


@contextlib.contextmanager
def _handling_signals(handle: Callable[[], None]) -> Iterator[None]:
    """Call ``handle`` for SIGINT, SIGTERM and SIGHUP, which nohup has ignored."""
    loop = asyncio.get_running_loop()
    # Only the main thread may handle signals.
    main = threading.current_thread() is threading.main_thread()
    signals = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if main and signal.getsignal(number) is not signal.SIG_IGN
    ]
    for number in signals:
        loop.add_signal_handler(number, handle)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


def _exit_now() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\x1b[?25h\n")  # progress bars hide the cursor
        sys.stderr.flush()
    os._exit(INTERRUPTED)
