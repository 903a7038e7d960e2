"""Which windows are tested together, by a head that has not seen them or their neighbours.

Windows that follow one another show nearly the same frames, so a window of the test whose neighbour
was trained on measures memory. Folds are therefore made of whole groups (videos or animals). Where
there is one group alone they are made of its recordings, or of stretches of its one recording, and
training leaves out what lies within a window's length of the test.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from i3d_fit.errors import FitError
from i3d_fit.material import Material

_BLOCKS_OF_A_FOLD = 4
_LEAST_BLOCK_CLIPS = 8  # so that the gaps leave something of it to train on


@dataclass(frozen=True, kw_only=True, eq=False)
class Folds:
    """The fold of each window.

    Attributes:
        of_windows: (n,) int64, 0 … ``count`` − 1: where a window is tested.
        count: folds, at least 2.
        how: what they are made of, for people.
        are_stretches: whether they are stretches of one recording.
    """

    of_windows: NDArray[np.int64]
    count: int
    how: str
    are_stretches: bool


def folds_of(material: Material, *, folds: int = 5, seed: int = 0, unit: str = "group") -> Folds:
    """Divide windows into at most ``folds`` folds, classes as evenly as whole groups allow.

    Args:
        material: at least 2 groups, or 2 recordings, or a recording long enough for 2 stretches.
        folds: at least 2.
        seed: decides where groups are equal.
        unit: what a group is, "video" or "animal".

    Raises:
        FitError: one recording that is too short to be divided.
    """
    groups, recordings = len(np.unique(material.groups)), len(np.unique(material.recordings))
    if groups > 1:
        parts, part, of = material.groups, unit, ""
    elif recordings > 1:
        parts, part, of = material.recordings, "video", f" of the one {unit}"
    else:
        parts, part, of = _blocks(material, folds), "stretch", " of the one video"
    count = len(np.unique(parts))
    found = _assigned(parts, material.codes, folds=min(folds, count), seed=seed)
    number = int(found.max()) + 1
    plural = "stretches" if part == "stretch" else f"{part}s"
    each = "each left out in turn" if number == count else f"in {number} folds"
    how = f"{count} {plural}{of}, {each}: a window is tested by a head that saw none of its {part}"
    stretches = part == "stretch"
    if stretches:
        how += (
            f" nor the {material.clip_frames} frames around it. Stretches of one video resemble "
            "each other: expect less of other videos"
        )
    return Folds(of_windows=found, count=number, how=how, are_stretches=stretches)


def training_windows(material: Material, folds: Folds, fold: int) -> NDArray[np.bool_]:
    """Return (n,) bool: the pure windows that the head which tests a fold may be trained on.

    At least ``clip_frames`` frames lie between them and every window of the fold.
    """
    tested = folds.of_windows == fold
    found: NDArray[np.bool_] = material.pure & ~tested
    if folds.are_stretches:
        starts = material.starts[tested]
        place = np.searchsorted(starts, material.starts)
        before = starts[np.maximum(place - 1, 0)]
        after = starts[np.minimum(place, len(starts) - 1)]
        nearest = np.minimum(np.abs(material.starts - before), np.abs(after - material.starts))
        found = found & (nearest >= 2 * material.clip_frames)
    return found


def _blocks(material: Material, folds: int) -> NDArray[np.int64]:
    """Return (n,) int64: which of the stretches of one recording a window is in, equal numbers."""
    starts, count = material.starts, material.num_windows
    step = float(np.median(np.diff(starts))) if count > 1 else 1.0
    clips = int(min(step, material.clip_frames) * count / material.clip_frames)
    blocks = min(_BLOCKS_OF_A_FOLD * folds, max(2, clips // _LEAST_BLOCK_CLIPS))
    if clips < 2 * _LEAST_BLOCK_CLIPS:
        raise FitError(
            f"{material.recording_names[material.recordings[0]]}: expected at least "
            f"{2 * _LEAST_BLOCK_CLIPS * material.clip_frames} annotated frames of the one video, "
            f"so that a part can be kept for the test, got about {clips * material.clip_frames}: "
            "annotate more of it, or a second video"
        )
    return np.arange(count, dtype=np.int64) * blocks // count


def _assigned(
    parts: NDArray[np.int64], codes: NDArray[np.int64], *, folds: int, seed: int
) -> NDArray[np.int64]:
    """Return (n,) int64: the fold of each window, numbered without gaps."""
    found = np.full(len(parts), -1, np.int64)
    names, places = np.unique(parts, return_inverse=True)
    if folds == len(names) or np.bincount(codes).max() < folds:  # the latter: too few to weigh
        return places.astype(np.int64) % folds
    split = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Of classes with fewer windows than folds: cross-validation says what that means.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, tested) in enumerate(split.split(codes, codes, parts)):
            found[tested] = fold
    return np.unique(found, return_inverse=True)[1].astype(np.int64)  # a fold can come out empty
