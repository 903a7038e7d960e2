"""A SIMULATION of heavier decoding: a reader that takes a set time for every frame, and sleeps.

It uses no core, so a machine with few cores can show what a pipeline does with many: a reader then
stands for a core. ``paced_reader/sitecustomize.py`` brings it into the processes of
``i3d classify``, which are otherwise as a user runs them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

VARIABLE = "I3D_BENCH_FRAME_SECONDS"
SHIM = Path(__file__).with_name("paced_reader")


class Pace:
    """Lets each frame take at least so long from when it is asked for."""

    def __init__(self, frame_s: float) -> None:
        self._frame_s = frame_s
        self._due = time.monotonic()

    def wait(self, asked: float) -> None:
        """Wait until a frame that was asked for at ``asked`` (``time.monotonic``) is due.

        Sleeps that were too long are made up for by the next, unless the reader has had to wait.
        """
        behind = asked - self._due
        self._due = (asked if behind > self._frame_s else self._due) + self._frame_s
        left = self._due - time.monotonic()
        if left > 0:
            time.sleep(left)


def paced(frames: Iterator[T], frame_s: float) -> Iterator[T]:
    """Yield frames, each after its time."""
    pace = Pace(frame_s)
    while True:
        asked = time.monotonic()
        try:
            frame = next(frames)
        except StopIteration:
            return
        pace.wait(asked)
        yield frame
