"""Windows of a video, as an async iterator: decoding, transfer and inference overlap.

    frames ─→ segment ─→ request ─→ window
    (a thread of its own)  (asyncio, at most ``in_flight``)

The thread decodes ahead of the requests until all buffers are full. What is held in memory is
``in_flight`` + 3 segments, whatever the length of the video.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from i3d_client.access import find_access
from i3d_client.contract import ModelContract
from i3d_client.errors import VideoError
from i3d_client.geometry import to_geometry
from i3d_client.inference import Inference
from i3d_client.options import DEFAULT_GIVE_UP_AFTER_S, DEFAULT_IN_FLIGHT
from i3d_client.priority import Priority
from i3d_client.segments import Buffers, BuffersClosedError, Segment, WindowRange, cut_segments
from i3d_client.trace import NO_TRACE, Recorder
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, Video, decode, open_video


@dataclass(frozen=True, kw_only=True)
class Window:
    """T consecutive frames and what the network says of them.

    Attributes:
        start_frame, stop_frame: ``[start_frame, stop_frame)``; in a video shorter than T the stop
            is the video's end.
        probabilities: (classes,) float32 in the order of the contract's labels, summing to 1;
            None if a frame of the window could not be decoded.
        labels: the contract's labels.
        features: (1024,) float32, the network's pooled embedding, from which its probabilities
            follow; None if they were not asked for, or with the probabilities.
    """

    start_frame: int
    stop_frame: int
    probabilities: NDArray[np.float32] | None
    labels: tuple[str, ...]
    features: NDArray[np.float32] | None = None

    def top(self, count: int) -> list[tuple[str, float]]:
        """Return the ``count`` most probable labels with their probabilities, best first."""
        if self.probabilities is None:
            return []
        best = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.labels[index], float(self.probabilities[index])) for index in best]

    @property
    def label(self) -> str | None:
        """The most probable label; None if the window is unscored."""
        return self.top(1)[0][0] if self.probabilities is not None else None

    @property
    def score(self) -> float | None:
        """The probability of ``label``, 0 … 1; None if the window is unscored."""
        return self.top(1)[0][1] if self.probabilities is not None else None


async def stream(
    video: str | os.PathLike[str],
    *,
    model: str | None = None,
    server: str | None = None,
    credentials: str | os.PathLike[str] | None = None,
    priority: Priority | None = None,
    in_flight: int = DEFAULT_IN_FLIGHT,
    give_up_after_s: float = DEFAULT_GIVE_UP_AFTER_S,
    features: bool = False,
) -> AsyncGenerator[Window, None]:
    """Classify a video in this process and yield its windows in order, as they come.

    Args:
        video: path of a file that FFmpeg can read.
        model: name on the server; None takes the only one there is.
        server: ``HOST:PORT``; None takes ``I3D_SERVER``, the configuration file's, that of the
            credentials, else localhost:8001.
        credentials: folder for a lab server; None takes ``I3D_CREDENTIALS`` or the configuration
            file's, if there are any.
        priority: ``interactive`` goes before ``batch``; None leaves it to the model.
        in_flight: requests at most between this client and the server.
        give_up_after_s: how long the server may be away before that is an error.
        features: whether to ask for the windows' features, too.

    Raises:
        VideoError: the video cannot be read.
        CredentialsError: the credentials cannot be used.
        ServerError: the server is not there or refuses.
        ContractError: the model is not one of this project's.
    """
    access = find_access(server=server, credentials=credentials)
    async with Connection(access) as connection:
        chosen, contract = await connection.choose_model(model)
        opened = await asyncio.to_thread(open_video, Path(video))
        inference = Inference(
            connection,
            chosen,
            in_flight=in_flight,
            priority=priority,
            give_up_after_s=give_up_after_s,
            features=features,
        )
        async with inference:
            segments = segments_of(
                opened, contract=contract, counts=DecodeCounts(), buffers=inference.buffers
            )
            decoding = Decoding(segments, inference.buffers)
            async with decoding, aclosing(answers_in_order(decoding, inference, in_flight)) as all_:
                async for answer in all_:
                    for place, window in enumerate(answer.windows):
                        yield Window(
                            start_frame=window.start,
                            stop_frame=window.stop,
                            probabilities=_row(answer.probabilities, place, window),
                            labels=contract.labels,
                            features=_row(answer.features, place, window),
                        )


def _row(
    known: NDArray[np.float32] | None, place: int, window: WindowRange
) -> NDArray[np.float32] | None:
    return known[place] if known is not None and window.scored else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the server said of a segment.

    Attributes:
        number: the segment's place in the recording.
        windows: those that count.
        probabilities: (N, classes) float32; None if no window could be scored.
        features: (N, 1024) float32; None in the same case, and if they were not asked for.
    """

    number: int
    windows: tuple[WindowRange, ...]
    probabilities: NDArray[np.float32] | None
    features: NDArray[np.float32] | None


