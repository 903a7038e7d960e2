"""Where the parts of an animal are in the picture, frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.poses import (
    MUZZLE,
    TORSO,
    Place,
    Poses,
    Series,
    direction,
    nose_of,
    shoulder_of,
    skull_of,
)
from i3d_bench.cages.stage import Stage

Points = NDArray[np.float64]
_TORSO_STEPS = 15
_RUMP, _BELLY, _SHOULDER, _SKULL, _NOSE = 38.0, 41.0, 30.0, 22.0, 5.5
_NARROWEST = 0.35
_ZERO = np.zeros(1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Bodies:
    """Parts of the body in px of the picture: (frames, …, 2), x and y; radii (frames, …).

    Attributes:
        torso: circles from rump to shoulder.
        torso_radii: of these.
        head: circles from the neck over the skull to the nose.
        head_radii: of these.
        haunch: centre of the near thigh.
        legs: (frames, 4, 3, 2): joint, knee and paw of near and far foreleg, near and far hind
            leg.
        toes: (frames, 4, 2): where each paw's toes end.
        ear: centre.
        eye: centre.
        chin: tip of the lower jaw.
        pellet: centre.
        tail: (frames, 12, 2) from root to tip.
        angle: of the torso in the picture, radians, as OpenCV's (clockwise).
    """

    torso: Points
    torso_radii: Series
    head: Points
    head_radii: Series
    haunch: Points
    legs: Points
    toes: Points
    ear: Points
    eye: Points
    chin: Points
    pellet: Points
    tail: Points
    angle: Series


def bodies_of(poses: Poses, stage: Stage) -> Bodies:
    """Place all parts of all frames."""
    picture = _Picture(poses, stage)
    size = stage.animal.scale * stage.animal.plumpness
    shoulder, skull, nose = shoulder_of(poses), skull_of(poses), nose_of(poses)
    forward, up = direction(poses.head)
    share = np.linspace(0, 1, _TORSO_STEPS)
    zero = np.zeros_like(shoulder[0])
    torso = _bend((zero, zero), _outwards(poses), shoulder, share)
    profile = np.interp(share, (0, 0.45, 1), (_RUMP, _BELLY, _SHOULDER))
    neck_share = np.array([0.35, 0.7, 1.0])
    muzzle_share = np.linspace(0.2, 1, 6)
    head_x = np.concatenate(
        [_between(shoulder[0], skull[0], neck_share), _between(skull[0], nose[0], muzzle_share)], 1
    )
    head_y = np.concatenate(
        [_between(shoulder[1], skull[1], neck_share), _between(skull[1], nose[1], muzzle_share)], 1
    )
    head_radii = np.concatenate(
        [[28.0, 25.0, _SKULL], np.interp(muzzle_share, (0, 0.5, 1), (_SKULL, 14.0, _NOSE))]
    )
    jaw = poses.jaw
    hands = _hands(poses, shoulder)
    return Bodies(
        torso=picture.points(*torso),
        torso_radii=size * profile[None, :] * poses.girth[:, None],
        head=picture.points(head_x, head_y),
        head_radii=np.broadcast_to(
            stage.animal.scale * head_radii, (len(zero), len(head_radii))
        ).copy(),
        haunch=picture.points(*_along(poses, 0.08, -9.0)),
        legs=_legs(poses, picture, shoulder),
        toes=_toes(poses, picture, hands, nose),
        ear=picture.points(skull[0] - 12 * forward - 17 * up, skull[1] - 12 * up + 17 * forward),
        eye=picture.points(skull[0] + 15 * forward - 6 * up, skull[1] + 15 * up + 6 * forward),
        chin=picture.points(
            nose[0] - 10 * forward + (7 + jaw) * up, nose[1] - 10 * up - (7 + jaw) * forward
        ),
        pellet=picture.points(
            (hands[0][0] + hands[1][0]) / 2 + 8 * forward,
            (hands[0][1] + hands[1][1]) / 2 + 8 * up,
        ),
        tail=picture.points(*_tail(poses, stage)),
        angle=-poses.torso,
    )


class _Picture:
    """From units of the anatomy, relative to the hip, to px of the picture."""

    def __init__(self, poses: Poses, stage: Stage) -> None:
        side = np.where(poses.facing < 0, -1.0, 1.0)
        self._facing = side * np.maximum(np.abs(poses.facing), _NARROWEST)
        self._x = poses.hip_x
        self._y = stage.cage.floor - stage.animal.scale * poses.hip_height
        self._scale = stage.animal.scale

    def points(self, forward: Series, up: Series) -> Points:
        """Return (…, 2) of (frames, …) forward and up."""
        shape = (-1, *(1,) * (forward.ndim - 1))
        x = self._x.reshape(shape) + self._scale * self._facing.reshape(shape) * forward
        y = self._y.reshape(shape) - self._scale * up
        return np.stack([x, y], axis=-1)


def _outwards(poses: Poses) -> Place:
    """Return the middle of the torso, pushed towards the back by its arch."""
    x, y = shoulder_of(poses)
    forward, up = direction(poses.torso)
    bend = TORSO * poses.arch
    return x / 2 - bend * up, y / 2 + bend * forward


def _along(poses: Poses, share: float, outwards: float) -> Place:
    """Return a point of the line of the torso, and towards the back from it."""
    x, y = shoulder_of(poses)
    forward, up = direction(poses.torso)
    return share * x - outwards * up, share * y + outwards * forward


def _bend(start: Place, middle: Place, stop: Place, share: Series) -> Place:
    """Return (frames, steps) of a quadratic curve that is drawn towards ``middle``."""
    weights = (1 - share) ** 2, 2 * share * (1 - share), share**2

    def curve(*points: Series) -> Series:
        return sum((w * p[:, None] for w, p in zip(weights, points, strict=True)), start=_ZERO)

    return curve(start[0], middle[0], stop[0]), curve(start[1], middle[1], stop[1])


def _between(start: Series, stop: Series, share: Series) -> Series:
    return start[:, None] + (stop - start)[:, None] * share


def _hands(poses: Poses, shoulder: Place) -> tuple[Place, Place]:
    return (
        (shoulder[0] + poses.hand_x, shoulder[1] + poses.hand_y),
        (shoulder[0] + poses.far_hand_x, shoulder[1] + poses.far_hand_y),
    )


def _legs(poses: Poses, picture: _Picture, shoulder: Place) -> Points:
    """Return joints, knees and paws; elbows bend backwards, knees forwards."""
    chest = _along(poses, 0.86, -17.0)
    thigh = _along(poses, 0.04, -14.0)
    hands = _hands(poses, shoulder)
    feet = ((poses.foot_x, poses.foot_y), (poses.far_foot_x, poses.far_foot_y))
    legs = []
    for joint, paw, bend in (
        (chest, hands[0], -9.0),
        (chest, hands[1], -9.0),
        (thigh, feet[0], 9.0),
        (thigh, feet[1], 9.0),
    ):
        x, y = paw[0] - joint[0], paw[1] - joint[1]
        aside = bend / np.maximum(np.hypot(x, y), 1.0)
        knee = joint[0] + x / 2 - aside * y, joint[1] + y / 2 + aside * x
        legs.append(np.stack([picture.points(*part) for part in (joint, knee, paw)], axis=1))
    return np.stack(legs, axis=1)


def _toes(poses: Poses, picture: _Picture, hands: tuple[Place, Place], nose: Place) -> Points:
    """Return where paws point: feet along what they stand on, free hands towards the nose."""
    toes = []
    for x, y in hands:
        towards_x, towards_y = nose[0] - x, nose[1] - y
        length = np.maximum(np.hypot(towards_x, towards_y), 1e-6)
        free = np.abs(towards_y) < MUZZLE
        step_x, step_y = np.where(free, towards_x / length, 1.0), np.where(free, towards_y, 0.0)
        toes.append(picture.points(x + 7 * step_x, y + 7 * step_y / length))
    under = np.where(np.cos(poses.torso) < 0, -1.0, 1.0)
    for x, y in ((poses.foot_x, poses.foot_y), (poses.far_foot_x, poses.far_foot_y)):
        toes.append(picture.points(x + 19 * under, y))
    return np.stack(toes, axis=1)


def _tail(poses: Poses, stage: Stage) -> Place:
    root = _along(poses, -0.3, -6.0)
    tip = poses.tail_x * stage.animal.tail, poses.tail_y
    middle = (0.55 * root[0] + 0.45 * tip[0], 0.25 * root[1] + 0.75 * tip[1] + poses.tail_sway)
    return _bend(root, middle, tip, np.linspace(0, 1, 12))
