"""Windows of a video, as an async iterator: decoding, transfer and inference overlap.

    frames ─→ segment ─→ request ─→ window
    (thread)  (thread)   (asyncio, at most ``in_flight``)

The next segment is decoded while earlier ones are on their way or at work on the server. What is
held in memory is ``in_flight`` + 2 segments, whatever the length of the video.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import OUTPUT_PROBABILITIES, ModelContract
from i3d_client.errors import RequestRejectedError
from i3d_client.geometry import to_geometry
from i3d_client.options import DEFAULT_IN_FLIGHT, default_server
from i3d_client.segments import Segment, cut_segments
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
    """

    start_frame: int
    stop_frame: int
    probabilities: NDArray[np.float32] | None
    labels: tuple[str, ...]

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
    in_flight: int = DEFAULT_IN_FLIGHT,
) -> AsyncGenerator[Window, None]:
    """Classify a video and yield its windows in order, as they come.

    Args:
        video: path of a file that FFmpeg can read.
        model: name on the server; None takes the only one there is.
        server: ``HOST:PORT``; None takes ``I3D_SERVER``, else localhost:8001.
        in_flight: requests at most between this client and the server.

    Raises:
        VideoError: the video cannot be read.
        ServerError: the server is not there or refuses.
        ContractError: the model is not one of this project's.
    """
    async with Connection(server or default_server()) as connection:
        chosen, contract = await connection.choose_model(model)
        opened = await asyncio.to_thread(open_video, Path(video))
        windows = classify_windows(
            opened,
            connection=connection,
            model=chosen.name,
            contract=contract,
            counts=DecodeCounts(),
            in_flight=in_flight,
        )
        async with aclosing(windows):
            async for window in windows:
                yield window


async def classify_windows(
    video: Video,
    *,
    connection: Connection,
    model: str,
    contract: ModelContract,
    counts: DecodeCounts,
    in_flight: int,
) -> AsyncGenerator[Window, None]:
    """Yield the windows of an opened video in order; ``counts`` is filled on the way."""
    segments = segments_of(video, contract=contract, counts=counts)
    pending: deque[asyncio.Task[list[Window]]] = deque()
    try:
        while (segment := await asyncio.to_thread(next, segments, None)) is not None:
            while len(pending) >= in_flight:
                for window in await pending.popleft():
                    yield window
            pending.append(asyncio.create_task(_ask(segment, connection, model, contract)))
        while pending:
            for window in await pending.popleft():
                yield window
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)


def segments_of(
    video: Video, *, contract: ModelContract, counts: DecodeCounts, codec_threads: int = 0
) -> Iterator[Segment]:
    """Decode a video and cut it into segments at the model's geometry. Blocks: use a thread."""

    def convert(frame: av.VideoFrame, row: NDArray[np.uint8]) -> None:
        to_geometry(frame, row, contract=contract, rotation=video.rotation)

    frames = decode(video, counts, codec_threads=codec_threads)
    return cut_segments(frames, contract=contract, convert=convert)


async def _ask(
    segment: Segment,
    connection: Connection,
    model: str,
    contract: ModelContract,
) -> list[Window]:
    """Get the windows of one segment; one without a scorable window is not sent."""
    answers: NDArray[np.float32] | None = None
    if any(window.scored for window in segment.windows):
        outputs = await connection.infer(model, segment.frames, outputs=[OUTPUT_PROBABILITIES])
        answers = outputs[OUTPUT_PROBABILITIES]
        expected = (contract.windows_per_segment, len(contract.labels))
        if answers.shape != expected:
            raise RequestRejectedError(
                f"model {model}: {OUTPUT_PROBABILITIES}: expected {expected} (windows, classes) "
                f"as its contract says, got {answers.shape}: export the model again"
            )
    return [
        Window(
            start_frame=window.start,
            stop_frame=window.stop,
            probabilities=answers[place] if answers is not None and window.scored else None,
            labels=contract.labels,
        )
        for place, window in enumerate(segment.windows)
    ]
