"""The cage: walls, bedding, lid, hopper, spout; where they are, and the picture of it empty."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 480
_SUB = 4  # bits of a pixel's fraction in OpenCV's drawing
_ONE = 1 << _SUB


@dataclass(frozen=True, kw_only=True)
class Cage:
    """Where things are, in pixels of the picture; y grows downwards.

    Attributes:
        left: x of the inner wall.
        right: x of the inner wall.
        floor: y of the bedding's surface.
        lid: y of the top grid.
        hopper: x of its lower edge's ends, y of that edge.
        spout: x and y of its tip.
    """

    left: float
    right: float
    floor: float
    lid: float
    hopper: tuple[float, float, float]
    spout: tuple[float, float]


def random_cage(rng: np.random.Generator) -> Cage:
    """Return one of a rack's cages: the same model, each a little different to its camera."""
    x, y = rng.uniform(-8, 8), rng.uniform(-8, 8)
    hopper = 70 + x + rng.uniform(-8, 8)
    return Cage(
        left=22 + x,
        right=618 + x,
        floor=405 + y,
        lid=88 + y + rng.uniform(-6, 6),
        hopper=(hopper, hopper + rng.uniform(205, 225), 232 + y + rng.uniform(-8, 8)),
        spout=(556 + x + rng.uniform(-8, 8), 268 + y + rng.uniform(-8, 8)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Scenery:
    """What does not move.

    Attributes:
        behind: (480, 640) uint8, grey: all that the animal is in front of.
        bedding: (480, 640) uint8: the bedding in front of its feet.
        bedding_from: the first row of the picture from which ``bedding`` hides what is behind.
    """

    behind: NDArray[np.uint8]
    bedding: NDArray[np.uint8]
    bedding_from: int


def draw_scenery(cage: Cage, rng: np.random.Generator) -> Scenery:
    """Draw an empty cage."""
    picture = _wall(rng)
    _bedding(picture, cage, rng, top=cage.floor - 26, level=62)
    _walls(picture, cage)
    _lid(picture, cage)
    _hopper(picture, cage, rng)
    _spout(picture, cage)
    bedding = picture.copy()
    _bedding(bedding, cage, rng, top=cage.floor + 7, level=74)
    return Scenery(behind=picture, bedding=bedding, bedding_from=round(cage.floor + 7))


def _wall(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A dark wall, lit from above, with scratches and smears."""
    clouds = rng.standard_normal((12, 16)).astype(np.float32)
    smooth = cv2.resize(clouds, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    rows = np.linspace(50, 34, HEIGHT, dtype=np.float32)[:, None]
    picture = np.clip(rows + 3 * smooth, 0, 255).astype(np.uint8)
    for _ in range(25):
        x, y = rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)
        angle, length = rng.uniform(0, np.pi), rng.uniform(8, 50)
        end = x + length * np.cos(angle), y + length * np.sin(angle)
        _line(picture, (x, y), end, float(rng.uniform(48, 64)), 1)
    return picture


def _bedding(
    picture: NDArray[np.uint8], cage: Cage, rng: np.random.Generator, *, top: float, level: float
) -> None:
    """Wood chips, from a row of the picture down to its end."""
    picture[round(top) :] = level * 0.7
    for y in np.arange(top, HEIGHT + 10, 2.2):
        for x in np.arange(0, WIDTH, 11.0):
            x0, y0 = x + rng.uniform(-8, 8), y + rng.uniform(0, 4)
            angle = rng.normal(0, 0.6)
            length = rng.uniform(4, 12)
            end = x0 + length * np.cos(angle), y0 + length * np.sin(angle)
            depth = 0.75 + 0.3 * (y - cage.floor) / 70
            _line(picture, (x0, y0), end, level * depth * float(rng.uniform(0.6, 1.4)), 2)


def _walls(picture: NDArray[np.uint8], cage: Cage) -> None:
    for x, outward in ((cage.left, -1), (cage.right, 1)):
        _line(picture, (x, cage.lid), (x, HEIGHT), 88, 2)
        _line(picture, (x + outward * 6, cage.lid), (x + outward * 6, HEIGHT), 66, 2)


def _lid(picture: NDArray[np.uint8], cage: Cage) -> None:
    """Bars across the top: two long ones, and the cut ends of the others."""
    _line(picture, (cage.left - 12, cage.lid), (cage.right + 12, cage.lid), 120, 4)
    _line(picture, (cage.left - 12, cage.lid - 14), (cage.right + 12, cage.lid - 14), 84, 2)
    for x in np.arange(cage.left, cage.right, 13.0):
        _line(picture, (x, cage.lid - 14), (x + 3, cage.lid), 98, 2)


def _hopper(picture: NDArray[np.uint8], cage: Cage, rng: np.random.Generator) -> None:
    """A basket of bars that sags from the lid, full of pellets."""
    left, right, bottom = cage.hopper
    outline = [(left - 26, cage.lid), (left, bottom), (right, bottom), (right + 26, cage.lid)]
    inside = np.zeros_like(picture)
    cv2.fillPoly(inside, [_fixed(outline)], (255,), cv2.LINE_AA, _SUB)
    pellets = np.full_like(picture, 46)
    for y in np.arange(cage.lid + 26, bottom + 4, 15):
        for x in np.arange(left - 30, right + 30, 24):
            centre = x + rng.uniform(-9, 9), y + rng.uniform(-5, 5)
            size = rng.uniform(12, 17), rng.uniform(6, 8)
            _pellet(pellets, centre, size, rng.uniform(-60, 60), float(rng.uniform(74, 116)))
    share = inside.astype(np.float32) / 255
    picture[:] = (picture + (pellets - picture.astype(np.float32)) * share).astype(np.uint8)
    for number in np.linspace(0, 1, 17):
        top = left - 26 + number * (right - left + 52), cage.lid
        _line(picture, top, (left + number * (right - left), bottom), 100, 1)
    for start, stop in pairwise(outline):
        _line(picture, start, stop, 122, 3)


def _pellet(
    picture: NDArray[np.uint8],
    centre: tuple[float, float],
    size: tuple[float, float],
    angle: float,
    level: float,
) -> None:
    for shrink, factor in ((1.0, 0.7), (0.75, 1.0)):
        axes = round(size[0] * shrink * _ONE), round(size[1] * shrink * _ONE)
        cv2.ellipse(
            picture,
            _point(centre),
            axes,
            angle,
            0,
            360,
            (level * factor,),
            -1,
            cv2.LINE_AA,
            _SUB,
        )


def _spout(picture: NDArray[np.uint8], cage: Cage) -> None:
    """A bottle on the lid, and its tube, bent, down to the tip."""
    x, y = cage.spout
    _line(picture, (x + 40, cage.lid - 80), (x + 40, cage.lid - 22), 70, 44)
    _line(picture, (x + 24, cage.lid - 80), (x + 24, cage.lid - 26), 96, 4)
    bend = (x + 34, cage.lid + 66)
    for start, stop in (((x + 36, cage.lid - 20), bend), (bend, (x + 3, y - 4))):
        _line(picture, start, stop, 92, 11)
        _line(picture, (start[0] - 2, start[1]), (stop[0] - 2, stop[1]), 150, 4)
    cv2.circle(picture, _point((x + 2, y - 3)), 5 * _ONE, (165,), -1, cv2.LINE_AA, _SUB)


def _line(
    picture: NDArray[np.uint8],
    start: tuple[float, float],
    stop: tuple[float, float],
    level: float,
    thickness: int,
) -> None:
    cv2.line(picture, _point(start), _point(stop), (level,), thickness, cv2.LINE_AA, _SUB)


def _point(where: tuple[float, float]) -> tuple[int, int]:
    return round(where[0] * _ONE), round(where[1] * _ONE)


def _fixed(points: list[tuple[float, float]]) -> NDArray[np.int32]:
    return np.asarray(np.round(np.array(points) * _ONE), dtype=np.int32)
