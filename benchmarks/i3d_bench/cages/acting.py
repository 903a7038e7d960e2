"""From a plan of bouts to a posture for every frame, bouts blended into each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.behaviours import FPS
from i3d_bench.cages.body import bodies_of
from i3d_bench.cages.bouts import Bout
from i3d_bench.cages.movements import act
from i3d_bench.cages.poses import FIELDS, Poses, Series, poses_of
from i3d_bench.cages.stage import Stage
from i3d_bench.cages.takes import Take

_HALF_BLEND = 3  # frames on each side of a border: 0.2 s in all
_HALF_LEAP = 6  # on and off the lid
_TO_WALL_PX = 5.0


def act_bouts(bouts: Sequence[Bout], stage: Stage, rng: np.random.Generator) -> Poses:
    """Return the poses of a recording.

    A border of the plan is the middle of the blend, so half of the blend is labelled with what
    ends and half with what begins.
    """
    num_frames = bouts[-1].stop
    matrix = np.zeros((num_frames, len(FIELDS)))
    before = 0
    for bout, following, chance in zip(
        bouts, [*bouts[1:], None], rng.spawn(len(bouts)), strict=True
    ):
        after = _half_blend(bout, following) if following else 0
        frames = np.arange(max(0, bout.start - before), min(num_frames, bout.stop + after))
        take = Take(bout=bout, stage=stage, t=_times(frames, bout), rng=chance)
        weight = _rise(frames - bout.start, before) * _rise(bout.stop - 1 - frames, after)
        poses = act(take).matrix()[: len(frames)]
        matrix[frames] += weight[:, None] * poses
        before = after
    return _inside(poses_of(matrix), stage)


def _inside(poses: Poses, stage: Stage) -> Poses:
    """Push the animal back where its nose or a paw would be through a wall."""
    bodies = bodies_of(poses, stage)
    paws = bodies.legs[:, :, 2, 0]
    x = np.concatenate([bodies.head[..., 0], paws], axis=1)
    through_right = np.maximum(x.max(axis=1) - (stage.cage.right - _TO_WALL_PX), 0)
    through_left = np.maximum(stage.cage.left + _TO_WALL_PX - x.min(axis=1), 0)
    return replace(poses, hip_x=poses.hip_x - through_right + through_left)


def _half_blend(bout: Bout, following: Bout) -> int:
    return _HALF_LEAP if "hang" in (bout.label, following.label) else _HALF_BLEND


def _times(frames: NDArray[np.int64], bout: Bout) -> Series:
    """Return seconds from the bout's start; two at least, so that there is a step of time."""
    if len(frames) == 1:
        frames = np.append(frames, frames[0] + 1)
    return (frames - bout.start) / FPS


def _rise(after: NDArray[np.int64], half: int) -> Series:
    """Return 0 … 1, smooth, over ``half`` frames on both sides of a border at ``after`` = 0."""
    if half == 0:
        return np.ones(len(after))
    share = np.clip((after + half + 0.5) / (2 * half), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
