"""Whether more annotation would help, and of which behaviour.

The folds of the cross-validation again, each trained on a part of its windows. Part of the windows
means what annotating less would have meant: stretches of time of every recording, not windows
picked at random, whose neighbours would stand for those that were left out. A larger part holds the
smaller one, so that what separates them is what was added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_fit.cross_validation import CrossValidation, Progress
from i3d_fit.folds import training_windows
from i3d_fit.logistic import fit_logistic
from i3d_fit.material import Material
from i3d_fit.measures import recalls

SHARES = (1 / 8, 1 / 4, 1 / 2)
_DRAWS = 2  # of each share: where stretches lie is chance
_RISING = 0.02  # of balanced accuracy at the last doubling
_RISING_CLASS = 0.05  # of recall
_FEW_WINDOWS = 50
_GOOD_RECALL = 0.9
_ADVISED = 4  # behaviours: of more, none is singled out


@dataclass(frozen=True, kw_only=True, eq=False)
class CurvePoint:
    """What a part of the annotation would have given.

    Attributes:
        share: of the training windows, above 0 and at most 1.
        windows: that a fold was trained on, in the mean.
        balanced_accuracy: 0 … 1.
        recall: (K,) float64, 0 … 1.
    """

    share: float
    windows: int
    balanced_accuracy: float
    recall: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurve:
    """Measures by how much is annotated.

    Attributes:
        labels: K of them.
        points: from the smallest share to all.
        windows: (K,) int64, windows of each class that may be trained on.
    """

    labels: tuple[str, ...]
    points: tuple[CurvePoint, ...]
    windows: NDArray[np.int64]

    def advice(self) -> list[str]:
        """Say whether more annotation would help, and of which behaviours, the first one most."""
        half, full = self.points[-2:]
        gained = full.balanced_accuracy - half.balanced_accuracy
        points = f"{gained * 100:+.1f} points from half of the annotation to all of it"
        if gained >= _RISING:
            said = [f"More annotation would help: balanced accuracy still rises, {points}."]
        else:
            said = [
                f"More of the same would hardly help: balanced accuracy is level, {points}. Other "
                "animals, or clearer rules for the behaviours that are mixed up, may."
            ]
        gains, found = full.recall - half.recall, []
        for code in np.argsort(full.recall, kind="stable"):
            reasons = []
            if self.windows[code] < _FEW_WINDOWS:
                reasons.append(f"few windows ({self.windows[code]})")
            if gains[code] >= _RISING_CLASS and full.recall[code] < _GOOD_RECALL:
                reasons.append(f"recall still rises ({gains[code] * 100:+.0f} points)")
            if reasons:
                found.append(
                    f"Annotate more of {self.labels[code]}: {' and '.join(reasons)}; "
                    f"{full.recall[code]:.0%} of it is found."
                )
        return said + found[:_ADVISED]

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "points": [
                {
                    "share": point.share,
                    "windows": point.windows,
                    "balanced_accuracy": point.balanced_accuracy,
                    "recall": dict(zip(self.labels, point.recall.tolist(), strict=True)),
                }
                for point in self.points
            ],
            "windows": dict(zip(self.labels, self.windows.tolist(), strict=True)),
            "advice": self.advice(),
        }


def learning_curve(
    material: Material,
    cross_validation: CrossValidation,
    *,
    seed: int = 0,
    on_progress: Progress | None = None,
) -> LearningCurve:
    """Train on parts of the annotation, test on the folds of a cross-validation of it.

    The penalty on the whole is that of the cross-validation: for a part it is as many times
    stronger a window as there are fewer of them.

    Args:
        material: what was cross-validated.
        cross_validation: of it.
        seed: decides where stretches lie.
        on_progress: called after each fold.
    """
    folds = cross_validation.folds
    classes = len(material.labels)
    rng = np.random.default_rng(seed)
    answers = np.zeros((len(SHARES), _DRAWS, material.num_windows), np.int64)
    windows = np.zeros((len(SHARES) + 1, folds.count))
    for fold in range(folds.count):
        training = material.select(training_windows(material, folds, fold))
        tested = folds.of_windows == fold
        windows[-1, fold] = training.num_windows
        for draw in range(_DRAWS):
            places = _places(training, rng)
            for row, share in enumerate(SHARES):
                part = training.select(_within(places, share, training.num_windows))
                head = fit_logistic(part, strength=cross_validation.strength / share)
                answers[row, draw, tested] = head.logits(material.features[tested]).argmax(axis=1)
                windows[row, fold] += part.num_windows / _DRAWS
        if on_progress is not None:
            on_progress(fold + 1, folds.count)
    full = recalls(material.codes, cross_validation.predicted, classes=classes)
    found = [
        np.mean([recalls(material.codes, drawn, classes=classes) for drawn in draws], axis=0)
        for draws in answers
    ]
    return LearningCurve(
        labels=material.labels,
        points=tuple(
            CurvePoint(
                share=share,
                windows=round(float(windows[row].mean())),
                balanced_accuracy=float(np.nanmean(recall)),
                recall=recall,
            )
            for row, (share, recall) in enumerate(zip((*SHARES, 1.0), (*found, full), strict=True))
        ),
        windows=material.num_pure,
    )


def _places(training: Material, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return (n,) float64, 0 … 1: where in its recording a window is, from a place by chance.

    Time is taken as a circle, so that every window is as likely to be in a part.
    """
    found = np.zeros(training.num_windows)
    for recording in np.unique(training.recordings):
        own = np.flatnonzero(training.recordings == recording)
        found[own] = (np.arange(len(own)) / len(own) + rng.random()) % 1
    return found


def _within(places: NDArray[np.float64], share: float, count: int) -> NDArray[np.bool_]:
    """Return (n,) bool: the windows in the first ``share`` of every recording, at least one."""
    found: NDArray[np.bool_] = places < share
    if count and not found.any():
        found[places.argmin()] = True
    return found
