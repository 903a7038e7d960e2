"""Animals that differ: in size, coat, tail and tempo."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_TEXTURE = 256


@dataclass(frozen=True, kw_only=True, eq=False)
class Animal:
    """One rodent.

    Attributes:
        scale: pixels of the picture per unit of the anatomy.
        plumpness: factor of its girth.
        level: grey level of its coat, 0 … 255, before the light.
        tempo: factor of the frequencies of its movements.
        tail: factor of its tail's length.
        ear: factor of its ears' size.
        fur: (256, 256) float32, factor of the coat's level, about 1; repeats at its edges.
    """

    scale: float
    plumpness: float
    level: float
    tempo: float
    tail: float
    ear: float
    fur: NDArray[np.float32]


def random_animal(rng: np.random.Generator) -> Animal:
    """Return one of many animals."""
    return Animal(
        scale=rng.uniform(0.82, 0.96),
        plumpness=rng.uniform(0.92, 1.08),
        level=rng.uniform(120.0, 190.0),
        tempo=rng.uniform(0.9, 1.12),
        tail=rng.uniform(0.85, 1.15),
        ear=rng.uniform(0.85, 1.15),
        fur=_fur(rng),
    )


def _fur(rng: np.random.Generator) -> NDArray[np.float32]:
    """Short hairs, and patches darker and lighter than the rest of the coat."""
    hairs = _waves(rng, sigma=(1.0, 2.5)) * rng.uniform(0.035, 0.06)
    patches = _waves(rng, sigma=(22.0, 22.0)) * rng.uniform(0.02, 0.1)
    return (1.0 + hairs + patches).astype(np.float32)


def _waves(rng: np.random.Generator, *, sigma: tuple[float, float]) -> NDArray[np.float32]:
    """Blurred noise of unit variance that repeats at its edges."""
    noise = rng.standard_normal((_TEXTURE, _TEXTURE)).astype(np.float32)
    tiled = np.tile(noise, (3, 3))
    blurred = cv2.GaussianBlur(tiled, (0, 0), sigmaX=sigma[0], sigmaY=sigma[1])
    middle = blurred[_TEXTURE : 2 * _TEXTURE, _TEXTURE : 2 * _TEXTURE]
    return np.asarray((middle - middle.mean()) / middle.std(), dtype=np.float32)
