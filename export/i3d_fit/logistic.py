"""Train a head: multinomial logistic regression on features, by scikit-learn.

Classes weigh the same however rare they are, since balanced accuracy is what counts. Features are
brought to mean 0 and scale 1 first, so that one penalty suits them all; that is folded into the
head's weights afterwards, which take features as the network gives them.

A penalty's strength is per window: what is minimised is the mean loss of the windows plus
strength / 2 times the sum of the squared weights. So the same strengths suit any number of windows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from i3d_export.head import TrainedHead
from i3d_fit.errors import FitError
from i3d_fit.material import Material

ABSENT_LOGIT = -1e4
"""Logit of a class that training has not seen: no probability, and finite."""

_MOST_ITERATIONS = 400
_TOLERANCE = 1e-5
_LEAST_SCALE = 0.1
# Products with a dozen columns: a second thread saves nothing, takes six times the CPU while others
# use the cores (measured), and would let the sums, so the head, depend on the machine.
_THREADS = 1


def fit_logistic(material: Material, *, strength: float) -> TrainedHead:
    """Train a head on the pure windows of a material.

    The same material and strength give the same head. Classes without a pure window get
    ``ABSENT_LOGIT`` everywhere.

    Args:
        material: at least one of its windows is pure.
        strength: of the penalty, above 0.

    Raises:
        FitError: no window is pure.
    """
    return fit_path(material, strengths=(strength,))[0]


def fit_path(material: Material, *, strengths: Sequence[float]) -> tuple[TrainedHead, ...]:
    """Train a head for each strength, each from the stronger one's: faster than one by one.

    Raises:
        FitError: no window is pure.
    """
    codes = material.codes[material.pure]
    present = np.unique(codes)
    if not len(present):
        raise FitError(
            f"expected windows of one behaviour each to train on, got none among "
            f"{material.num_windows}: the annotated bouts are shorter than half a window "
            f"({material.clip_frames} frames); a profile with shorter windows may suit them"
        )
    found = weights_path(
        material.features[material.pure], codes, classes=len(material.labels), strengths=strengths
    )
    return tuple(
        TrainedHead(weights=weights, bias=bias, labels=material.labels) for weights, bias in found
    )


def weights_path(
    features: NDArray[np.float32],
    codes: NDArray[np.int64],
    *,
    classes: int,
    strengths: Sequence[float],
) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return weights (size, classes) float32 and bias (classes,) float32 for each strength.

    Args:
        features: (n, size) float32, of at least one window.
        codes: (n,) int64, 0 … classes − 1.
        classes: K; those without a window get ``ABSENT_LOGIT``.
        strengths: of the penalty, above 0.
    """
    present = np.unique(codes)
    if len(present) == 1:
        nothing = np.zeros((1, features.shape[1]))
        return [_of_all_classes(nothing, np.zeros(1), present, classes)] * len(strengths)
    mean, scale = _standardisation(features)
    standard = features - mean
    standard /= scale
    model = LogisticRegression(
        class_weight="balanced", max_iter=_MOST_ITERATIONS, tol=_TOLERANCE, warm_start=True
    )
    found = {}
    for strength in sorted(set(strengths), reverse=True):
        model.set_params(C=1 / (strength * len(codes)))
        with warnings.catch_warnings(), threadpool_limits(_THREADS):
            # Ended early, a weak penalty's fit is one of a slightly stronger penalty: the
            # strengths are judged by their answers, so that does no harm.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(standard, codes)
        weights, bias = _per_class(
            model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
        )
        weights /= scale
        found[strength] = _of_all_classes(weights, bias - weights @ mean, present, classes)
    return [found[strength] for strength in strengths]


def _standardisation(
    features: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean and scale of each feature, (1024,) float32 both."""
    mean = features.mean(axis=0, dtype=np.float64)
    deviation = features.std(axis=0, dtype=np.float64)
    moving = deviation[deviation > 0]
    # A feature that hardly moves would get a large weight, by which a lower precision's rounding
    # would be multiplied; so scales have a floor.
    floor = _LEAST_SCALE * float(np.median(moving)) if len(moving) else 1.0
    return mean.astype(np.float32), np.maximum(deviation, floor).astype(np.float32)


def _per_class(
    weights: NDArray[np.float64], bias: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a row for each class: of two classes scikit-learn gives the difference alone."""
    if len(bias) > 1:
        return weights, bias
    return np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2


def _of_all_classes(
    weights: NDArray[np.float64],
    bias: NDArray[np.float64],
    present: NDArray[np.int64],
    classes: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return those of all classes from weights (present, size) of those that are present."""
    all_weights = np.zeros((weights.shape[1], classes), np.float32)
    all_bias = np.full(classes, ABSENT_LOGIT, np.float32)
    all_weights[:, present] = weights.T
    all_bias[present] = bias
    return all_weights, all_bias
