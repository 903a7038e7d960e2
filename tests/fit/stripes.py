"""Small videos of drifting stripes: coarse ones or fine ones, upright or lying, in noise.

A class is coarse one way and fine the other way, so that neither alone tells it.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from tests.conftest import write_video

LABELS = ("lying", "crossed")
VIDEOS, FRAMES, BOUT, SIZE = 4, 256, 32, 32


def write_stripes(folder: Path) -> list[Path]:
    """Write the videos, ``SIZE × SIZE`` pixels at 30 frames/s."""
    return [
        write_video(
            folder / f"{number}.mp4",
            FRAMES,
            width=SIZE,
            height=SIZE,
            options={"crf": "12"},
            picture=_stripes(number),
        )
        for number in range(VIDEOS)
    ]


def bouts(video: int) -> np.ndarray:
    """Return the class of each bout, int64: in turn, from another one on in each video."""
    return (np.arange(FRAMES // BOUT) + video) % len(LABELS)


def _stripes(video: int) -> Callable[[int], np.ndarray]:
    random = np.random.default_rng(video)
    count = FRAMES // BOUT
    noise = random.normal(0, 20, (FRAMES, SIZE, SIZE))
    phases = random.uniform(0, 2 * np.pi, count)
    levels = random.uniform(0.6, 1, count)
    drift = random.choice([-1, 1], count)
    fine = (np.arange(count) // 2 + video) % 2
    down, along = np.mgrid[:SIZE, :SIZE] * 2 * np.pi / 16

    def draw(number: int) -> np.ndarray:
        bout = number // BOUT
        way = (along, down)[bouts(video)[bout] ^ fine[bout]] * (1 + fine[bout])
        moved = drift[bout] * number * 2 * np.pi / 16 + phases[bout]
        picture = 128 + 80 * levels[bout] * np.cos(way - moved) + noise[number]
        grey = np.clip(picture, 0, 255).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=-1)

    return draw
