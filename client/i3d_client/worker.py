"""A worker process: decodes spans in a thread and has them classified, for its parent.

    python -m i3d_client.worker FD

``FD`` is one end of a socket pair; ``i3d_client.messages`` are what goes through it. A worker ends
when its parent says ``Stop`` or is gone. Frames stay here; only results go back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe

import av
import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE, ModelContract
from i3d_client.errors import I3dError, VideoError
from i3d_client.geometry import to_geometry, use_one_opencv_thread
from i3d_client.inference import Inference
from i3d_client.messages import (
    PARENT_DECIDES,
    Decoded,
    Done,
    Failed,
    Progress,
    Ready,
    Result,
    Setup,
    Stop,
    Task,
    Trouble,
)
from i3d_client.segments import Buffers, Segment, cut_segments
from i3d_client.spans import SpanResult
from i3d_client.streaming import Answer, Decoding, answers_in_order
from i3d_client.trace import NO_TRACE, Recorder
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, Reader

_PROGRESS_EVERY_S = 0.25
_CHECK_EVERY_S = 2.0
_DRAIN_S = 3.0


@dataclass(frozen=True)
class _Begun:
    """A task that is being decoded, or has been."""

    decoding: Decoding
    report: _Report


class _Worker:
    """Decodes a task while the last answers of the one before are awaited.

    The parent gives a task when that before it is decoded, so one thread decodes at a time.
    """

    def __init__(self, pipe: Pipe, setup: Setup) -> None:
        self._pipe = pipe
        self._setup = setup
        self._given: list[Task] = []
        self._begun: asyncio.Queue[_Begun | None] = asyncio.Queue()
        self._decodings: list[Decoding] = []
        self._inference: Inference | None = None
        self._working: asyncio.Task[None] | None = None
        self._stopping = False
        self._readers: dict[int, Reader] = {}
        self._recorder = Recorder(setup.name) if setup.traced else NO_TRACE

    async def run(self) -> None:
        """Work until the parent says ``Stop``."""
        loop = asyncio.get_running_loop()
        # In a thread, so that the parent can always send: both may have much to say at a time.
        threading.Thread(target=self._listen, args=(loop,), name="listen", daemon=True).start()
        setup = self._setup
        try:
            async with Connection(setup.access, recorder=self._recorder) as connection:
                inference = Inference(
                    connection,
                    setup.model,
                    in_flight=setup.in_flight,
                    transport=setup.transport,
                    priority=setup.priority,
                    give_up_after_s=setup.give_up_after_s,
                    features=setup.features,
                    on_trouble=lambda message: self._pipe.send(Trouble(message=message)),
                )
                async with inference:
                    await self._take_tasks(inference)
        except I3dError as error:
            self._pipe.send(Failed(error=error))

    async def _take_tasks(self, inference: Inference) -> None:
        self._pipe.send(Ready(transport=inference.transport))
        self._inference = inference
        self._begin()
        try:
            while not self._stopping and (begun := await self._begun.get()) is not None:
                try:
                    await self._classify(begun, inference)
                except VideoError as error:
                    self._pipe.send(Failed(error=error))
                else:
                    self._pipe.send(Done())
        finally:
            self._stopping = True
            for decoding in self._decodings:
                decoding.stop()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Pass the parent's messages on as they come; without a parent, die."""
        try:
            while True:
                message = self._pipe.recv()
                with contextlib.suppress(RuntimeError):  # the loop has ended
                    loop.call_soon_threadsafe(self._receive, message)
        except (EOFError, OSError):
            os.kill(os.getpid(), signal.SIGKILL)

    def _receive(self, message: Task | Stop) -> None:
        if isinstance(message, Stop):
            self._stop()
            return
        self._given.append(message)
        try:
            self._begin()
        except Exception:  # in a callback it would only be logged
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)

    def _begin(self) -> None:
        """Begin to decode what was given, once there is memory for it."""
        if self._inference is None or self._stopping:
            return
        contract, buffers = self._inference.contract, self._inference.buffers
        for task in self._given:
            report = _Report(task, contract, self._recorder, features=self._setup.features)
            reader = self._readers.setdefault(
                task.codec_threads, Reader(codec_threads=task.codec_threads)
            )
            decoding = Decoding(
                segments_of_task(task, contract, report.counts, reader, buffers),
                buffers,
                self._recorder,
                on_decoded=lambda: self._pipe.send(Decoded()),
            )
            self._decodings.append(decoding)
            self._begun.put_nowait(_Begun(decoding, report))
        self._given.clear()

    def _stop(self) -> None:
        self._stopping = True
        self._begun.put_nowait(None)
        for decoding in self._decodings:
            decoding.stop()
        if self._working is not None:
            asyncio.get_running_loop().call_later(_DRAIN_S, self._working.cancel)

    async def _classify(self, begun: _Begun, inference: Inference) -> None:
        report = begun.report
        self._working = asyncio.create_task(self._ask(begun.decoding, inference, report))
        ended = False
        try:
            await self._working
            ended = not self._stopping
        except asyncio.CancelledError:
            if not self._stopping:
                raise
        finally:
            self._working = None
            self._decodings.remove(begun.decoding)
            rest = report.rest(ended=ended)
            if rest is not None:
                self._pipe.send(rest)

    async def _ask(self, decoding: Decoding, inference: Inference, report: _Report) -> None:
        said = checked = time.monotonic()
        async with (
            decoding,
            aclosing(answers_in_order(decoding, inference, self._setup.in_flight)) as answers,
        ):
            async for answer in answers:
                if report.due(answer) or time.monotonic() - checked > _CHECK_EVERY_S:
                    await inference.check_model()
                    report.confirm()
                    checked = time.monotonic()
                result = report.add(answer)
                if result is not None:
                    self._pipe.send(result)
                if time.monotonic() - said > _PROGRESS_EVERY_S:
                    said = time.monotonic()
                    self._pipe.send(Progress(frames=report.frames))
            await inference.check_model()
            report.confirm()


