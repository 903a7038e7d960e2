"""An animal in its cage: where its body can be, and where it can reach things from."""

from __future__ import annotations

from dataclasses import dataclass

from i3d_bench.cages.animal import Animal
from i3d_bench.cages.cage import Cage
from i3d_bench.cages.poses import HALF_TORSO

_NOSE_TO_CENTRE = 135.0
_SPOUT_TO_CENTRE = 72.0
_HOPPER_TO_CENTRE = 20.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """An animal in its cage; where it is is the middle of its torso on all fours, in px."""

    cage: Cage
    animal: Animal

    @property
    def floor(self) -> tuple[float, float]:
        """Where it can stand."""
        room = _NOSE_TO_CENTRE * self.animal.scale
        return self.cage.left + room, self.cage.right - room

    @property
    def lid(self) -> tuple[float, float]:
        """Where it can cling to the lid: beside hopper and bottle."""
        room = 88.0 * self.animal.scale
        return self.cage.hopper[1] + 20 + room, self.cage.spout[0] - room

    @property
    def hopper(self) -> tuple[float, float]:
        """From where it reaches the hopper, whichever way it faces."""
        reach = _HOPPER_TO_CENTRE * self.animal.scale
        left = max(self.cage.hopper[0] + reach, self.floor[0])
        return left, self.cage.hopper[1] - reach

    @property
    def spout(self) -> float:
        """From where it reaches the spout, facing right."""
        return min(self.cage.spout[0] - _SPOUT_TO_CENTRE * self.animal.scale, self.floor[1])

    def height(self, y: float) -> float:
        """Return how high above the bedding a row of the picture is, in units of the anatomy."""
        return (self.cage.floor - y) / self.animal.scale

    def hip(self, centre: float, facing: float) -> float:
        """Return the hip's x on all fours."""
        return centre - facing * HALF_TORSO * self.animal.scale
