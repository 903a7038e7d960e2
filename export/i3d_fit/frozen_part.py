"""What the frozen part of a network makes of windows: computed once, kept on the disk.

Nothing of it changes in training, so every epoch takes it from there: without gradients, and at the
cost of one pass over the windows instead of one for each epoch. At 16 × 192 × 256 what enters
``Mixed_5b`` or ``Mixed_5c`` is 0.3 MB a window.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_client.durable import write_errors
from i3d_client.signals import ended_by_exception
from i3d_export.shape import Floats, GraphShape
from i3d_export.tensorflow_quietly import tf
from i3d_fit.errors import FitError
from i3d_fit.material import Material
from i3d_fit.network_parts import NetworkParts
from i3d_fit.training_windows import read_windows

# The first window's time is mostly TensorFlow's, building the graph.
_TIMED = 8

Say = Callable[[str], None]
OnWindow = Callable[[int, int], None]
"""Called with the windows that are done and with how many there are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrozenWindows:
    """What the trained blocks take, for windows of a material.

    Attributes:
        places: (m,) int64, rising: which windows of the material.
        values: (m, *between) float32, mapped from the disk.
    """

    places: NDArray[np.int64]
    values: Floats


@contextmanager
def frozen_windows(
    parts: NetworkParts,
    *,
    material: Material,
    videos: Sequence[Path],
    chosen: NDArray[np.bool_],
    contract: ModelContract,
    scratch: Path,
    on_window: OnWindow,
    say: Say,
) -> Iterator[FrozenWindows]:
    """Compute the frozen part for windows; the file goes when the context ends.

    Args:
        parts: the network.
        material: the windows.
        videos: of its recordings, in their order.
        chosen: (n,) bool, which windows are wanted.
        contract: gives geometry and normalisation.
        scratch: folder on a disk with room.
        on_window: called after each window.
        say: told what to expect on a CPU.

    Raises:
        FitError: there is no room, a window lies outside its video, or none could be read.
        VideoError: a video cannot be read.
        OutputError: the disk cannot be written.
    """
    count = int(chosen.sum())
    _check_room(scratch, count * 4 * int(np.prod(parts.between)))
    with (
        ended_by_exception(),  # else what SIGTERM ends would leave gigabytes
        tempfile.TemporaryDirectory(prefix="fine-tuning-", dir=scratch) as folder,
    ):
        path = Path(folder) / "between.f32"
        places: list[int] = []
        started = time.monotonic()
        # Not written through a map: on a full disk that would end the process without a word.
        with write_errors(path), path.open("wb") as file:
            windows = read_windows(material, videos=videos, chosen=chosen, contract=contract)
            for place, values in _computed(parts, windows, contract):
                file.write(values.tobytes())
                places.append(place)
                on_window(len(places), count)
                if len(places) == 1:
                    started = time.monotonic()
                if len(places) == 1 + _TIMED and not gpus():
                    each = (time.monotonic() - started) / _TIMED
                    say(
                        "TensorFlow sees no GPU: the part of the network that is not trained takes "
                        f"{duration(each * (count - len(places)))} for {count:,} windows"
                    )
        if not places:
            raise FitError(
                f"expected {count:,} windows to train on, got none: each has a frame that cannot "
                "be decoded"
            )
        shape = (len(places), *parts.between)
        yield FrozenWindows(
            places=np.array(places, np.int64),
            values=np.memmap(path, np.float32, mode="r", shape=shape),
        )


def gpus() -> list[str]:
    """Return the GPUs that TensorFlow sees, by its own names."""
    return [str(device.name) for device in tf.config.list_physical_devices("GPU")]


def duration(seconds: float) -> str:
    """Return about how long that is, for people."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"about {round(seconds / 60)} min"
    return f"about {seconds / 3600:.1f} h"


def _computed(
    parts: NetworkParts,
    windows: Iterator[tuple[int, NDArray[np.uint8]]],
    contract: ModelContract,
) -> Iterator[tuple[int, Floats]]:
    """Yield each window's place, and (1, *between) float32.

    One at a time: on a CPU the activations of several windows take gigabytes.
    """
    shape = GraphShape.of(dataclasses.replace(contract, windows_per_segment=1))
    compute = tf.function(lambda window: parts.frozen(window, training=False))
    for place, frames in windows:
        yield place, compute(shape.windows_of(frames[np.newaxis])).numpy()


def _check_room(scratch: Path, needed: int) -> None:
    with write_errors(scratch):
        scratch.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(scratch).free
    if free < needed:
        raise FitError(
            f"{scratch}: expected {needed / 1e9:,.1f} GB of room for what the network's frozen "
            f"part makes of the windows, got {free / 1e9:,.1f} GB: make room, take a larger "
            "--stride, or put the cache on another disk"
        )