class _Report:
    """Collects answers into results.

    Answers count once they are confirmed: the model was still the right one after them.
    """

    def __init__(
        self, task: Task, contract: ModelContract, recorder: Recorder, *, features: bool
    ) -> None:
        self._task = task
        self._advance = contract.windows_per_segment * contract.stride
        self._classes = len(contract.labels)
        self._recorder = recorder
        self._features = features
        self._first = task.first_segment
        self._answers: list[Answer] = []
        self._confirmed = 0
        self.counts = DecodeCounts(first=task.first_segment * self._advance)

    @property
    def frames(self) -> int:
        """That the answers since the last result cover."""
        return (self._answers[-1].number + 1 - self._first) * self._advance if self._answers else 0

    def due(self, answer: Answer) -> bool:
        """Whether enough came before this answer for a result."""
        return answer.number - self._first >= self._task.report_segments

    def confirm(self) -> None:
        """Count all answers so far."""
        self._confirmed = len(self._answers)

    def add(self, answer: Answer) -> Result | None:
        """Take an answer; return a result of those before if it is due. They are confirmed."""
        result = self._result(answer.number, ends_at=None) if self.due(answer) else None
        self._answers.append(answer)
        return result

    def rest(self, *, ended: bool) -> Result | None:
        """Return what has not been returned, after the last answer.

        Args:
            ended: False if the task was broken off. Then the last segment may lack its tail
                window, and is left out, and so is what is not confirmed.
        """
        if not ended:
            self._answers = self._answers[: self._confirmed]
            whole = self._answers[-1].number if self._answers else self._first
            self._answers = [answer for answer in self._answers if answer.number < whole]
            return self._result(whole, ends_at=None) if whole > self._first else None
        stop = self._answers[-1].number + 1 if self._answers else self._first
        ends_at = self.counts.first + self.counts.num_frames
        return self._result(stop, ends_at=ends_at if self._task.stop_segment is None else None)

    def _result(self, stop_segment: int, *, ends_at: int | None) -> Result:
        """Make a result of all answers so far."""
        first_frame = self._first * self._advance
        stop_frame = stop_segment * self._advance if ends_at is None else ends_at
        lost = np.array(self.counts.lost_frames, np.int64)
        lost = lost[(lost >= first_frame) & (lost < stop_frame)]
        answers = self._answers
        scored = [[window.scored for window in answer.windows] for answer in answers]
        probabilities = [answer.probabilities for answer in answers]
        features = [answer.features for answer in answers]
        span = SpanResult(
            first_segment=self._first,
            stop_segment=stop_segment,
            probabilities=_rows(probabilities, scored, self._classes),
            scored=np.array([flag for flags in scored for flag in flags], bool),
            decoded=stop_frame - first_frame - len(lost),
            lost_frames=lost,
            num_frames=ends_at,
            features=_rows(features, scored, FEATURE_SIZE) if self._features else None,
        )
        self._first, self._answers, self._confirmed = stop_segment, [], 0
        return Result(span=span, trace=self._recorder.take())


def _rows(
    answers: Sequence[NDArray[np.float32] | None], scored: Sequence[Sequence[bool]], size: int
) -> NDArray[np.float32]:
    """Put the rows of all windows that count one below another; 0 where one is not scored.

    Args:
        answers: (N, size) float32 of each segment; None if no window of it could be scored.
        scored: of each segment, the windows that count; the last segment may have fewer than N.
        size: of a row.

    Returns:
        (windows, size) float32.
    """
    rows = np.zeros((sum(map(len, scored)), size), np.float32)
    first = 0
    for answer, flags in zip(answers, scored, strict=True):
        stop = first + len(flags)
        if answer is not None:
            rows[first:stop] = answer[: len(flags)]
            rows[first:stop][~np.array(flags, bool)] = 0
        first = stop
    return rows


def segments_of_task(
    task: Task, contract: ModelContract, counts: DecodeCounts, reader: Reader, buffers: Buffers
) -> Iterator[Segment]:
    """Decode a task's frames and cut them into segments. Blocks: use a thread."""
    rotation = 0

    def frames() -> Iterator[av.VideoFrame | None]:
        nonlocal rotation
        for stretch in task.stretches:
            rotation = stretch.rotation
            yield from reader.frames(stretch)

    def convert(frame: av.VideoFrame, row: NDArray[np.uint8]) -> None:
        to_geometry(frame, row, contract=contract, rotation=rotation)

    return cut_segments(
        counts.counted(frames()),
        contract=contract,
        convert=convert,
        buffers=buffers,
        first_segment=task.first_segment,
    )


def main() -> None:
    """Run as the module docstring says."""
    for number in PARENT_DECIDES:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PARENT_DECIDES)
    use_one_opencv_thread()
    pipe = Pipe(int(sys.argv[1]))
    setup = pipe.recv()
    try:
        asyncio.run(_Worker(pipe, setup).run())
    except BrokenPipeError:  # the parent is gone
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
