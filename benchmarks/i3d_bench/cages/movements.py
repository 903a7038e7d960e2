"""The nine behaviours: what moves, how far and how often.

Frequencies are a mouse's or near it; amplitudes are such that a picture of 256 × 192 shows them.
Six licks a second, four to six strokes of the paws over the face, ten nibbles, four bites at the
hopper's pellets; sniffing sweeps the head once or twice a second and trembles at eight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from i3d_bench.cages.poses import Poses, Series
from i3d_bench.cages.postures import (
    clinging,
    curled,
    on_all_fours,
    reaching,
    sitting,
    upright,
    with_hands_at_face,
)
from i3d_bench.cages.takes import Take

_SITS_ASLEEP = 0.4
_STRIDE_PX = 62.0


def act(take: Take) -> Poses:
    """Return the poses of a bout."""
    return _ACTS[take.bout.label](take)


def drink(take: Take) -> Poses:
    """Lick at the spout, about six times a second."""
    poses = replace(
        upright(take),
        hip_height=take.constant(40, 46),
        head=take.constant(0.35, 0.75),
        stretch=take.constant(0.92, 1.04),
    )
    x, y = take.stage.cage.spout
    poses = reaching(poses, take, x=x + take.rng.uniform(-3, 2), y=y + take.rng.uniform(1, 5))
    lick = np.sin(take.phase(5.6, 6.4, irregular=0.03))
    return replace(
        poses,
        head=poses.head + 0.085 * lick,
        neck=poses.neck + 0.05 * lick,
        jaw=2.0 + 2.0 * lick,
    )


def eat(take: Take) -> Poses:
    """Gnaw at the pellets in the hopper: bites that pull head and body down."""
    poses = _at_hopper(take)
    chewing = take.bursts((1.0, 3.0), (0.1, 0.3))
    phase = take.phase(3.8, 5.0)
    bite = chewing * np.sin(phase)
    return replace(
        poses,
        head=poses.head + 0.17 * bite,
        torso=poses.torso + 0.045 * bite,
        hip_height=poses.hip_height + 2.5 * bite,
        hand_y=poses.hand_y + 6 * chewing * np.sin(phase + 0.8),
        far_hand_y=poses.far_hand_y + 6 * chewing * np.sin(phase + 1.2),
        jaw=3 + 3 * bite,
    )


def rear(take: Take) -> Poses:
    """Stand upright, at the hopper, at a wall or free, and sway slowly."""
    if take.bout.where == "hopper":
        poses = _at_hopper(take)
    else:
        poses = upright(take)
        if take.bout.where == "wall":
            wall = take.stage.cage.left if take.bout.facing < 0 else take.stage.cage.right
            hip = wall - take.bout.facing * take.rng.uniform(70, 88) * take.stage.animal.scale
            poses = replace(poses, hip_x=np.full(len(take.t), hip))
    sway, look = take.wander(1.8), take.wander(1.5)
    return replace(
        poses,
        torso=poses.torso + 0.06 * sway,
        head=poses.head + 0.16 * look,
        stretch=poses.stretch + 0.03 * take.wander(2.0),
    )


def groom(take: Take) -> Poses:
    """Stroke both forepaws over the face, four to six times a second; the body bobs along."""
    phase = take.phase(4.0, 5.6)
    size = 1 + 0.25 * take.wander(1.2)
    stroke = 0.5 - 0.5 * np.cos(phase)
    poses = sitting(take)
    poses = replace(
        poses,
        head=poses.head - 0.15 * size * np.cos(phase + 0.4),
        torso=poses.torso + 0.05 * size * np.sin(phase),
        hip_height=poses.hip_height + 2.5 * np.sin(phase + 0.9),
    )
    return with_hands_at_face(
        poses,
        back=-2.0 + 36.0 * size * stroke,
        over=2 + 13 * size * np.sin(phase),
        apart=8 * np.sin(phase + take.rng.uniform(0, 1.2)),
    )


def eathand(take: Take) -> Poses:
    """Sit with a pellet in both hands, nibble at it ten times a second, and turn it at times."""
    poses = sitting(take)
    nibble = np.sin(take.phase(8.8, 10.2, irregular=0.02))
    turning = take.bursts((0.25, 0.45), (0.7, 2.0))
    turn = turning * np.sin(take.phase(2.0, 3.0))
    poses = replace(
        poses,
        head=poses.head + 0.075 * nibble + 0.05 * turn,
        jaw=3.0 + 3.0 * nibble,
        pellet=np.ones(len(take.t)),
    )
    back, over = _holding(take)
    return with_hands_at_face(
        poses,
        back=back + 3.5 * nibble + 5 * turn,
        over=over + 5 * turn,
        apart=take.constant(-6, 8) - 8 * turn,
    )


def rest(take: Take) -> Poses:
    """Sleep curled up, or sitting; only the flanks move, twice a second."""
    asleep = np.zeros(len(take.t))
    if take.rng.random() < _SITS_ASLEEP:
        poses = sitting(take)
        still = replace(
            poses,
            torso=np.full(len(take.t), float(np.mean(poses.torso))),
            head=np.full(len(take.t), float(np.mean(poses.head))),
        )
        back, over = _holding(take, still=True)
        poses = with_hands_at_face(still, back=back, over=over, apart=take.constant(-6, 8))
        asleep = take.constant(0.0, 1.0)
    else:
        poses = curled(take)
    breath = np.sin(take.phase(1.8, 2.3))
    return replace(poses, girth=1 + 0.018 * breath, eye=asleep)


def sniff(take: Take) -> Poses:
    """Stay, or creep, on all fours; sweep the head, with the nose trembling, and pause."""
    centre, _ = take.path()
    creep = np.abs(centre - centre[0]) / (_STRIDE_PX * take.stage.animal.scale)
    poses = on_all_fours(take, 2 * np.pi * (take.rng.random() + creep))
    sniffing = take.bursts((0.9, 2.4), (0.15, 0.4))
    sweep = np.sin(take.phase(1.2, 1.9)) * (0.75 + 0.25 * take.wander(1.5))
    tremble = sniffing * np.sin(take.phase(7.5, 8.5))
    return replace(
        poses,
        head=poses.head + sniffing * 0.42 * sweep + 0.06 * tremble,
        neck=poses.neck + 0.14 * sniffing * take.wander(0.7) + 0.06 * tremble,
        torso=poses.torso + 0.03 * sniffing * sweep,
    )


def walk(take: Take) -> Poses:
    """Walk or run through the cage, and turn at its walls."""
    scale = take.stage.animal.scale
    steps = take.bout.speed * take.t / (_STRIDE_PX * scale)
    gait = 2 * np.pi * (steps + take.rng.random())
    poses = on_all_fours(take, gait)
    return replace(
        poses,
        hip_height=poses.hip_height + 2.5 * np.sin(2 * gait),
        torso=poses.torso + 0.03 * np.sin(gait),
        head=poses.head + 0.3 * take.wander(2.5),
        neck=poses.neck + 0.1 * take.wander(1.5),
        tail_sway=poses.tail_sway + 8 * np.sin(gait),
    )


def hang(take: Take) -> Poses:
    """Cling under the lid, climb a little, swing."""
    climbing = take.bursts((0.6, 2.0), (0.3, 0.9))
    step_s = take.t[1] - take.t[0]
    gait = 2 * np.pi * (np.cumsum(climbing) * step_s * 2.0 + take.rng.random())
    poses = clinging(take, gait)
    swing = np.sin(take.phase(1.0, 1.6))
    return replace(
        poses,
        torso=poses.torso + 0.07 * swing,
        hip_x=poses.hip_x + 7 * np.sin(gait / 2),
        hip_height=poses.hip_height + 5 * np.sin(gait),
        head=poses.head + 0.2 * take.wander(0.9),
        tail_x=poses.tail_x + 18 * take.wander(1.0),
    )


def _at_hopper(take: Take) -> Poses:
    """Stretch up so that the nose is at the hopper's lower edge, above where the animal is."""
    poses = replace(upright(take), stretch=take.constant(1.05, 1.16))
    left, right, bottom = take.stage.cage.hopper
    forward = take.bout.facing * take.rng.uniform(5, 30) * take.stage.animal.scale
    x = float(np.clip(take.bout.centre + forward, left + 4, right - 4))
    return reaching(poses, take, x=x, y=bottom + take.rng.uniform(0, 7))


def _holding(take: Take, *, still: bool = False) -> tuple[Series, Series]:
    """Where hands are held before the face: among the places that grooming strokes over."""
    back, over = take.constant(-2, 18), take.constant(-6, 10)
    if still:
        return back, over
    return back + 4 * take.wander(2.0), over + 3 * take.wander(2.5)


_ACTS: Mapping[str, Callable[[Take], Poses]] = {
    "drink": drink,
    "eat": eat,
    "groom": groom,
    "hang": hang,
    "sniff": sniff,
    "rear": rear,
    "rest": rest,
    "walk": walk,
    "eathand": eathand,
}
