"""Which groups fine-tuning is judged by: whole ones, so that no frame is on both sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_fit.errors import FitError
from i3d_fit.folds import folds_of, training_windows
from i3d_fit.material import Material


@dataclass(frozen=True, kw_only=True, eq=False)
class Division:
    """Windows to train on, and windows to judge by.

    Attributes:
        training: (n,) bool: pure ones alone.
        held_out: (n,) bool: all windows of the groups that are held out.
        names: of the groups that are held out; of its recordings where there is one group alone.
    """

    training: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    names: tuple[str, ...]


def divide(material: Material, *, seed: int, unit: str) -> Division:
    """Hold out about a fifth: groups without which every class can still be trained.

    Among those, the ones that show most classes, and whose number of windows is nearest to an even
    share.

    Args:
        material: of at least two recordings.
        seed: decides how groups are put together.
        unit: what a group is, "video" or "animal", for people.

    Raises:
        FitError: there is one recording alone, or whichever part is held out, a class is lacking.
    """
    if len(np.unique(material.recordings)) < 2:
        raise FitError(
            f"{material.recording_names[material.recordings[0]]}: expected at least 2 annotated "
            "videos to fine-tune on, got 1: whether training goes too far shows on a video that it "
            "has not seen. Annotate a second one, or leave out --fine-tune"
        )
    folds = folds_of(material, seed=seed, unit=unit)
    classes = len(material.labels)
    share = material.num_windows / folds.count

    def order(fold: int) -> tuple[int, int, float]:
        training = material.codes[training_windows(material, folds, fold)]
        tested = material.codes[folds.of_windows == fold]
        lacking = classes - len(np.unique(training))
        return lacking, classes - len(np.unique(tested)), abs(len(tested) - share)

    chosen = min(range(folds.count), key=order)
    training = training_windows(material, folds, chosen)
    lacking = set(range(classes)) - set(material.codes[training].tolist())
    if lacking:
        names = ", ".join(repr(material.labels[code]) for code in sorted(lacking))
        raise FitError(
            f"{names}: expected each class in at least 2 {unit}s, so that one can be held out and "
            "the class still be trained. Annotate it elsewhere too, or leave out --fine-tune"
        )
    held_out: NDArray[np.bool_] = folds.of_windows == chosen
    return Division(training=training, held_out=held_out, names=_names(material, held_out))


def _names(material: Material, held_out: NDArray[np.bool_]) -> tuple[str, ...]:
    one_group = len(np.unique(material.groups)) == 1
    numbers = material.recordings if one_group else material.groups
    known = material.recording_names if one_group else material.group_names
    return tuple(known[number] for number in np.unique(numbers[held_out]))
