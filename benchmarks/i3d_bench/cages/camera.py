"""What a camera adds: light that changes slowly, its own small movements, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.behaviours import FPS
from i3d_bench.cages.cage import HEIGHT, WIDTH

_PATTERNS, _SPARE = 7, 48
Picture = NDArray[np.uint8]


class Camera:
    """One camera, over one recording."""

    def __init__(self, num_frames: int, rng: np.random.Generator) -> None:
        t = np.arange(num_frames) / FPS
        self._light = rng.uniform(0.88, 1.14) * (1 + 0.07 * _slow(t, rng, period_s=45.0))
        self._shift = [1.6 * _slow(t, rng, period_s=9.0) for _ in range(2)]
        self._vignette = _vignette(rng)
        sigma = rng.uniform(2.0, 3.6)
        shape = (_PATTERNS, HEIGHT + _SPARE, WIDTH + _SPARE)
        noise = sigma * rng.standard_normal(shape, dtype=np.float32)
        self._noise = np.clip(np.round(noise), -127, 127).astype(np.int8)
        self._rng = rng

    def take(self, picture: Picture, frame: int) -> Picture:
        """Return what it sees of (480, 640) uint8."""
        shift = np.array([[1, 0, self._shift[0][frame]], [0, 1, self._shift[1][frame]]])
        moved = cv2.warpAffine(picture, shift, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
        lit = cv2.multiply(moved, self._vignette, scale=float(self._light[frame]) / 255)
        pattern, y, x = self._rng.integers((_PATTERNS, _SPARE, _SPARE))
        noise = self._noise[pattern, y : y + HEIGHT, x : x + WIDTH]
        return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), dtype=np.uint8)


def _slow(
    t: NDArray[np.float64], rng: np.random.Generator, *, period_s: float
) -> NDArray[np.float64]:
    """Return an irregular course of about unit size."""
    course = np.zeros(len(t))
    for factor, size in ((1.0, 0.6), (0.37, 0.4), (2.3, 0.2)):
        course += size * np.sin(2 * np.pi * (factor * t / period_s + rng.random()))
    return course


def _vignette(rng: np.random.Generator) -> Picture:
    """Return the lens's light, 255 in its middle."""
    x0, y0 = rng.normal(WIDTH / 2, 25), rng.normal(HEIGHT / 2, 20)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    far = ((x - x0) / WIDTH) ** 2 + ((y - y0) / HEIGHT) ** 2
    light = 255 * (1 - rng.uniform(0.35, 0.65) * far)
    return np.asarray(np.clip(light, 0, 255), dtype=np.uint8)
