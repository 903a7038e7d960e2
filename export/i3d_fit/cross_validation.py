"""Choose how strong the penalty is, and answer every window by a head that has not seen it.

The strength is chosen by the folds' mean balanced accuracy: the strongest one that is within one
standard error of the best (Breiman et al. 1984; Hastie, Tibshirani and Friedman 2009, 7.10). The
error is that of the difference to the best within folds: animals differ by more than strengths do,
and that part is the same for every strength.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_fit.errors import FitError
from i3d_fit.folds import Folds, folds_of, training_windows
from i3d_fit.logistic import fit_path
from i3d_fit.material import Material
from i3d_fit.measures import balanced_accuracy

STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001)

Progress = Callable[[int, int], None]
"""Called with the folds that are done and with how many there are."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CrossValidation:
    """What cross-validation found.

    Attributes:
        strength: of the penalty, the chosen one.
        strengths: S of them, falling: those that were tried.
        scores: (S, folds) float64, balanced accuracy of each strength in each fold.
        logits: (n, K) float32, of every window by the head of its fold at the chosen strength.
        folds: the fold that each window was tested in.
        doubts: for people: what the measures cannot say, or say wrongly.
    """

    strength: float
    strengths: tuple[float, ...]
    scores: NDArray[np.float64]
    logits: NDArray[np.float32]
    folds: Folds
    doubts: tuple[str, ...]

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return (n,) int64: the class of each window by the head of its fold."""
        found: NDArray[np.int64] = self.logits.argmax(axis=1)
        return found

    @property
    def how(self) -> str:
        """Return what the folds are made of, for people."""
        return self.folds.how

    def document(self) -> dict[str, Any]:
        """Return plain values; without the windows' own."""
        return {
            "how": self.how,
            "folds": self.folds.count,
            "strength": self.strength,
            "strengths": list(self.strengths),
            "balanced_accuracy_of_folds": self.scores.tolist(),
            "doubts": list(self.doubts),
        }


def cross_validate(
    material: Material,
    *,
    folds: int = 5,
    seed: int = 0,
    unit: str = "group",
    on_progress: Progress | None = None,
) -> CrossValidation:
    """Choose a strength, and answer every window by a head that has not seen its group.

    Args:
        material: every class has a pure window.
        folds: at most; fewer where there are fewer groups.
        seed: decides where groups are equal.
        unit: what a group is, "video" or "animal", for people.
        on_progress: called after each fold.

    Raises:
        FitError: a class has no pure window, or there is too little to divide.
    """
    _check_classes(material)
    divided = folds_of(material, folds=folds, seed=seed, unit=unit)
    shape = (len(STRENGTHS), material.num_windows, len(material.labels))
    logits = np.zeros(shape, np.float32)
    scores = np.zeros((len(STRENGTHS), divided.count))
    alone, unseen = _alone(material, unit), dict[str, str]()
    for fold in range(divided.count):
        chosen, tested = training_windows(material, divided, fold), divided.of_windows == fold
        _check_training(chosen, material, unit)
        training = material.select(chosen)
        unseen |= _unseen(training, fold, said=alone.keys() | unseen.keys())
        for place, head in enumerate(fit_path(training, strengths=STRENGTHS)):
            answers = head.logits(material.features[tested])
            logits[place, tested] = answers
            scores[place, fold] = balanced_accuracy(
                material.codes[tested], answers.argmax(axis=1), classes=len(material.labels)
            )
        if on_progress is not None:
            on_progress(fold + 1, divided.count)
    best = strongest_as_good(scores)
    return CrossValidation(
        strength=STRENGTHS[best],
        strengths=STRENGTHS,
        scores=scores,
        logits=logits[best],
        folds=divided,
        doubts=(*alone.values(), *unseen.values()),
    )


def strongest_as_good(scores: NDArray[np.float64]) -> int:
    """Return the place of the strongest penalty that is within one standard error of the best.

    Args:
        scores: (S, folds), S strengths, falling; at least 2 folds.
    """
    best = int(scores.mean(axis=1).argmax())
    lost = scores[best] - scores
    error = lost.std(axis=1, ddof=1) / np.sqrt(scores.shape[1])
    return int(np.flatnonzero(lost.mean(axis=1) <= error)[0])


def _check_classes(material: Material) -> None:
    missing = [label for label, n in zip(material.labels, material.num_pure, strict=True) if not n]
    if missing:
        raise FitError(
            f"expected windows of every behaviour to train on, got none of {', '.join(missing)}: "
            f"they are annotated nowhere, or never for half a window ({material.clip_frames // 2} "
            "frames). Annotate them, or leave them out with --labels or --rename"
        )


def _check_training(chosen: NDArray[np.bool_], material: Material, unit: str) -> None:
    if not chosen.any():
        raise FitError(
            f"expected windows to train on outside of every part that is tested, got none: one "
            f"{unit} has all of them. Annotate a second {unit} for more than half a window "
            f"({material.clip_frames // 2} frames) at a time"
        )


def _alone(material: Material, unit: str) -> dict[str, str]:
    """Return a doubt for each class that one group alone has, by its label."""
    found = {}
    for code, label in enumerate(material.labels):
        groups = np.unique(material.groups[material.pure & (material.codes == code)])
        if len(groups) == 1 < len(np.unique(material.groups)):
            found[label] = (
                f"{label} is annotated in one {unit} alone, {material.group_names[groups[0]]}: no "
                f"head without that {unit} knows it, so its recall is 0 here and says nothing; "
                f"annotate it in another {unit}"
            )
    return found


def _unseen(training: Material, fold: int, *, said: Set[str]) -> dict[str, str]:
    """Return a doubt for each class that a fold's training lacks, but those that were said."""
    return {
        label: f"{label} has no window in the training of fold {fold + 1}: its recall there is 0 "
        "and says nothing; annotate more of it"
        for label, windows in zip(training.labels, training.num_pure, strict=True)
        if not windows and label not in said
    }
