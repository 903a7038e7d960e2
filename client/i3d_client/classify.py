"""Classify recordings and write their ethograms: what ``i3d classify`` does.

The parent opens recordings one ahead of the workers, gives out spans, keeps their results in the
journals, and writes the tables of a recording when its last span is there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from i3d_client.contract import ModelContract
from i3d_client.errors import I3dError, VideoError, WorkerError
from i3d_client.inputs import Input
from i3d_client.journal import OutputLock
from i3d_client.messages import Done, Failed, Progress, Ready, Result, Setup, Stop, Trouble
from i3d_client.options import Options, usable_cores
from i3d_client.pool import Died, Pool, Worker
from i3d_client.shared_memory import remove_dead_regions
from i3d_client.spans import Span
from i3d_client.trace import NO_TRACE, Recorder, TraceFile
from i3d_client.triton import Connection, Model
from i3d_client.work import Outcome, Work, prepare

INTERRUPTED = 130
_STARTS = 3
_STOP_WITHIN_S = 5.0
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

    SIGINT and SIGTERM end it early: what is in flight is finished and kept, and the recordings
    that are not done are ``interrupted``. A second one ends this process at once.

    Args:
        inputs: as ``collect`` returns them.
        options: server, model, output folder and the rest.
        observer: told what happens.
        trace: where to write what happens when.

    Returns:
        What became of each recording, in order.

    Raises:
        ServerError: the server or the model is not there, refuses, or was away for too long. What
            was done is kept.
        ContractError: the model cannot be used.
        OutputError: the output folder cannot be written, or another run has it.
        WorkerError: no worker process can be started.
    """
    async with Connection(options.server) as connection:
        model, contract = await connection.choose_model(options.model)
        workers = options.workers
        in_flight = options.in_flight or 2 * workers
        setup = Setup(
            name="",
            server=options.server,
            model=model,
            in_flight=max(1, in_flight // workers),
            transport=options.transport,
            give_up_after_s=options.give_up_after_s,
            traced=trace is not None,
        )
        with OutputLock(options.out):
            async with Pool(setup, min(workers, in_flight)) as pool:
                run = _Run(inputs, pool, options, observer, trace)
                opening = asyncio.create_task(run.open_all(model, contract))
                try:
                    return await run.run()
                finally:
                    opening.cancel()
                    await run.stop_workers()
                    if run.shares_memory:
                        await remove_dead_regions(connection)


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
        self._assigned: dict[Worker, _Assignment] = {}
        self._finishing: set[asyncio.Task[None]] = set()
        self._open_next = asyncio.Event()
        self._failed_starts = 0
        self._in_trouble: set[Worker] = set()
        self._said_transport = False
        self._interrupted = False
        self._ended = False
        self.shares_memory = False

    async def run(self) -> list[Outcome]:
        loop = asyncio.get_running_loop()
        # Only the main thread may handle signals.
        main = threading.current_thread() is threading.main_thread()
        signals = (signal.SIGINT, signal.SIGTERM) if main else ()
        for number in signals:
            loop.add_signal_handler(number, self._interrupt)
        try:
            self._pool.start_one()
            while len(self._outcomes) < len(self._inputs) and not self._interrupted:
                self._assign()
                self._handle(*await self._pool.events.get())
            await self.stop_workers()
            await asyncio.gather(*self._finishing)
        finally:
            for number in signals:
                loop.remove_signal_handler(number)
        return [
            self._outcomes.get(given) or Outcome(given=given, state="interrupted")
            for given in self._inputs
        ]

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
                event = error
            self._pool.events.put_nowait((None, event))
            await asyncio.sleep(0)  # let it be handled first

    def _check(self) -> None:
        """End the opening of recordings with the run."""
        if self._ended:
            raise I3dError("the run has ended")

    async def stop_workers(self) -> None:
        """Let the workers finish what is in flight, keep that, and see them end."""
        self._ended = True
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
            if sender is not None and isinstance(message, Result):
                self._keep(sender, message)
            elif sender is not None and isinstance(message, Died):
                self._pool.forget(sender)
        await self._pool.kill_all()

    def _interrupt(self) -> None:
        if self._interrupted:
            self._pool.kill_now()
            os._exit(INTERRUPTED)
        self._interrupted = True
        self._observer.said("stopping: what is in flight is finished and kept; again ends at once")
        self._pool.events.put_nowait((None, None))

    def _assign(self) -> None:
        """Give waiting spans to idle workers, those of earlier recordings first."""
        for work in self._works:
            while work.waiting:
                worker = self._pool.idle()
                if worker is None:
                    return
                span = work.waiting.pop(0)
                work.running += 1
                worker.busy = True
                self._assigned[worker] = _Assignment(work, span, span.first_segment)
                worker.send(work.task(span, all_cores=usable_cores()))
        self._open_next.set()

    def _handle(self, worker: Worker | None, event: object) -> None:
        if worker is None:
            self._handle_own(event)
        elif isinstance(event, Ready):
            self._failed_starts = 0
            self.shares_memory |= event.transport == "shared memory"
            if not self._said_transport:
                self._said_transport = True
                self._observer.said(f"frames go to {self._options.server} by {event.transport}")
        elif isinstance(event, Progress):
            self._assigned[worker].frames = event.frames
            self._advance(self._assigned[worker].work)
        elif isinstance(event, Result):
            self._keep(worker, event)
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
        assignment = self._assigned[worker]
        with self._recorder.span("write"):
            assignment.work.keep(result.span)
        assignment.done_to = result.span.stop_segment
        assignment.frames = 0
        if self._trace is not None:
            self._trace.write([*result.trace, *self._recorder.take()])
        self._advance(assignment.work)

    def _advance(self, work: Work) -> None:
        now = sum(a.frames for a in self._assigned.values() if a.work is work)
        self._observer.advanced(work, work.frames_before + work.frames_now + now)

    def _release(self, worker: Worker) -> None:
        work = self._assigned.pop(worker).work
        worker.busy = False
        work.running -= 1
        self._finish_if_done(work)

    def _fail(self, worker: Worker, error: I3dError) -> None:
        if not isinstance(error, VideoError):
            raise error
        work = self._assigned[worker].work
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
        """Put back the span of a worker that died; the next span starts another one."""
        self._pool.forget(worker)
        self._in_trouble.discard(worker)
        assignment = self._assigned.pop(worker, None)
        if assignment is None:
            self._failed_starts += 1
            if self._failed_starts == _STARTS:
                raise WorkerError(f"worker processes do not start: {reason}")
            self._pool.start_one()
            return
        work = assignment.work
        work.running -= 1
        self._observer.said(f"{worker.name} {reason}; another one takes its place")
        given_up = work.try_again(assignment.span, assignment.done_to, reason)
        if given_up is not None:
            self._observer.said(f"{work.given.name}: {given_up}")
        self._finish_if_done(work)

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
