"""What no pipeline can beat: each part of the work alone.

- ``decoding``: every picture once, by PyAV, in as many processes as there are cores; the video is
  cut at key frames alone, so that nothing is decoded twice;
- ``preprocessing``: pictures in memory to the model's geometry, in the same processes;
- ``loading``: both, one picture after another, with no network at all (the paper's Fig. 2);
- ``inference``: segments from memory, as many in flight as keep the device busy;
- ``wire``: the same to a null model on the real Triton, which answers at once, through gRPC; and
  ``shared_memory``, which a client takes with a server on its own machine.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import av
import numpy as np

from i3d_bench.bench.clients import held_to
from i3d_bench.bench.errors import PipelineError
from i3d_bench.bench.subject import Subject
from i3d_client.access import Access
from i3d_client.contract import ModelContract
from i3d_client.geometry import to_geometry, use_one_opencv_thread
from i3d_client.inference import Inference
from i3d_client.recording import open_recording
from i3d_client.segments import Buffers, Segment, WindowRange
from i3d_client.transport import Transport
from i3d_client.triton import Connection
from i3d_client.video import Reader, Stretch

_PIECES_PER_CORE = 4
_KEPT_BYTES = 64 * 2**20
_kept: dict[Path, list[av.VideoFrame]] = {}  # of each process


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one process decodes at a time.

    Attributes:
        stretches: from a key frame on.
        codec_threads: of the decoder.
    """

    stretches: tuple[Stretch, ...]
    codec_threads: int


class LoadingBounds:
    """Times decoding and pre-processing on a number of cores; a context manager."""

    def __init__(self, cores: int) -> None:
        self._cores = cores

    def __enter__(self) -> LoadingBounds:
        with held_to(self._cores):
            context = multiprocessing.get_context("spawn")
            self._pool: Pool = context.Pool(self._cores, use_one_opencv_thread)
        self._once_in_each(_start, 0.5)
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def decoding_s(self, subject: Subject) -> float:
        """Return how long decoding takes."""
        return self._pieces(subject, _decode)

    def loading_s(self, subject: Subject) -> float:
        """Return how long decoding to the model's geometry takes."""
        return self._pieces(subject, partial(_load, subject.contract))

    def preprocessing_s(self, subject: Subject) -> float:
        """Return how long it takes to bring as many pictures to the model's geometry."""
        self._once_in_each(_keep_pictures, subject.video)
        bounds = np.linspace(0, subject.num_frames, self._cores + 1).round().astype(int)
        convert = partial(_preprocess, subject.video, subject.contract)
        begun = time.monotonic()
        self._pool.map(convert, np.diff(bounds).tolist(), chunksize=1)
        return time.monotonic() - begun

    def _once_in_each(self, job: Callable[[Any], None], argument: object) -> None:
        self._pool.map(job, [argument] * self._cores, chunksize=1)

    def _pieces(self, subject: Subject, job: Callable[[Piece], int]) -> float:
        pieces = _cut(subject, cores=self._cores)
        begun = time.monotonic()
        decoded = sum(self._pool.map(job, pieces, chunksize=1))
        seconds = time.monotonic() - begun
        if decoded < subject.num_frames:
            raise PipelineError(f"decoded {decoded} of {subject.num_frames} frames")
        return seconds


def _cut(subject: Subject, *, cores: int) -> list[Piece]:
    """Cut the subject at key frames, into several pieces a core where there are enough."""
    recording = open_recording((subject.video,), stop_s=subject.stop_s)
    keys = recording.key_frames[recording.key_frames > 0]
    starts = [0]
    if recording.one_pass is None:
        wanted = subject.num_frames // (_PIECES_PER_CORE * cores)
        for key in keys.tolist():
            if key - starts[-1] >= wanted:
                starts.append(key)
    # One that cannot be cut is decoded with threads, as i3d classify does.
    threads = cores if len(starts) == 1 else 1
    return [
        Piece(stretches=tuple(recording.stretches(first, stop)), codec_threads=threads)
        for first, stop in zip(starts, [*starts[1:], None], strict=True)
    ]


def _decode(piece: Piece) -> int:
    return sum(1 for _ in _pictures(piece))


def _load(contract: ModelContract, piece: Piece) -> int:
    out, count = np.empty(contract.frame_shape, np.uint8), 0
    for rotation, picture in _pictures(piece):
        to_geometry(picture, out, contract=contract, rotation=rotation)
        count += 1
    return count


def _pictures(piece: Piece) -> Iterator[tuple[int, av.VideoFrame]]:
    with Reader(codec_threads=piece.codec_threads) as reader:
        for stretch in piece.stretches:
            for picture in reader.frames(stretch):
                if picture is not None:
                    yield stretch.rotation, picture


def _start(seconds: float) -> None:
    """Import what this module does; wait, so that no process gets two of these jobs."""
    time.sleep(seconds)


def _keep_pictures(video: Path) -> None:
    """Have the first pictures of a video in this process's memory."""
    if video not in _kept:
        _kept.clear()
        with av.open(str(video)) as container:
            pictures = []
            for frame in container.decode(video=0):
                pictures.append(frame)
                if len(pictures) * frame.width * frame.height * 3 > _KEPT_BYTES:
                    break
        _kept[video] = pictures
    time.sleep(0.2)  # so that no process gets two of these jobs


def _preprocess(video: Path, contract: ModelContract, count: int) -> None:
    if video not in _kept:
        _keep_pictures(video)
    pictures, out = _kept[video], np.empty(contract.frame_shape, np.uint8)
    for number in range(count):
        to_geometry(pictures[number % len(pictures)], out, contract=contract)


def inference_s(
    access: Access, model: str, *, segments: int, in_flight: int, transport: Transport = "auto"
) -> float:
    """Return how long the server takes for so many segments, from memory.

    Raises:
        ServerError: it does not answer.
    """
    return asyncio.run(_infer(access, model, segments, in_flight, transport))


async def _infer(
    access: Access, name: str, segments: int, in_flight: int, transport: Transport
) -> float:
    async with Connection(access) as connection:
        model, contract = await connection.choose_model(name)
        inference = Inference(
            connection, model, in_flight=in_flight, transport=transport, give_up_after_s=60
        )
        async with inference:
            held = list(_segments(inference.buffers, contract, min(in_flight, segments)))
            numbers = iter(range(segments))

            async def ask(segment: Segment) -> None:
                for _ in numbers:  # shared: each asks for the next one when it is answered
                    await inference.ask(segment)

            begun = time.monotonic()
            try:
                async with asyncio.TaskGroup() as group:
                    for segment in held:
                        group.create_task(ask(segment))
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            return time.monotonic() - begun


def _segments(buffers: Buffers, contract: ModelContract, count: int) -> Iterator[Segment]:
    noise = np.random.default_rng(0)
    for number in range(count):
        window = WindowRange(0, contract.clip_frames, True)
        segment = Segment(number=number, buffer=buffers.take(), windows=(window,))
        segment.frames[...] = noise.integers(0, 256, contract.segment_shape, np.uint8)
        yield segment


@contextmanager
def null_model(contract: ModelContract) -> Iterator[tuple[Access, str]]:
    """Start the real Triton with a model that answers at once; yield how to reach it."""
    from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator

    with simulated_accelerator(contract=contract, seconds_per_window=0) as address:
        yield Access(server=address), MODEL_NAME