async def answers_in_order(
    segments: AsyncIterator[Segment], inference: Inference, in_flight: int
) -> AsyncGenerator[Answer, None]:
    """Ask for segments, ``in_flight`` at a time at most, and yield the answers in their order."""
    pending: deque[asyncio.Task[Answer]] = deque()
    try:
        async for segment in segments:
            asked = asyncio.create_task(_ask(segment, inference))
            # Also of one that is cancelled before it has begun.
            asked.add_done_callback(functools.partial(_release, segment))
            pending.append(asked)
            while pending and (len(pending) >= in_flight or pending[0].done()):
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


async def _ask(segment: Segment, inference: Inference) -> Answer:
    outputs = await inference.ask(segment)
    return Answer(
        number=segment.number,
        windows=segment.windows,
        probabilities=None if outputs is None else outputs.probabilities,
        features=None if outputs is None else outputs.features,
    )


def _release(segment: Segment, _asked: asyncio.Task[Answer]) -> None:
    segment.release()


class Decoding:
    """Takes segments from an iterator in a thread of its own, ahead of whoever takes them here.

    An async iterator, and a context manager that waits for the thread's end. The thread begins at
    once, and waits where ``buffers`` has nothing free.

    Args:
        segments: decodes as it is iterated.
        buffers: what the segments lie in; closed if this is stopped before its end.
        recorder: of when a segment was decoded, and when that had to wait.
        on_decoded: called when nothing is left to decode, or no more of this video can be.
    """

    def __init__(
        self,
        segments: Iterator[Segment],
        buffers: Buffers,
        recorder: Recorder = NO_TRACE,
        on_decoded: Callable[[], None] = lambda: None,
    ) -> None:
        self._segments = segments
        self._buffers = buffers
        self._recorder = recorder
        self._on_decoded = on_decoded
        self._decoded: asyncio.Queue[Segment | BaseException | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._stopped = False
        self._ended = False
        self._thread = threading.Thread(target=self._decode, name="decode")
        self._thread.start()

    async def __aenter__(self) -> Decoding:
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.stop()
        await asyncio.to_thread(self._thread.join)

    def __aiter__(self) -> Decoding:
        return self

    async def __anext__(self) -> Segment:
        """Return the next segment.

        Raises:
            VideoError: decoding failed.
        """
        item = await self._decoded.get()
        if isinstance(item, Segment) and not self._stopped:
            return item
        self._ended = not self._stopped
        if isinstance(item, BaseException):
            raise item
        raise StopAsyncIteration

    def stop(self) -> None:
        """End soon: what has not been taken yet is dropped."""
        if self._ended:
            return
        self._stopped = True
        self._buffers.close()
        self._decoded.put_nowait(None)

    def _decode(self) -> None:
        end: BaseException | None = None
        try:
            for segment in self._segments:
                buffer = segment.buffer
                self._recorder.add("wait", buffer.asked_ns, buffer.taken_ns)
                self._recorder.add(
                    "decode", buffer.taken_ns, time.monotonic_ns(), segment=segment.number
                )
                self._loop.call_soon_threadsafe(self._decoded.put_nowait, segment)
                if self._stopped:
                    break
        except BuffersClosedError:
            pass
        except BaseException as error:
            end = error
        if end is None or isinstance(end, VideoError):
            self._loop.call_soon_threadsafe(self._on_decoded)
        self._loop.call_soon_threadsafe(self._decoded.put_nowait, end)


def segments_of(
    video: Video,
    *,
    contract: ModelContract,
    counts: DecodeCounts,
    buffers: Buffers | None = None,
    codec_threads: int = 0,
) -> Iterator[Segment]:
    """Decode a video and cut it into segments at the model's geometry. Blocks: use a thread.

    Without ``buffers``, one segment at a time can be held: release it before the next.
    """
    buffers = buffers or Buffers.for_segments(contract, 1)

    def convert(frame: av.VideoFrame, row: NDArray[np.uint8]) -> None:
        to_geometry(frame, row, contract=contract, rotation=video.rotation)

    frames = decode(video, counts, codec_threads=codec_threads)
    return cut_segments(frames, contract=contract, convert=convert, buffers=buffers)
