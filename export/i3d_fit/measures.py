"""How good answers are: balanced accuracy with its interval, and every class.

Windows of one animal resemble each other, so the interval is found by drawing whole groups again
(bootstrap of clusters). With few groups that says nothing; then stretches of time are drawn, and
the interval is of these animals alone: it does not hold what another animal would add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    cohen_kappa_score,
    confusion_matrix,
    precision_recall_fscore_support,
)

LEAST_GROUPS = 5
_DRAWS = 2000
_COVERAGE = 0.95
_STRETCHES = 40
_LEAST_STRETCH = 10  # windows: shorter ones depend on each other


@dataclass(frozen=True, kw_only=True, eq=False)
class Measures:
    """Measures of answers; NaN where one is not defined.

    Attributes:
        labels: K of them.
        balanced_accuracy: mean recall of the classes that have windows, 0 … 1.
        interval: its 95 % interval; None where there is too little for one.
        interval_over: what was drawn again for it, for people.
        chance: balanced accuracy of guessing, 1 / K.
        confusion: (K, K) int64, windows by annotated class (row) and answered class (column).
        support: (K,) int64, annotated windows.
        recall: (K,) float64; NaN without annotated windows.
        precision: (K,) float64; NaN where the class is never answered.
        f1: (K,) float64; NaN where it is neither annotated nor answered.
    """

    labels: tuple[str, ...]
    balanced_accuracy: float
    interval: tuple[float, float] | None
    interval_over: str
    chance: float
    confusion: NDArray[np.int64]
    support: NDArray[np.int64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    f1: NDArray[np.float64]

    def document(self) -> dict[str, Any]:
        """Return plain values, None for what is not defined."""
        return {
            "windows": int(self.support.sum()),
            "balanced_accuracy": self.balanced_accuracy,
            "interval": None if self.interval is None else list(self.interval),
            "interval_over": self.interval_over,
            "chance": self.chance,
            "confusion": self.confusion.tolist(),
            "classes": [
                {
                    "label": label,
                    "windows": int(self.support[code]),
                    "recall": _plain(self.recall[code]),
                    "precision": _plain(self.precision[code]),
                    "f1": _plain(self.f1[code]),
                }
                for code, label in enumerate(self.labels)
            ],
        }


def kappa_of(codes: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Return Cohen's kappa of classes, (n,) int64 each; NaN where both are one class alone."""
    if len(np.union1d(codes, predicted)) < 2:
        return float("nan")
    return float(cohen_kappa_score(codes, predicted))


def measure(
    codes: NDArray[np.int64],
    predicted: NDArray[np.int64],
    *,
    groups: NDArray[np.int64],
    labels: tuple[str, ...],
    seed: int = 0,
    unit: str = "group",
) -> Measures:
    """Measure answers.

    Args:
        codes: (n,) int64, the annotated classes; at least one window.
        predicted: (n,) int64, the answers.
        groups: (n,) int64; windows of a group follow each other in the order of time.
        labels: K of them.
        seed: of the draws.
        unit: what a group is, "video" or "animal", for people.
    """
    classes = len(labels)
    places = np.arange(classes)
    precision, recall, f1, support = precision_recall_fscore_support(
        codes, predicted, labels=places, zero_division=np.nan
    )
    parts, over = _parts(groups, unit)
    return Measures(
        labels=labels,
        balanced_accuracy=balanced_accuracy(codes, predicted, classes=classes),
        interval=_interval(codes, predicted, parts, classes=classes, seed=seed),
        interval_over=over,
        chance=1 / classes,
        confusion=confusion_matrix(codes, predicted, labels=places).astype(np.int64),
        support=support.astype(np.int64),
        recall=recall,
        precision=precision,
        f1=f1,
    )


def recalls(
    codes: NDArray[np.int64], predicted: NDArray[np.int64], *, classes: int
) -> NDArray[np.float64]:
    """Return (K,) float64: the share of each class's windows that is found, NaN without any."""
    right = np.bincount(codes[codes == predicted], minlength=classes)
    return _shares(right, np.bincount(codes, minlength=classes))


def balanced_accuracy(
    codes: NDArray[np.int64], predicted: NDArray[np.int64], *, classes: int
) -> float:
    """Return the mean recall of the classes that have windows, 0 … 1; at least one window."""
    return float(np.nanmean(recalls(codes, predicted, classes=classes)))


def _parts(groups: NDArray[np.int64], unit: str) -> tuple[NDArray[np.int64], str]:
    """Return (n,) int64, what is drawn together, and what it is for people."""
    names, sizes = np.unique(groups, return_counts=True)
    if len(names) >= LEAST_GROUPS:
        return groups, f"{len(names)} {unit}s"
    parts = np.zeros(len(groups), np.int64)
    found = 0
    for name, size in zip(names, sizes, strict=True):
        share = round(_STRETCHES * size / len(groups))
        stretches = max(1, min(share, size // _LEAST_STRETCH))
        parts[groups == name] = found + np.arange(size) * stretches // size
        found += stretches
    few = f"{len(names)} {unit}{'s' if len(names) > 1 else ''}"
    return parts, f"{found} stretches of {few}: how much other {unit}s differ is not in it"


def _interval(
    codes: NDArray[np.int64],
    predicted: NDArray[np.int64],
    parts: NDArray[np.int64],
    *,
    classes: int,
    seed: int,
) -> tuple[float, float] | None:
    names, places = np.unique(parts, return_inverse=True)
    if len(names) < LEAST_GROUPS:
        return None
    size = (len(names), classes)
    cells = places * classes + codes
    annotated = np.bincount(cells, minlength=size[0] * classes).reshape(size)
    right = np.bincount(cells[codes == predicted], minlength=size[0] * classes).reshape(size)
    equal = np.full(len(names), 1 / len(names))
    times = np.random.default_rng(seed).multinomial(len(names), equal, size=_DRAWS)
    drawn = np.nanmean(_shares(times @ right, times @ annotated), axis=1)
    low, high = np.quantile(drawn, ((1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2))
    return float(low), float(high)


def _shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
