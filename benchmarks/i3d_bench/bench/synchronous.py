"""The paper's synchronous and parallel pipeline, as clients of Triton.

``synchronous`` is the paper's first snippet: one process and one thread reads a batch of windows
with OpenCV, brings them to the model's geometry, asks for them with tritonclient, and waits.

``parallel`` maps reading over the cores, a thread and a stretch of the video of its own for each
(OpenCV lets Python's other threads run); then it asks for what was read, batch by batch, and waits.
Reading and requests do not overlap: nothing is prefetched.

A batch is awaited as a whole. Where the server takes no request as large, it is sent as several at
once, so that the device has the batch all the same.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput, InferResult

from i3d_bench.bench.opencv_reader import SegmentReader
from i3d_bench.bench.pipeline_run import LOAD, REQUEST, Interval, Outcome, Run
from i3d_bench.bench.server_view import open_client
from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES

_TIMEOUT_S = 600.0
Segments = NDArray[np.uint8]


def run_synchronous(run: Run) -> Outcome:
    """Read, ask, wait, in turn."""
    return _timed(run, readers=1)


def run_parallel(run: Run) -> Outcome:
    """Read on all cores, then ask and wait."""
    return _timed(run, readers=min(run.readers or run.cores, run.subject.segments))


def _timed(run: Run, *, readers: int) -> Outcome:
    cv2.setNumThreads(1)
    with open_client(run.access) as client:
        asking = _Asking(client, run)
        asking.client.is_server_ready()  # connects
        begun_ns, processor_s = time.monotonic_ns(), time.process_time()
        with _Loading(run, readers) as loading:
            for numbers, segments in loading.steps():
                for first in range(0, len(numbers), run.batch_segments):
                    batch = slice(first, first + run.batch_segments)
                    asking.ask(numbers[batch], segments[batch])
        stop_ns = time.monotonic_ns()
        return Outcome(
            begun_ns=begun_ns,
            seconds=(stop_ns - begun_ns) / 1e9,
            processor_s=time.process_time() - processor_s,
            probabilities=asking.probabilities(),
            intervals=[*loading.intervals, *asking.intervals] if run.traced else [],
        )


class _Loading:
    """Readers, each with a stretch of the segments."""

    def __init__(self, run: Run, readers: int) -> None:
        self.intervals: list[Interval] = []
        self._stack = ExitStack()
        subject = run.subject
        bounds = np.linspace(0, subject.segments, readers + 1).round().astype(int).tolist()
        self._stretches = [iter(range(first, stop)) for first, stop in pairwise(bounds)]
        self._readers = [
            self._stack.enter_context(
                SegmentReader(
                    subject.video,
                    subject.contract,
                    num_frames=subject.num_frames,
                    first_segment=first,
                    frame_s=run.frame_s,
                )
            )
            for first in bounds[:-1]
        ]
        # So that a step is whole batches.
        self._at_a_time = run.batch_segments // math.gcd(run.batch_segments, readers)

    def __enter__(self) -> _Loading:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def steps(self) -> Iterator[tuple[list[int], list[Segments]]]:
        """Yield the segments' numbers and frames that all readers have read together."""
        if len(self._readers) == 1:
            while loaded := self._load(0):
                yield [number for number, _ in loaded], [frames for _, frames in loaded]
            return
        with ThreadPoolExecutor(len(self._readers)) as threads:
            while parts := list(threads.map(self._load, range(len(self._readers)))):
                loaded = [one for part in parts for one in part]
                if not loaded:
                    return
                yield [number for number, _ in loaded], [frames for _, frames in loaded]

    def _load(self, reader: int) -> list[tuple[int, Segments]]:
        begun_ns = time.monotonic_ns()
        loaded = []
        for _ in range(self._at_a_time):
            number = next(self._stretches[reader], None)
            if number is None:
                break
            loaded.append((number, self._readers[reader].read()))
        if loaded:
            row = f"reader {reader + 1}"
            self.intervals.append(Interval(row, LOAD, begun_ns, time.monotonic_ns()))
        return loaded


class _Asking:
    """Asks for batches, and keeps the answers by their segments' numbers."""

    def __init__(self, client: InferenceServerClient, run: Run) -> None:
        self.client = client
        self.intervals: list[Interval] = []
        self._run = run
        self._answers: dict[int, NDArray[np.float32]] = {}

    def ask(self, numbers: Sequence[int], segments: Sequence[Segments]) -> None:
        """Ask for one batch, and wait."""
        begun_ns = time.monotonic_ns()
        size = self._run.request_segments
        parts = [
            (numbers[first : first + size], segments[first : first + size])
            for first in range(0, len(numbers), size)
        ]
        waiting = [self._send(frames) for _, frames in parts]
        for (part, _), answer in zip(parts, waiting, strict=True):
            self._answers.update(zip(part, answer.wait(), strict=True))
        self.intervals.append(Interval("", REQUEST, begun_ns, time.monotonic_ns()))

    def probabilities(self) -> NDArray[np.float32]:
        """Return (windows, classes) of all that was asked."""
        whole = np.concatenate([self._answers[number] for number in sorted(self._answers)])
        return whole[: self._run.subject.windows]

    def _send(self, segments: Sequence[Segments]) -> _Answer:
        frames = np.stack(segments) if len(segments) > 1 else segments[0][np.newaxis]
        tensor = InferInput(INPUT_FRAMES, list(frames.shape), "UINT8")
        tensor.set_data_from_numpy(frames)
        answer = _Answer()
        self.client.async_infer(
            self._run.model,
            [tensor],
            answer.take,
            outputs=[InferRequestedOutput(OUTPUT_PROBABILITIES)],
            client_timeout=_TIMEOUT_S,
        )
        return answer


class _Answer:
    """What tritonclient calls when the server has answered, in a thread of its own."""

    def __init__(self) -> None:
        self._arrived = threading.Event()
        self._result: InferResult | None = None
        self._error: Exception | None = None

    def take(self, result: InferResult | None, error: Exception | None) -> None:
        self._result, self._error = result, error
        self._arrived.set()

    def wait(self) -> NDArray[np.float32]:
        """Return (segments, N, classes) float32.

        Raises:
            InferenceServerException: the server refused.
        """
        self._arrived.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None  # noqa: S101 - tritonclient gives one of the two
        values: NDArray[np.float32] = self._result.as_numpy(OUTPUT_PROBABILITIES)
        return values
