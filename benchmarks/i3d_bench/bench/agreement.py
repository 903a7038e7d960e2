"""Whether two pipelines give the same answers: looked at before anything is timed.

Three kinds of difference are allowed for, each no more than it explains:

- the same reader and the same network (``parallel``; a timed run and the one before): rounding;
- the same reader and another engine (TensorFlow): its rounding, through the whole network;
- another reader (this project's, whose colours differ by a grey level or two; docs/decisions.md,
  "Colour") or another precision: the network's answer to that. Judged, as by the export's gate, by
  the windows that are decided, and by how far the first class moves on average.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.errors import PipelineError

Answers = NDArray[np.float32]

SAME_NETWORK = 1e-3
OTHER_ENGINE = 5e-3
MEAN_OF_FIRST = 0.05
# A window is decided if its first class has more than this; the gate's own limits.
DECIDED = 0.5
_DECIDED_MAY_DIFFER = 0.02
_CERTAIN = 0.95


def compare(reference: Answers, answers: Answers) -> dict[str, Any]:
    """Say how far answers are from others, (windows, classes) float32 both.

    Raises:
        PipelineError: they are not for the same windows.
    """
    if reference.shape != answers.shape:
        raise PipelineError(
            f"expected answers of shape {reference.shape} (windows, classes), got {answers.shape}"
        )
    if not np.isfinite(answers).all():
        raise PipelineError("answers that are not numbers")
    first = reference.argmax(1)
    same = answers.argmax(1) == first
    decided = reference.max(1) > DECIDED
    difference = np.abs(answers - reference)
    return {
        "windows": len(reference),
        "same_first_class": round(float(same.mean()), 4),
        "decided_windows": int(decided.sum()),
        "same_first_class_of_decided": (
            round(float(same[decided].mean()), 4) if decided.any() else None
        ),
        "largest_difference": round(float(difference.max()), 6),
        "mean_difference_of_first": round(
            float(difference[np.arange(len(first)), first].mean()), 6
        ),
    }


def require_close(reference: Answers, answers: Answers, *, limit: float, of: str) -> None:
    """See that no probability differs by more than ``limit``.

    Raises:
        PipelineError: one does.
    """
    found = compare(reference, answers)
    if found["largest_difference"] > limit:
        raise PipelineError(
            f"its answers are not those of {of}: a probability differs by "
            f"{found['largest_difference']:.4f}, where {limit:g} is allowed"
        )


def require_alike(reference: Answers, answers: Answers, *, of: str) -> None:
    """See that the decided windows have the same first class, but for 2 %, and stay near.

    A benchmark sees few windows, so what is refused is more than 2 % would give by chance in 19 of
    20 samples of that size: 3 of 48 windows may differ, 28 of 1,000.

    Raises:
        PipelineError: they do not.
    """
    found = compare(reference, answers)
    decided = found["decided_windows"]
    differ = round(decided * (1 - (found["same_first_class_of_decided"] or 0))) if decided else 0
    if differ > may_differ(decided):
        raise PipelineError(
            f"its answers are not those of {of}: of {decided} decided windows, {differ} have "
            f"another first class, where {may_differ(decided)} may"
        )
    if found["mean_difference_of_first"] > MEAN_OF_FIRST:
        raise PipelineError(
            f"its answers are not those of {of}: the first class moves by "
            f"{found['mean_difference_of_first']:.3f} on average, where {MEAN_OF_FIRST:g} is "
            "allowed"
        )


def may_differ(decided: int) -> int:
    """Return how many of so many decided windows may have another first class.

    The 95 % quantile of a binomial distribution: see ``require_alike``.
    """
    below = 0.0
    for count in range(decided + 1):
        chances = math.comb(decided, count) * _DECIDED_MAY_DIFFER**count
        below += chances * (1 - _DECIDED_MAY_DIFFER) ** (decided - count)
        if below >= _CERTAIN:
            return count
    return decided
