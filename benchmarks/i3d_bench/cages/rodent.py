"""The picture of an animal, drawn into the picture of its cage."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.animal import Animal
from i3d_bench.cages.body import Bodies, Points
from i3d_bench.cages.poses import Poses, Series

_SUB = 4  # bits of a pixel's fraction in OpenCV's drawing
_ONE = 1 << _SUB
_OUTLINE, _PALE = 0.55, 1.2  # of a leg's level
_NEAR_HAND, _FAR_HAND, _NEAR_FOOT, _FAR_FOOT = range(4)
Picture = NDArray[np.uint8]


class Rodent:
    """Draws one animal in the poses of a recording."""

    def __init__(self, animal: Animal, poses: Poses, bodies: Bodies) -> None:
        self._animal, self._poses, self._bodies = animal, poses, bodies
        self._skin = 0.86 * animal.level

    def draw(self, picture: Picture, frame: int) -> None:
        """Draw the animal of a frame into (480, 640) uint8, from far to near."""
        bodies, level, scale = self._bodies, self._animal.level, self._animal.scale
        self._tail(picture, frame)
        self._leg(picture, frame, _FAR_FOOT, 0.62)
        self._leg(picture, frame, _FAR_HAND, 0.66)
        torso, radii = bodies.torso[frame], bodies.torso_radii[frame]
        self._fur(picture, torso, radii, level, frame)
        thigh = np.array([bodies.haunch[frame]])
        self._fur(picture, thigh, np.array([30.0 * scale]), 1.04 * level, frame)
        self._leg(picture, frame, _NEAR_FOOT, 0.8)
        self._fur(picture, bodies.head[frame], bodies.head_radii[frame], 1.05 * level, frame)
        self._face(picture, frame)
        if self._poses.pellet[frame] > 0.5:
            self._disc(picture, bodies.pellet[frame], 8.0 * scale, 0.78 * level)
        self._leg(picture, frame, _NEAR_HAND, 0.86)

    def _fur(
        self, picture: Picture, centres: Points, radii: Series, level: float, frame: int
    ) -> None:
        """Draw a rounded part: darker to its edge and to its underside, with the coat on it."""
        reach = radii[:, None] + 3
        low = np.floor((centres - reach).min(axis=0)).astype(int)
        high = np.ceil((centres + reach).max(axis=0)).astype(int)
        left, top = max(low[0], 0), max(low[1], 0)
        right, bottom = min(high[0], picture.shape[1]), min(high[1], picture.shape[0])
        if right <= left or bottom <= top:
            return
        mask = np.zeros((bottom - top, right - left), np.uint8)
        for centre, radius in zip(centres - (left, top), radii, strict=True):
            cv2.circle(
                mask, _point(centre), round(float(radius) * _ONE), (255,), -1, cv2.LINE_AA, _SUB
            )
        depth = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        shade = np.minimum(depth * (1 / (0.75 * float(radii.max()))), 1.0)
        shade = 0.56 + 0.44 * np.sqrt(shade)
        shade *= np.linspace(1.1, 0.88, bottom - top, dtype=np.float32)[:, None]
        shade *= self._coat(frame, left, top, mask.shape)
        inside = mask * np.float32(1 / 255)
        part = picture[top:bottom, left:right]
        part[:] = np.clip(part + (level * shade - part) * inside, 0, 255)

    def _coat(self, frame: int, left: int, top: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the coat over a stretch of the picture: it moves and turns with the torso."""
        side = -1.0 if self._poses.facing[frame] < 0 else 1.0
        angle = self._bodies.angle[frame]
        hip = self._bodies.torso[frame, 0]
        cos, sin = np.cos(angle), np.sin(angle)
        # The inverse map: of the picture's pixels to those of the coat.
        turn = np.array([[side * cos, sin], [-side * sin, cos]])
        shift = turn @ (np.array([left, top]) - hip)
        inverse = np.column_stack([turn, shift + self._animal.fur.shape[0] / 2])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = (shape[1], shape[0])
        return np.asarray(
            cv2.warpAffine(
                self._animal.fur, inverse, size, flags=flags, borderMode=cv2.BORDER_WRAP
            ),
            dtype=np.float32,
        )

    def _leg(self, picture: Picture, frame: int, which: int, factor: float) -> None:
        hand = which in (_NEAR_HAND, _FAR_HAND)
        joint, knee, paw = self._bodies.legs[frame, which]
        level, scale = factor * self._animal.level, self._animal.scale
        toes = self._bodies.toes[frame, which]
        upper, lower, sole = (15, 11, 11) if hand else (18, 12, 9)
        for dark, edge in ((_OUTLINE, 4), (1.0, 0)):
            if which != _NEAR_FOOT:  # its thigh is drawn as a haunch
                _line(picture, joint, knee, dark * level, upper * scale + edge)
            _line(picture, knee, paw, dark * level, lower * scale + edge)
            _line(picture, paw, toes, dark * level * _PALE, sole * scale + edge)

    def _face(self, picture: Picture, frame: int) -> None:
        bodies, scale, level = self._bodies, self._animal.scale, self._animal.level
        ear = bodies.ear[frame]
        size = self._animal.ear * scale
        self._disc(picture, ear, 14.5 * size, 0.66 * level)
        self._disc(picture, ear, 11.5 * size, 0.98 * level)
        self._disc(picture, ear + np.array([0, 2 * size]), 8.0 * size, 0.76 * level)
        nose = bodies.head[frame, -1]
        _line(picture, bodies.head[frame, -4], bodies.chin[frame], 0.8 * level, 7 * scale)
        if self._poses.eye[frame] > 0.5:
            self._disc(picture, bodies.eye[frame], 5.2 * scale, 14)
            self._disc(picture, bodies.eye[frame] + np.array([1, -1.5]), 1.3 * scale, 190)
        else:
            lid = np.array([4.0 * scale, 0.0])
            _line(picture, bodies.eye[frame] - lid, bodies.eye[frame] + lid, 0.5 * level, 2)
        self._disc(picture, nose, 4.0 * scale, 0.5 * level)
        forward = nose - bodies.head[frame, -4]
        for spread in (-0.5, 0.0, 0.5):
            cos, sin = np.cos(spread + 1.1), np.sin(spread + 1.1)
            side = -1 if self._poses.facing[frame] < 0 else 1
            down = np.array(
                [
                    cos * forward[0] - side * sin * forward[1],
                    side * sin * forward[0] + cos * forward[1],
                ]
            )
            start = nose - 0.25 * forward
            _line(picture, start, start + 1.1 * down, 0.62 * level, 1)

    def _tail(self, picture: Picture, frame: int) -> None:
        points = self._bodies.tail[frame]
        for number, (start, stop) in enumerate(pairwise(points)):
            thickness = (9.0 - 0.55 * number) * self._animal.scale
            _line(picture, start, stop, 0.78 * self._skin, thickness)

    def _disc(self, picture: Picture, centre: Points, radius: float, level: float) -> None:
        cv2.circle(picture, _point(centre), round(radius * _ONE), (level,), -1, cv2.LINE_AA, _SUB)


def _line(picture: Picture, start: Points, stop: Points, level: float, thickness: float) -> None:
    width = max(1, round(thickness))
    cv2.line(picture, _point(start), _point(stop), (level,), width, cv2.LINE_AA, _SUB)


def _point(where: Points) -> tuple[int, int]:
    return round(float(where[0]) * _ONE), round(float(where[1]) * _ONE)
