"""Postures over time, and where they put the parts of the body.

Lengths of the body are in units of the anatomy, in which a torso is 105 long; an animal's scale
makes pixels of them. "Forward" is where the animal faces, "up" is up.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Place = tuple[Series, Series]

TORSO, NECK, MUZZLE = 105.0, 32.0, 42.0
HALF_TORSO = TORSO / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Poses:
    """A posture for each frame; every field is (frames,) float64.

    Attributes:
        hip_x: px of the picture.
        hip_height: above the bedding.
        facing: −1 left … 1 right; in between the animal turns and is foreshortened.
        torso: angle of hip to shoulder, radians; 0 forward, π/2 up, π on its back.
        arch: how far the back bends outwards, in lengths of the torso.
        stretch: factor of the torso's length.
        girth: factor of the torso's thickness.
        head: angle of skull to nose, radians, as ``torso``.
        neck: factor of the neck's length.
        hand_x: near hand, forward of the shoulder.
        hand_y: near hand, above the shoulder.
        far_hand_x: as ``hand_x``.
        far_hand_y: as ``hand_y``.
        foot_x: near foot, forward of the hip.
        foot_y: near foot, above the hip.
        far_foot_x: as ``foot_x``.
        far_foot_y: as ``foot_y``.
        tail_x: its tip, forward of the hip.
        tail_y: its tip, above the hip.
        tail_sway: how far its middle is bent upwards.
        jaw: how far the mouth is open.
        eye: 0 shut … 1 open.
        pellet: 0 none … 1 a pellet in the hands.
    """

    hip_x: Series
    hip_height: Series
    facing: Series
    torso: Series
    arch: Series
    stretch: Series
    girth: Series
    head: Series
    neck: Series
    hand_x: Series
    hand_y: Series
    far_hand_x: Series
    far_hand_y: Series
    foot_x: Series
    foot_y: Series
    far_foot_x: Series
    far_foot_y: Series
    tail_x: Series
    tail_y: Series
    tail_sway: Series
    jaw: Series
    eye: Series
    pellet: Series

    def matrix(self) -> Series:
        """Return all fields, (frames, fields)."""
        return np.stack([getattr(self, name) for name in FIELDS], axis=1)


FIELDS = tuple(field.name for field in fields(Poses))


def poses_of(matrix: Series) -> Poses:
    """Undo ``Poses.matrix``."""
    return Poses(**{name: matrix[:, column] for column, name in enumerate(FIELDS)})


def direction(angle: Series) -> Place:
    """Return forward and up of a unit vector."""
    return np.cos(angle), np.sin(angle)


def shoulder_of(poses: Poses) -> Place:
    """Return where the shoulder is from the hip, forward and up."""
    forward, up = direction(poses.torso)
    return TORSO * poses.stretch * forward, TORSO * poses.stretch * up


def skull_of(poses: Poses) -> Place:
    """Return where the skull's middle is from the hip, forward and up."""
    x, y = shoulder_of(poses)
    forward, up = direction(0.55 * poses.head + 0.45 * poses.torso)
    return x + NECK * poses.neck * forward, y + NECK * poses.neck * up


def nose_of(poses: Poses) -> Place:
    """Return where the tip of the nose is from the hip, forward and up."""
    x, y = skull_of(poses)
    forward, up = direction(poses.head)
    return x + MUZZLE * forward, y + MUZZLE * up
