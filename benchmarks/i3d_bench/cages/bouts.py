"""What an animal does when, and where: a plan of bouts that fills a recording.

Each behaviour has a quota of frames. The next bout is drawn by what is left of them. An animal
that has to be elsewhere for it walks there first, and that is a bout of walking: nothing jumps
across the cage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from i3d_bench.cages.behaviours import FPS, LABELS, Timing
from i3d_bench.cages.poses import Series
from i3d_bench.cages.stage import Stage

Where = Literal["floor", "hopper", "spout", "wall", "lid"]
_NEAR_PX = 25.0
_SHORTEST_FRAMES = 15
_REARS_AT_HOPPER = {True: 0.85, False: 0.5}  # when under it already, when not
_FAR_PX = 60.0
_TURNS = 0.25


@dataclass(frozen=True, kw_only=True)
class Bout:
    """One behaviour for ``[start, stop)``.

    Attributes:
        label: of ``LABELS``.
        start: its first frame.
        stop: the frame after its last.
        where: what it is done at.
        centre: px, of the animal at its start, as ``Stage``.
        facing: −1 or 1, at its start.
        speed: px/s forward; walking turns at the walls, other behaviours stop there.
    """

    label: str
    start: int
    stop: int
    where: Where
    centre: float
    facing: int
    speed: float


@dataclass(frozen=True, kw_only=True)
class _Stand:
    centre: float
    facing: int


def plan_bouts(
    stage: Stage, timings: Mapping[str, Timing], num_frames: int, rng: np.random.Generator
) -> list[Bout]:
    """Return bouts that follow each other from frame 0 to ``num_frames``."""
    quota = _quota(timings, num_frames)
    at = _Stand(centre=rng.uniform(*stage.floor), facing=_either(rng))
    bouts: list[Bout] = []
    frame, last = 0, ""
    while frame < num_frames:
        label = _next_label(_wish(quota, timings, at, stage), last, rng)
        where, target = _where(label, at, stage, rng)
        steps = [  # from frame 0 each, until they are put in their place
            *_walk_there(at, target.centre, stage, rng),
            Bout(
                label=label,
                start=0,
                stop=_length(timings[label], quota[label], rng),
                where=where,
                centre=target.centre,
                facing=target.facing,
                speed=_speed(label, stage, rng),
            ),
        ]
        for bout in steps:
            bouts.append(replace(bout, start=frame, stop=frame + bout.stop))
            frame += bout.stop
            quota[bout.label] -= bout.stop
        at, last = end_of(bouts[-1], stage), label
    return [replace(b, stop=min(b.stop, num_frames)) for b in bouts if b.start < num_frames]


def _walk_there(at: _Stand, centre: float, stage: Stage, rng: np.random.Generator) -> list[Bout]:
    """Return a walk to where the next bout is, unless a step does."""
    distance = centre - at.centre
    if abs(distance) <= _NEAR_PX:
        return []
    speed = rng.uniform(120, 200) * stage.animal.tempo
    length = max(_SHORTEST_FRAMES, round(abs(distance) / speed * FPS))
    return [
        Bout(
            label="walk",
            start=0,
            stop=length,
            where="floor",
            centre=at.centre,
            facing=1 if distance > 0 else -1,
            speed=abs(distance) / length * FPS,
        )
    ]


def end_of(bout: Bout, stage: Stage) -> _Stand:
    """Return where a bout leaves the animal."""
    centre, facing = path_of(bout, stage, np.array([(bout.stop - bout.start) / FPS]))
    return _Stand(centre=float(centre[0]), facing=1 if facing[0] > 0 else -1)


def path_of(bout: Bout, stage: Stage, t: Series) -> tuple[Series, Series]:
    """Return centre (px) and facing (−1 or 1) at times from a bout's start, in seconds."""
    low, high = stage.lid if bout.label == "hang" else stage.floor
    along = bout.centre + bout.facing * bout.speed * t
    facing = np.full(len(t), float(bout.facing))
    if bout.label != "walk":
        return np.clip(along, min(low, bout.centre), max(high, bout.centre)), facing
    width = high - low
    folded = np.mod(along - low, 2 * width)
    back = folded > width
    centre = low + np.where(back, 2 * width - folded, folded)
    return centre, np.where(back, -facing, facing)


