"""The paper's three pipelines on this machine's CPU, written from its description.

TensorFlow at FP32 runs the Keras I3D with the published Kinetics-400 weights; OpenCV reads the
video and brings it to the model's geometry; tf.data feeds 64-frame windows back to back:

- *synchronous*: read and scale, normalise, infer, in turn;
- *parallel*: as many readers as there are cores, each with a stretch of the video of its own
  (``interleave``), and a parallel ``map``;
- *asynchronous*: the same, and ``prefetch``.

TensorFlow has its own choice of threads and tf.data tunes itself. Everything that is done once
(weights, ``tf.function``) is done in ``load``. For a process of its own, with oneDNN switched on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_client.options import usable_cores
from i3d_export.checkpoint import load_variables_file
from i3d_export.network import build_network, load_variables
from i3d_export.tensorflow_quietly import tf

Pipeline = Literal["synchronous", "parallel", "asynchronous"]
PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)


@dataclass(frozen=True, kw_only=True)
class PaperRun:
    """One run of a pipeline.

    Attributes:
        seconds: from opening the video to the last answer.
        probabilities: (windows, classes) float32, in the video's order.
    """

    seconds: float
    probabilities: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Loaded:
    contract: ModelContract
    answer: Any


_loaded: _Loaded | None = None


def load(contract: ModelContract, variables: Path, batches: tuple[int, ...]) -> None:
    """Build the network, and trace it for each batch size."""
    global _loaded
    network = build_network(
        clip_frames=contract.clip_frames,
        height=contract.height,
        width=contract.width,
        classes=len(contract.labels),
    )
    load_variables(network, load_variables_file(variables))
    answer = tf.function(lambda windows: tf.nn.softmax(network(windows, training=False)[0]))
    for batch in batches:
        answer(tf.zeros((batch, *contract.segment_shape)))
    _loaded = _Loaded(contract=contract, answer=answer)


def run(pipeline: Pipeline, video: Path, *, batch: int, windows: int) -> PaperRun:
    """Classify the first ``windows`` windows of a video, a multiple of ``batch``."""
    if _loaded is None:
        raise RuntimeError("load() comes first")
    found: dict[int, NDArray[np.float32]] = {}
    started = time.perf_counter()
    for numbers, frames in _dataset(pipeline, video, _loaded.contract, batch, windows):
        answers = _loaded.answer(frames).numpy()
        found.update(zip(numbers.numpy().tolist(), answers, strict=True))
    seconds = time.perf_counter() - started
    return PaperRun(
        seconds=seconds, probabilities=np.stack([found[number] for number in range(windows)])
    )


def _dataset(
    pipeline: Pipeline, video: Path, contract: ModelContract, batch: int, windows: int
) -> Any:
    """Return batches of (window numbers, (batch, T, height, width, 3) float32)."""
    signature = (
        tf.TensorSpec((), tf.int64),
        tf.TensorSpec(contract.segment_shape, tf.uint8),
    )

    def read(first: int, stop: int) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        return read_windows(video, contract, first, stop)

    def reader(first: Any, stop: Any) -> Any:
        return tf.data.Dataset.from_generator(read, args=(first, stop), output_signature=signature)

    def normalise(number: Any, frames: Any) -> Any:
        rule = contract.normalisation
        return number, tf.cast(frames, tf.float32) / rule.divide_by + rule.add

    if pipeline == "synchronous":
        return reader(0, windows).map(normalise).batch(batch)
    cores = usable_cores()
    bounds = np.linspace(0, windows, cores + 1).round().astype(np.int64)
    windows_of_readers = tf.data.Dataset.from_tensor_slices((bounds[:-1], bounds[1:]))
    dataset = windows_of_readers.interleave(
        reader, cycle_length=cores, num_parallel_calls=tf.data.AUTOTUNE
    )
    dataset = dataset.map(normalise, num_parallel_calls=tf.data.AUTOTUNE).batch(batch)
    return dataset.prefetch(tf.data.AUTOTUNE) if pipeline == "asynchronous" else dataset


def read_windows(
    video: Path, contract: ModelContract, first: int, stop: int
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Read a video as the paper's pipelines do.

    Yield windows ``[first, stop)``, each with its number: (T, height, width, 3) uint8, RGB.
    """
    capture = cv2.VideoCapture(str(video))
    capture.set(cv2.CAP_PROP_POS_FRAMES, int(first) * contract.stride)
    try:
        for number in range(int(first), int(stop)):
            window = np.empty(contract.segment_shape, np.uint8)
            for row in window:
                read, picture = capture.read()
                if not read:
                    raise RuntimeError(f"{video}: OpenCV cannot read a frame of window {number}")
                _to_geometry(picture, row, contract)
            yield number, window
    finally:
        capture.release()


def _to_geometry(picture: NDArray[Any], out: NDArray[np.uint8], contract: ModelContract) -> None:
    """Scale the short side, crop the centre, BGR → RGB."""
    height, width = picture.shape[:2]
    if contract.resize.short_side is None:
        raise ValueError(f"resize: expected short_side_centre_crop, got {contract.resize.rule}")
    scale = contract.resize.short_side / min(height, width)
    scaled = cv2.resize(picture, (round(width * scale), round(height * scale)))
    top = (scaled.shape[0] - contract.height) // 2
    left = (scaled.shape[1] - contract.width) // 2
    cropped = scaled[top : top + contract.height, left : left + contract.width]
    cv2.cvtColor(cropped, cv2.COLOR_BGR2RGB, dst=out)
