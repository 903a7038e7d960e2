"""Postures without movement. Behaviours that share one draw it from the same distribution.

``sitting`` is grooming's, eating from the hands' and half of resting's; ``on_all_fours`` is
sniffing's and walking's; ``upright`` is rearing's, eating's and drinking's, which differ in what
the nose is at.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from i3d_bench.cages.poses import Poses, Series, direction, nose_of, shoulder_of
from i3d_bench.cages.takes import Take

_STRIDE, _LIFT = 26.0, 15.0


def on_all_fours(take: Take, gait: Series) -> Poses:
    """Stand, with the feet where they are at a phase (radians) of the gait."""
    hip_x, facing = take.hip()
    base = _base(take, hip_x, facing)
    poses = replace(
        base,
        hip_height=take.constant(44, 49),
        torso=take.constant(-0.06, 0.12),
        arch=take.constant(0.12, 0.22),
        stretch=take.constant(0.94, 1.08),
        head=take.constant(-0.42, 0.12),
        neck=take.constant(0.85, 1.15),
        tail_x=take.constant(-170, -120),
        tail_sway=take.constant(4, 26),
    )
    shoulder = shoulder_of(poses)[1]
    floor = -poses.hip_height
    steps = [_step(gait + shift) for shift in (0.0, np.pi, np.pi * 1.1, 0.1 * np.pi)]
    (hand_x, hand_y), (far_hand_x, far_hand_y), (foot_x, foot_y), (far_x, far_y) = steps
    return replace(
        poses,
        hand_x=hand_x + 4,
        hand_y=hand_y + floor - shoulder + 3,
        far_hand_x=far_hand_x + 12,
        far_hand_y=far_hand_y + floor - shoulder + 7,
        foot_x=foot_x + 4,
        foot_y=foot_y + floor + 3,
        far_foot_x=far_x + 14,
        far_foot_y=far_y + floor + 7,
        tail_y=floor + 6,
    )


def sitting(take: Take) -> Poses:
    """Sit hunched; the hands are for the movement to place, with ``with_hands_at_face``."""
    hip_x, facing = take.hip()
    shift = 12 * take.stage.animal.scale
    poses = _base(take, hip_x + facing * shift, facing)
    return replace(
        poses,
        hip_height=take.constant(36, 41),
        torso=take.constant(0.62, 0.88) + 0.03 * take.wander(2.5),
        arch=take.constant(0.3, 0.44),
        stretch=take.constant(0.78, 0.9),
        head=take.constant(-0.8, -0.3) + 0.06 * take.wander(1.6),
        neck=take.constant(0.5, 0.75),
        foot_x=take.constant(26, 40),
        foot_y=-take.constant(33, 36),
        far_foot_x=take.constant(34, 48),
        far_foot_y=-take.constant(29, 32),
        tail_x=take.constant(-140, -90),
        tail_y=-take.constant(30, 36),
        tail_sway=take.constant(0, 16),
    )


def with_hands_at_face(poses: Poses, *, back: Series, over: Series, apart: Series) -> Poses:
    """Hold both hands before the face.

    Args:
        poses: whose head they are held to.
        back: from the mouth towards the ears, in units of the anatomy.
        over: from the mouth towards the forehead.
        apart: of the far hand, further back than the near one.
    """
    x, y = nose_of(poses)
    shoulder_x, shoulder_y = shoulder_of(poses)
    forward, up = direction(poses.head)
    mouth_x, mouth_y = x - 5 * forward + 7 * up, y - 5 * up - 7 * forward

    def at(towards_ears: Series, towards_forehead: Series) -> tuple[Series, Series]:
        return (
            mouth_x - towards_ears * forward - towards_forehead * up - shoulder_x,
            mouth_y - towards_ears * up + towards_forehead * forward - shoulder_y,
        )

    near, far = at(back, over), at(back + apart - 6, over + 4)
    return replace(poses, hand_x=near[0], hand_y=near[1], far_hand_x=far[0], far_hand_y=far[1])


def upright(take: Take) -> Poses:
    """Stand on the hind legs, forelegs before the chest."""
    hip_x, facing = take.hip()
    poses = _base(take, hip_x, facing)
    return replace(
        poses,
        hip_height=take.constant(46, 54),
        torso=take.constant(1.05, 1.35),
        arch=take.constant(0.02, 0.14),
        stretch=take.constant(1.0, 1.14),
        head=take.constant(0.5, 1.0),
        neck=take.constant(0.9, 1.15),
        hand_x=take.constant(22, 40),
        hand_y=take.constant(-16, 14),
        far_hand_x=take.constant(28, 46),
        far_hand_y=take.constant(-10, 20),
        foot_x=take.constant(8, 22),
        foot_y=-take.constant(43, 45),
        far_foot_x=take.constant(20, 34),
        far_foot_y=-take.constant(38, 40),
        tail_x=take.constant(-150, -100),
        tail_y=-take.constant(40, 46),
        tail_sway=take.constant(0, 10),
    )


def reaching(poses: Poses, take: Take, *, x: float, y: float) -> Poses:
    """Turn the torso, and shift the hip, so that the nose is at a point of the picture in px."""
    stage = take.stage
    wanted = stage.height(y) - poses.hip_height
    low, high = np.zeros(len(wanted)), np.full(len(wanted), np.pi / 2)
    for _ in range(24):
        middle = (low + high) / 2
        too_low = nose_of(replace(poses, torso=middle))[1] < wanted
        low, high = np.where(too_low, middle, low), np.where(too_low, high, middle)
    there = replace(poses, torso=low)
    nose = nose_of(there)[0] * stage.animal.scale
    return replace(there, hip_x=x - there.facing * nose)


def curled(take: Take) -> Poses:
    """Lie curled up, the head tucked in."""
    hip_x, facing = take.hip()
    poses = _base(take, hip_x + facing * 20 * take.stage.animal.scale, facing)
    return replace(
        poses,
        hip_height=take.constant(31, 35),
        torso=take.constant(-0.05, 0.1),
        arch=take.constant(0.3, 0.44),
        stretch=take.constant(0.66, 0.78),
        head=take.constant(-1.1, -0.7),
        neck=take.constant(0.4, 0.6),
        hand_x=take.constant(0, 12),
        hand_y=-take.constant(24, 28),
        far_hand_x=take.constant(10, 20),
        far_hand_y=-take.constant(22, 26),
        foot_x=take.constant(16, 30),
        foot_y=-take.constant(27, 30),
        far_foot_x=take.constant(26, 40),
        far_foot_y=-take.constant(24, 27),
        tail_x=take.constant(-70, 60),
        tail_y=-take.constant(26, 30),
        tail_sway=take.constant(-20, 4),
    )


def clinging(take: Take, gait: Series) -> Poses:
    """Cling to the lid from below, the back down, hands and feet at the bars."""
    centre, facing = take.path()
    stage = take.stage
    poses = _base(take, centre + facing * 50 * stage.animal.scale, facing)
    torso = take.constant(2.85, 3.3)
    poses = replace(
        poses,
        torso=torso,
        arch=take.constant(0.12, 0.3),
        stretch=take.constant(0.94, 1.06),
        head=torso - take.constant(0.1, 0.7),
        neck=take.constant(0.85, 1.1),
        hip_height=np.full(len(take.t), stage.height(stage.cage.lid)) - take.constant(50, 62),
        tail_x=take.constant(20, 70),
        tail_y=-take.constant(90, 140),
        tail_sway=take.constant(-20, 20),
    )
    bars = stage.height(stage.cage.lid) - poses.hip_height
    shoulder = shoulder_of(poses)[1]
    steps = [_step(gait + shift) for shift in (0.0, np.pi, np.pi * 1.1, 0.1 * np.pi)]
    (hand_x, hand_y), (far_hand_x, far_hand_y), (foot_x, foot_y), (far_x, far_y) = steps
    return replace(
        poses,
        hand_x=-hand_x - 18,
        hand_y=bars - shoulder - hand_y,
        far_hand_x=-far_hand_x - 8,
        far_hand_y=bars - shoulder - far_hand_y,
        foot_x=-foot_x - 4,
        foot_y=bars - foot_y,
        far_foot_x=-far_x + 8,
        far_foot_y=bars - far_y,
    )


def _step(phase: Series) -> tuple[Series, Series]:
    """Return where a foot is, forward and up, at a phase of its step."""
    return _STRIDE * np.cos(phase), _LIFT * np.maximum(0, -np.sin(phase))


def _base(take: Take, hip_x: Series, facing: Series) -> Poses:
    zero = np.zeros(len(take.t))
    one = np.ones(len(take.t))
    return Poses(
        hip_x=hip_x,
        hip_height=zero,
        facing=facing,
        torso=zero,
        arch=zero,
        stretch=one,
        girth=1 + 0.012 * np.sin(take.phase(2.2, 2.8)),
        head=zero,
        neck=one,
        hand_x=zero,
        hand_y=zero,
        far_hand_x=zero,
        far_hand_y=zero,
        foot_x=zero,
        foot_y=zero,
        far_foot_x=zero,
        far_foot_y=zero,
        tail_x=zero,
        tail_y=zero,
        tail_sway=zero,
        jaw=zero,
        eye=one,
        pellet=zero,
    )
