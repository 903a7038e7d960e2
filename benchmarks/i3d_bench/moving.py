"""When the mouse of a video from above moves, and when it stands still, from the pixels alone.

    python -m i3d_bench.moving VIDEO OUT.csv

For a dark mouse on a bright, unchanging floor, such as the open field of DeepLabCut. The floor is
the median of pictures spread over the video; the mouse is what is darker. It moves while the middle
of its body travels faster than a quarter of a body length a second. No network is asked, so that
what one says can be compared with it.
"""

from __future__ import annotations

import csv
import itertools
import sys
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter, uniform_filter1d

MOVE, STILL = "move", "still"
COLUMNS = ("video", "start_s", "stop_s", "label")
_WIDTH, _HEIGHT = 160, 120
_FLOOR_PICTURES = 64
_DARKER_BY = 40  # grey levels of 256
_SMOOTHED_OVER_S = 0.5
_SHORTEST_S = 0.5
_BODY_LENGTHS_PER_S = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Movement:
    """How a mouse moves.

    Attributes:
        times_s: (frames + 1,) float64, when each frame is shown, from the first; the last one ends.
        speeds: (frames,) float64, body lengths a second.
        moving: (frames,) bool.
    """

    times_s: NDArray[np.float64]
    speeds: NDArray[np.float64]
    moving: NDArray[np.bool_]

    def intervals(self) -> list[tuple[float, float, str]]:
        """Return ``(start_s, stop_s, label)`` of the stretches of one kind, in order."""
        edges = [0, *(np.flatnonzero(np.diff(self.moving)) + 1).tolist(), len(self.moving)]
        return [
            (self.times_s[a], self.times_s[b], MOVE if self.moving[a] else STILL)
            for a, b in itertools.pairwise(edges)
        ]


def movement_of(video: Path) -> Movement:
    """Follow the mouse of a video.

    Raises:
        ValueError: nothing in it is darker than the floor.
    """
    pictures, times_s = _read(video)
    spread = np.linspace(0, len(pictures) - 1, _FLOOR_PICTURES).astype(int)
    floor = np.median(pictures[spread], axis=0)
    middles, lengths = _mouse(pictures, floor)
    step_s = float(np.median(np.diff(times_s)))
    over = max(1, round(_SMOOTHED_OVER_S / step_s))
    smooth = uniform_filter1d(middles, over, axis=0, mode="nearest")
    travelled = np.linalg.norm(np.gradient(smooth, axis=0), axis=1)
    speeds = travelled / step_s / np.median(lengths)
    shortest = max(1, round(_SHORTEST_S / step_s)) | 1
    moving = median_filter((speeds > _BODY_LENGTHS_PER_S).astype(np.uint8), 2 * shortest + 1)
    return Movement(times_s=times_s, speeds=speeds, moving=moving.astype(bool))


def write_movement(video: Path, path: Path) -> None:
    """Write a video's stretches as an annotation: ``video,start_s,stop_s,label``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        for start_s, stop_s, label in movement_of(video).intervals():
            rows.writerow((video.name, f"{start_s:.6f}", f"{stop_s:.6f}", label))


def _read(video: Path) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    pictures, times_s = [], []
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            grey = frame.to_ndarray(format="gray")
            pictures.append(cv2.resize(grey, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA))
            times_s.append(float(frame.time or 0))
    times = np.array(times_s) - times_s[0]
    return np.array(pictures), np.append(times, times[-1] + np.median(np.diff(times)))


def _mouse(
    pictures: NDArray[np.uint8], floor: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the middle of the mouse, (frames, 2) pixels, and its length, (frames,) pixels.

    Where it is not seen, both are as in the frame before.
    """
    middles, lengths = np.empty((len(pictures), 2)), np.empty(len(pictures))
    last: tuple[NDArray[np.float64], float] | None = None
    for number, picture in enumerate(pictures):
        dark = (floor - picture > _DARKER_BY).astype(np.uint8)
        count, _, stats, centroids = cv2.connectedComponentsWithStats(dark)
        if count > 1:
            largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
            sides = stats[largest, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
            last = centroids[largest], float(np.hypot(*sides))
        if last is None:
            raise ValueError(f"frame {number}: expected something darker than the floor")
        middles[number], lengths[number] = last
    return middles, lengths


if __name__ == "__main__":
    write_movement(Path(sys.argv[1]), Path(sys.argv[2]))
