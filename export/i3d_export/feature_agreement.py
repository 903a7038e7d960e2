"""How far one precision's features are from FP32's: the angle between them, window by window.

A head is fitted to features and standardises them, so their direction counts. Features come after
a ReLU and are not negative: those of two quite different windows still have a cosine similarity
of a half or more, so only one that is near 1 is good.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i3d_export.shape import Floats

LEAST_MEAN_COSINE = 0.98


@dataclass(frozen=True, kw_only=True)
class FeatureAgreement:
    """A precision's features beside FP32's on the same windows.

    Attributes:
        windows: how many.
        mean_cosine, worst_cosine: cosine similarity of a window's features with FP32's, 1 at best.
    """

    windows: int
    mean_cosine: float
    worst_cosine: float

    @property
    def doubtful(self) -> bool:
        """Whether a head that is fitted to them may not fit FP32's, and the other way round."""
        return self.mean_cosine < LEAST_MEAN_COSINE


def compare_features(reference: Floats, candidate: Floats) -> FeatureAgreement:
    """Compare a precision's features with FP32's.

    Args:
        reference: FP32's, ``(windows, 1024)``.
        candidate: the precision's, for the same windows.

    Raises:
        ValueError: no window, other shapes, or values that are not finite.
    """
    if reference.shape != candidate.shape or not len(reference):
        raise ValueError(
            f"expected features of the same windows, at least one, got {reference.shape} and "
            f"{candidate.shape}"
        )
    if not (np.isfinite(reference).all() and np.isfinite(candidate).all()):
        raise ValueError("expected features, got values that are not finite")
    one, other = reference.astype(np.float64), candidate.astype(np.float64)
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    # Where either is nothing there is no angle: the same only if both are nothing.
    same = np.all(one == other, axis=1).astype(np.float64)
    cosines = np.divide((one * other).sum(axis=1), lengths, out=same, where=lengths > 0)
    return FeatureAgreement(
        windows=len(cosines),
        mean_cosine=float(cosines.mean()),
        worst_cosine=float(cosines.min()),
    )
