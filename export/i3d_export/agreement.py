"""How far one precision's answers are from FP32's, and whether that is near enough.

Plain statistics on probabilities: no engine, no file. A window is *decided* where FP32's first
class has more than a half; elsewhere the first class of a network of 400 classes turns over at
differences that mean nothing, so the threshold looks at decided windows alone and the report at
all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from i3d_export.accuracy import Accuracy, Classes, accuracy_of

Probabilities = NDArray[np.float32]

DECIDED_ABOVE = 0.5
LEAST_DECIDED_WINDOWS = 50
LEAST_AGREEMENT = 0.98
# Below the smallest normal float32: a class that has no probability left is not infinitely wrong.
_FLOOR = 1e-38


class Verdict(StrEnum):
    """What the gate says."""

    PASSED = "passed"
    FAILED = "failed"
    INSUFFICIENT = "insufficient evidence"


@dataclass(frozen=True, kw_only=True)
class ClassAgreement:
    """One class: the windows where FP32 puts it first, and how many of them agree."""

    label: str
    windows: int
    agreeing: int
    decided_windows: int
    decided_agreeing: int

    @property
    def agreement(self) -> float:
        """Share of all its windows, 0 … 1."""
        return self.agreeing / self.windows


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A precision beside FP32 on the same windows.

    Attributes:
        windows, agreeing: all windows, and those whose first class is FP32's.
        decided_windows, decided_agreeing: the same where FP32's first class is above a half.
        classes: one entry for each class that FP32 puts first anywhere, the worst first.
        mean_kl, worst_kl: Kullback–Leibler divergence of a window from FP32's, in nats.
        largest_probability_difference: over all windows and classes.
        accuracy: None without annotations.
    """

    windows: int
    agreeing: int
    decided_windows: int
    decided_agreeing: int
    classes: tuple[ClassAgreement, ...]
    mean_kl: float
    worst_kl: float
    largest_probability_difference: float
    accuracy: Accuracy | None

    @property
    def agreement(self) -> float:
        """Share of all windows, 0 … 1."""
        return self.agreeing / self.windows

    @property
    def decided_agreement(self) -> float | None:
        """Share of the decided windows, 0 … 1; None where there is none."""
        return self.decided_agreeing / self.decided_windows if self.decided_windows else None


def compare_answers(
    reference: Probabilities,
    candidate: Probabilities,
    *,
    labels: Sequence[str],
    annotated: Classes | None = None,
    pieces: Classes | None = None,
) -> Agreement:
    """Compare a precision's answers with FP32's.

    Args:
        reference: FP32's probabilities, ``(windows, K)``.
        candidate: the precision's, for the same windows.
        labels: K names.
        annotated: the class that a person gave each window, ``UNLABELLED`` for none; or None.
        pieces: the piece of video that each window comes from; None takes each for one of its own.

    Raises:
        ValueError: no window, other shapes, or a probability that is not a number in 0 … 1.
    """
    _check(reference, candidate, labels)
    first, other = reference.argmax(axis=1), candidate.argmax(axis=1)
    agrees, decided = first == other, reference.max(axis=1) > DECIDED_ABOVE
    divergences = divergence(reference, candidate)
    return Agreement(
        windows=len(first),
        agreeing=int(agrees.sum()),
        decided_windows=int(decided.sum()),
        decided_agreeing=int((agrees & decided).sum()),
        classes=_by_class(first, agrees, decided, labels),
        mean_kl=float(divergences.mean()),
        worst_kl=float(divergences.max()),
        largest_probability_difference=float(np.abs(reference - candidate).max()),
        accuracy=None
        if annotated is None
        else accuracy_of(first, other, annotated, labels=labels, pieces=pieces),
    )


def judge(agreement: Agreement) -> tuple[Verdict, str]:
    """Return the verdict, and the number that decided it in words.

    With annotations the loss of accuracy decides (``accuracy``), without them the decided windows.
    """
    accuracy = agreement.accuracy
    if accuracy is not None:
        enough, said = accuracy.judge()
        verdicts = {True: Verdict.PASSED, False: Verdict.FAILED, None: Verdict.INSUFFICIENT}
        return verdicts[enough], said
    decided, agreeing = agreement.decided_windows, agreement.decided_agreeing
    said = (
        f"first class as FP32's on {agreeing} of {decided} windows that FP32 decides "
        f"(above {DECIDED_ABOVE}); at least {LEAST_AGREEMENT:.0%} of at least "
        f"{LEAST_DECIDED_WINDOWS} such windows are asked for"
    )
    if decided < LEAST_DECIDED_WINDOWS:
        return Verdict.INSUFFICIENT, said
    enough = agreeing >= LEAST_AGREEMENT * decided
    return (Verdict.PASSED if enough else Verdict.FAILED), said


def divergence(reference: Probabilities, candidate: Probabilities) -> NDArray[np.float64]:
    """Return each window's Kullback–Leibler divergence from ``reference``, nats, not below 0."""
    p, q = reference.astype(np.float64), candidate.astype(np.float64)
    ratio = np.log(np.maximum(p, _FLOOR)) - np.log(np.maximum(q, _FLOOR))
    found: NDArray[np.float64] = np.maximum((p * ratio).sum(axis=1), 0.0)
    return found


def _by_class(
    first: Classes, agrees: NDArray[np.bool_], decided: NDArray[np.bool_], labels: Sequence[str]
) -> tuple[ClassAgreement, ...]:
    found = []
    for one in np.unique(first):
        own = first == one
        found.append(
            ClassAgreement(
                label=labels[one],
                windows=int(own.sum()),
                agreeing=int(agrees[own].sum()),
                decided_windows=int((own & decided).sum()),
                decided_agreeing=int((own & decided & agrees).sum()),
            )
        )
    return tuple(sorted(found, key=lambda entry: (entry.agreement, -entry.windows)))


def _check(reference: Probabilities, candidate: Probabilities, labels: Sequence[str]) -> None:
    if reference.shape != candidate.shape or reference.shape[1:] != (len(labels),):
        raise ValueError(
            f"expected two arrays (windows, {len(labels)}), got {reference.shape} and "
            f"{candidate.shape}"
        )
    if not len(reference):
        raise ValueError("expected at least one window, got none")
    for name, values in (("reference", reference), ("candidate", candidate)):
        if not (np.isfinite(values).all() and (values >= 0).all() and (values <= 1.001).all()):
            raise ValueError(f"{name}: expected probabilities, got values outside 0 … 1")
