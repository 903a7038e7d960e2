"""The paper's three pipelines on this machine's CPU, written from its description.

TensorFlow at FP32 runs the Keras I3D with the weights of a model; OpenCV reads the video and brings
it to the model's geometry; tf.data feeds the windows in order:

- *synchronous*: read and scale, normalise, infer, in turn;
- *parallel*: as many readers as there are cores, each with a stretch of the video of its own
  (``interleave``), and a parallel ``map``;
- *asynchronous*: the same, and ``prefetch``, which the other two must be kept from having too:
  TensorFlow adds one by itself. What ``interleave`` and a parallel ``map`` read ahead is theirs.

TensorFlow has its own choice of threads and tf.data tunes itself. Everything that is done once
(weights, ``tf.function``) is done in ``load``. For a process of its own, with oneDNN switched on.

What tf.data passes on is segments, so that a frame of several windows is read and scaled once; the
windows are cut from them before the network. A batch is whole segments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.opencv_reader import SegmentReader
from i3d_bench.bench.pipeline_run import LOAD, REQUEST, Interval
from i3d_client.contract import ModelContract
from i3d_client.options import usable_cores
from i3d_export.architecture import INPUT_CHANNELS
from i3d_export.checkpoint import load_variables_file
from i3d_export.network import build_network, load_variables
from i3d_export.tensorflow_quietly import tf

Pipeline = Literal["synchronous", "parallel", "asynchronous"]
PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """One run of a pipeline.

    Attributes:
        begun_ns: when it opened the video, ``time.monotonic_ns``.
        seconds: from opening the video to the last answer.
        probabilities: (windows, classes) float32, in the video's order.
        intervals: of loading and of the network (``request``).
    """

    begun_ns: int
    seconds: float
    probabilities: NDArray[np.float32]
    intervals: list[Interval]


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    contract: ModelContract
    answer: Any


_loaded: _Loaded | None = None


def load(contract: ModelContract, variables: Path, batches: tuple[int, ...]) -> None:
    """Build the network, and run it once for each batch size, in windows."""
    global _loaded
    network = build_network(
        clip_frames=contract.clip_frames,
        height=contract.height,
        width=contract.width,
        classes=len(contract.labels),
    )
    load_variables(network, load_variables_file(variables))
    # (N, T): the frames of each window in its segment.
    frames = np.arange(contract.clip_frames) + contract.stride * np.arange(
        contract.windows_per_segment
    ).reshape(-1, 1)
    window = (contract.clip_frames, contract.height, contract.width, INPUT_CHANNELS)

    def answer(segments: Any) -> Any:
        windows = tf.reshape(tf.gather(segments, frames, axis=1), (-1, *window))
        return tf.nn.softmax(network(windows, training=False)[0])

    shape = (contract.segment_frames, *window[1:])
    traced = tf.function(answer, input_signature=[tf.TensorSpec((None, *shape), tf.float32)])
    for batch in batches:
        traced(tf.zeros((_segments(contract, batch), *shape)))
    _loaded = _Loaded(contract=contract, answer=traced)


def run(
    pipeline: Pipeline, video: Path, *, batch: int, windows: int, decoder_threads: int = 0
) -> PaperRun:
    """Classify the first ``windows`` windows of a video.

    Args:
        pipeline: which.
        video: a file.
        batch: windows that the network is given at a time; whole segments, at least one.
        windows: how many, from the first on.
        decoder_threads: of each reader; 0 is OpenCV's own choice.
    """
    if _loaded is None:
        raise RuntimeError("load() comes first")
    contract = _loaded.contract
    found: dict[int, NDArray[np.float32]] = {}
    loading = _Loading(video, contract, windows, decoder_threads)
    inferring: list[Interval] = []
    begun_ns = time.monotonic_ns()
    for numbers, segments in _dataset(pipeline, loading, _segments(contract, batch)):
        asked_ns = time.monotonic_ns()
        answers = _loaded.answer(segments).numpy()
        inferring.append(Interval("", REQUEST, asked_ns, time.monotonic_ns()))
        by_segment = answers.reshape(-1, contract.windows_per_segment, len(contract.labels))
        found.update(zip(numbers.numpy().tolist(), by_segment, strict=True))
    seconds = (time.monotonic_ns() - begun_ns) / 1e9
    probabilities = np.concatenate([found[number] for number in sorted(found)])[:windows]
    return PaperRun(
        begun_ns=begun_ns,
        seconds=seconds,
        probabilities=probabilities,
        intervals=[*loading.intervals, *inferring],
    )


def _segments(contract: ModelContract, windows: int) -> int:
    """Return how many whole segments ``windows`` are, at least one."""
    return max(1, windows // contract.windows_per_segment)


class _Loading:
    """Reads stretches of the segments, in as many threads as ask."""

    def __init__(
        self, video: Path, contract: ModelContract, windows: int, decoder_threads: int
    ) -> None:
        self.contract = contract
        self.segments = -(-windows // contract.windows_per_segment)
        self.intervals: list[Interval] = []
        self._video = video
        self._num_frames = contract.clip_frames + (windows - 1) * contract.stride
        self._decoder_threads = decoder_threads

    def read(self, reader: int, first: int, stop: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield segments ``[first, stop)``, each with its number: (S, height, width, channels)."""
        with SegmentReader(
            self._video,
            self.contract,
            num_frames=self._num_frames,
            first_segment=int(first),
            decoder_threads=self._decoder_threads,
        ) as segments:
            for number in range(int(first), int(stop)):
                begun_ns = time.monotonic_ns()
                segment = segments.read()
                row = f"reader {int(reader) + 1}"
                self.intervals.append(Interval(row, LOAD, begun_ns, time.monotonic_ns()))
                yield number, segment