def _quota(timings: Mapping[str, Timing], num_frames: int) -> dict[str, int]:
    total = sum(timing.share for timing in timings.values())
    return {label: round(timings[label].share / total * num_frames) for label in LABELS}


def _wish(
    quota: Mapping[str, int], timings: Mapping[str, Timing], at: _Stand, stage: Stage
) -> dict[str, float]:
    """Return how much an animal is for each behaviour: by how many bouts of mean length are left.

    It is less for what is far. Without that, and with walks for no other end, it would walk half
    as long again as its quota says.
    """
    wish = {label: max(0, quota[label]) / _mean_s(timings[label]) for label in LABELS}
    for label, stretch in (
        ("drink", (stage.spout, stage.spout)),
        ("eat", stage.hopper),
        ("hang", stage.lid),
    ):
        wish[label] /= 1 + (_apart(at.centre, stretch) / _FAR_PX) ** 2
    wish["walk"] /= 3
    return wish


def _next_label(wish: Mapping[str, float], last: str, rng: np.random.Generator) -> str:
    """Draw by the wish, never the same twice."""
    left = np.array([0.0 if label == last else wish[label] for label in LABELS])
    if not left.any():
        left = np.array([float(label != last) for label in LABELS])
    return str(rng.choice(LABELS, p=left / left.sum()))


def _apart(centre: float, stretch: tuple[float, float]) -> float:
    """Return how far it is to a stretch, in px; 0 inside."""
    return max(stretch[0] - centre, centre - stretch[1], 0.0)


def _mean_s(timing: Timing) -> float:
    return math.sqrt(timing.shortest_s * timing.longest_s)


def _length(timing: Timing, left: int, rng: np.random.Generator) -> int:
    """Draw a bout's frames; a rest of the quota too short for one more is added to it."""
    log_s = rng.uniform(math.log(timing.shortest_s), math.log(timing.longest_s))
    length = round(math.exp(log_s) * FPS)
    shortest = round(timing.shortest_s * FPS)
    if left - length < shortest:
        length = min(left, length + shortest)
    return max(length, min(shortest, 2 * FPS), _SHORTEST_FRAMES)


def _speed(label: str, stage: Stage, rng: np.random.Generator) -> float:
    if label == "walk":
        return float(rng.uniform(110, 210)) * stage.animal.tempo
    if label == "sniff":
        return float(rng.choice([0.0, rng.uniform(4, 16)]))
    if label == "hang":
        return float(rng.uniform(0, 22))
    return 0.0


def _where(label: str, at: _Stand, stage: Stage, rng: np.random.Generator) -> tuple[Where, _Stand]:
    """Return at what a behaviour is done, and where the animal has to be for it."""
    facing = -at.facing if rng.random() < _TURNS else at.facing
    if label == "drink":
        return "spout", _Stand(centre=stage.spout, facing=1)
    if label == "hang":
        return "lid", _Stand(centre=_into(at.centre, stage.lid, rng), facing=facing)
    at_hopper = label == "eat" or (
        label == "rear" and rng.random() < _REARS_AT_HOPPER[_apart(at.centre, stage.hopper) == 0]
    )
    if at_hopper:
        return "hopper", _Stand(centre=_into(at.centre, stage.hopper, rng), facing=facing)
    centre = float(np.clip(at.centre, *stage.floor))
    if label == "rear":
        for wall, side in zip(stage.floor, (-1, 1), strict=True):
            if abs(at.centre - wall) < 3 * _NEAR_PX:
                return "wall", _Stand(centre=wall, facing=side)
    return "floor", _Stand(centre=centre, facing=facing)


def _into(centre: float, stretch: tuple[float, float], rng: np.random.Generator) -> float:
    """Return where in a stretch the animal goes: it stays, or goes not much farther than in."""
    low, high = stretch
    if low <= centre <= high:
        return centre
    depth = rng.uniform(0, min(90.0, high - low))
    return low + depth if centre < low else high - depth


def _either(rng: np.random.Generator) -> int:
    return 1 if rng.random() < 0.5 else -1
