"""A precision's accuracy beside FP32's, against what a person saw, and how much it may lose.

Balanced accuracy is the mean over classes of their recall, so a rare class counts as much as a
common one. It can still hide one class that is lost among many: so no single class may lose much
either. Few windows say little, and neighbouring windows say nearly the same: what chance explains
is judged from the pieces of video that the windows come from, as two standard errors of the loss,
which for windows on their own are those of the binomial distribution. (A segment of 32 windows a
frame apart turns over as one: with two such segments of each of nine classes, one that does is
5.6 points of balanced accuracy.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Classes = NDArray[np.int64]

UNLABELLED = -1

MOST_ACCURACY_LOST = 0.02
MOST_RECALL_LOST = 0.10
# Below this a class is reported, and not judged.
LEAST_WINDOWS_OF_A_CLASS = 20
_STANDARD_ERRORS = 2.0
# A loss of just what is allowed is allowed.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class ClassRecall:
    """One class that a person saw: the share of its windows that each answers so, 0 … 1.

    Attributes:
        label: the class.
        windows: how many a person gave it.
        pieces: of video that they come from.
        reference, candidate: recall of FP32, and of the precision.
        noise: two standard errors of the loss; None where one piece alone shows the class.
    """

    label: str
    windows: int
    pieces: int
    reference: float
    candidate: float
    noise: float | None

    @property
    def lost(self) -> float:
        """What the candidate loses; negative where it gains."""
        return self.reference - self.candidate

    @property
    def loses_too_much(self) -> bool:
        """Whether enough windows show too large a loss, which chance does not explain."""
        return (
            self.windows >= LEAST_WINDOWS_OF_A_CLASS
            and self.noise is not None
            and self.lost > max(MOST_RECALL_LOST, self.noise) + _ROUNDING
        )


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Balanced accuracy against annotations, 0 … 1: the mean over classes of their recall.

    Attributes:
        windows: how many a person gave a class.
        classes: how many classes.
        reference, candidate: of FP32, and of the precision.
        noise: two standard errors of the loss; None where all windows are of one piece of video.
        recalls: of each class, that which loses most first.
    """

    windows: int
    classes: int
    reference: float
    candidate: float
    noise: float | None
    recalls: tuple[ClassRecall, ...]

    @property
    def lost(self) -> float:
        """What the candidate loses; negative where it gains."""
        return self.reference - self.candidate

    @property
    def worst_class(self) -> ClassRecall:
        """The class that the candidate finds least of."""
        return min(self.recalls, key=lambda one: (one.candidate, -one.windows))

    def judge(self) -> tuple[bool | None, str]:
        """Return whether it is near enough to FP32, and the numbers that decide in words.

        Returns:
            None where more is lost than is allowed, but not more than chance explains.
        """
        said = (
            f"balanced accuracy {self.candidate:.1%}, FP32 {self.reference:.1%}: "
            f"{self.lost * 100:+.2f} points lost ({_said_of_noise(self.noise)}); a loss of at most "
            f"{MOST_ACCURACY_LOST * 100:g} points is allowed. {_said_of_classes(self)}"
        )
        if any(one.loses_too_much for one in self.recalls):
            return False, said
        if self.lost <= MOST_ACCURACY_LOST + _ROUNDING:
            return True, said
        beyond = self.noise is not None and self.lost > self.noise
        return (False if beyond else None), said


def accuracy_of(
    reference: Classes,
    candidate: Classes,
    annotated: Classes,
    *,
    labels: Sequence[str],
    pieces: Classes | None = None,
) -> Accuracy | None:
    """Compare the first classes of FP32 and of a precision with what a person saw.

    Args:
        reference: FP32's first class of each window, ``(windows,)``, int64.
        candidate: the precision's.
        annotated: a person's, ``UNLABELLED`` for none.
        labels: names of the classes.
        pieces: the piece of video that each window comes from, any numbers; None takes each
            window as one of its own.

    Returns:
        None if no window is annotated.
    """
    known = annotated != UNLABELLED
    if not known.any():
        return None
    right, other = reference[known] == annotated[known], candidate[known] == annotated[known]
    pieces = np.arange(len(right)) if pieces is None else pieces[known]
    recalls = []
    # Of each window's loss what is not its class's, as its part of the balanced accuracy.
    parts = np.zeros(len(right))
    found, class_of, counts = np.unique(annotated[known], return_inverse=True, return_counts=True)
    for place, one in enumerate(found):
        own = class_of == place
        recall, spread = _recall(labels[one], right[own], other[own], pieces[own])
        recalls.append(recall)
        parts[own] = spread / (counts[place] * len(found))
    return Accuracy(
        windows=int(known.sum()),
        classes=len(recalls),
        reference=float(np.mean([one.reference for one in recalls])),
        candidate=float(np.mean([one.candidate for one in recalls])),
        noise=_noise(parts, pieces),
        recalls=tuple(sorted(recalls, key=lambda one: (-one.lost, -one.windows))),
    )


def _recall(
    label: str, right: NDArray[np.bool_], other: NDArray[np.bool_], pieces: Classes
) -> tuple[ClassRecall, NDArray[np.float64]]:
    """Return a class's recalls, and how far each window's loss is from their mean."""
    lost = right.astype(np.float64) - other
    spread: NDArray[np.float64] = lost - lost.mean()
    recall = ClassRecall(
        label=label,
        windows=len(right),
        pieces=len(np.unique(pieces)),
        reference=float(right.mean()),
        candidate=float(other.mean()),
        noise=_noise(spread / len(spread), pieces),
    )
    return recall, spread


def _noise(parts: NDArray[np.float64], pieces: Classes) -> float | None:
    """Return two standard errors of a sum whose parts may depend on each other within a piece.

    Args:
        parts: of the sum, each less what is expected of it.
        pieces: the piece that each comes from.
    """
    _, piece = np.unique(pieces, return_inverse=True)
    sums = np.bincount(piece, weights=parts)
    if len(sums) < 2:
        return None
    return _STANDARD_ERRORS * float(np.sqrt((sums**2).sum() * len(sums) / (len(sums) - 1)))


def _said_of_noise(noise: float | None) -> str:
    return "one piece of video" if noise is None else f"chance ±{noise * 100:.1f}"


def _said_of_classes(accuracy: Accuracy) -> str:
    judged = [one for one in accuracy.recalls if one.windows >= LEAST_WINDOWS_OF_A_CLASS]
    rule = (
        f"a class of at least {LEAST_WINDOWS_OF_A_CLASS} windows may lose at most "
        f"{MOST_RECALL_LOST * 100:g} points of recall beyond chance"
    )
    if not judged:
        return f"No class has {LEAST_WINDOWS_OF_A_CLASS} windows: no class is judged alone"
    # One that loses too much goes before one that loses more by chance.
    most = next((one for one in judged if one.loses_too_much), judged[0])
    return (
        f"{most.label} loses most: recall {most.candidate:.1%}, FP32 {most.reference:.1%}, "
        f"{most.lost * 100:+.1f} points on {most.windows} windows "
        f"({_said_of_noise(most.noise)}); {rule}"
    )