def _dataset(pipeline: Pipeline, loading: _Loading, batch_segments: int) -> Any:
    """Return batches of (segments' numbers, (batch, S, height, width, 3) float32)."""
    contract = loading.contract
    signature = (
        tf.TensorSpec((), tf.int64),
        tf.TensorSpec(contract.segment_shape, tf.uint8),
    )

    def reader(number: Any, first: Any, stop: Any) -> Any:
        return tf.data.Dataset.from_generator(
            loading.read, args=(number, first, stop), output_signature=signature
        )

    def normalise(number: Any, frames: Any) -> Any:
        rule = contract.normalisation
        values = tf.cast(frames, tf.float32) / rule.divide_by + rule.add
        return number, tf.repeat(values, INPUT_CHANNELS // contract.channels, axis=-1)

    if pipeline == "synchronous":
        dataset = reader(0, 0, loading.segments).map(normalise).batch(batch_segments)
        return dataset.with_options(_as_written())
    cores = min(usable_cores(), loading.segments)
    bounds = np.linspace(0, loading.segments, cores + 1).round().astype(np.int64)
    readers = tf.data.Dataset.from_tensor_slices((np.arange(cores), bounds[:-1], bounds[1:]))
    dataset = readers.interleave(reader, cycle_length=cores, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(normalise, num_parallel_calls=tf.data.AUTOTUNE).batch(batch_segments)
    if pipeline == "parallel":
        return dataset.with_options(_as_written())
    return dataset.prefetch(tf.data.AUTOTUNE)


def _as_written() -> Any:
    """Return options without what TensorFlow makes of a pipeline by itself.

    It adds a prefetch at the end, and gives a map and a batch threads of their own, which read
    ahead: then the synchronous pipeline is none.
    """
    options = tf.data.Options()
    options.experimental_optimization.apply_default_optimizations = False
    return options


def read_windows(
    video: Path, contract: ModelContract, first: int, stop: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read a video as the paper's pipelines do, for a model of one window a segment.

    Yield windows ``[first, stop)``, each with its number: (T, height, width, channels) uint8.
    """
    yield from _Loading(video, contract, stop, 0).read(0, first, stop)
