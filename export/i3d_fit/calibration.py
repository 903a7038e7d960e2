"""Make probabilities mean what they say: of the windows at 80 %, 80 % are right.

One temperature divides all logits (Guo et al. 2017, *On Calibration of Modern Neural Networks*), so
no window changes its class. It is found on windows that the head which answers has not seen, by
their negative log likelihood, with the targets that Platt (1999) gives so that a test without an
error does not make a head sure of everything.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from i3d_export.head import TrainedHead
from i3d_fit.logistic import ABSENT_LOGIT

_LEAST, _MOST = 0.01, 100.0
_BINS = 15


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """A temperature, and what it does to windows that were not trained on.

    Attributes:
        temperature: what logits are divided by.
        error_before: expected calibration error without it, 0 … 1.
        error_after: with it. It was found on the same windows, as one number of many.
    """

    temperature: float
    error_before: float
    error_after: float

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)


def calibration_of(logits: NDArray[np.float32], codes: NDArray[np.int64]) -> Calibration:
    """Find the temperature of windows that were not trained on.

    Args:
        logits: (n, K).
        codes: (n,), their classes.
    """
    temperature = temperature_of(logits, codes)
    return Calibration(
        temperature=temperature,
        error_before=calibration_error(probabilities_of(logits), codes),
        error_after=calibration_error(probabilities_of(logits, temperature), codes),
    )


def temperature_of(logits: NDArray[np.float32], codes: NDArray[np.int64]) -> float:
    """Return what to divide logits (n, K) by, 0.01 … 100, so that they fit ``codes`` (n,) best.

    Windows whose class training had not seen do not count; 1 if there is no other.
    """
    rows = np.arange(len(codes))
    known = logits > ABSENT_LOGIT / 2
    counted = known[rows, codes]
    if not counted.any():
        return 1.0
    used, seen, own = logits[counted].astype(np.float64), known[counted], codes[counted]
    targets = _targets(seen, own)

    def loss(log_temperature: float) -> float:
        found = log_softmax(used / np.exp(log_temperature), axis=1)
        return -float((targets * np.where(seen, found, 0.0)).sum()) / len(own)

    bounds = (np.log(_LEAST), np.log(_MOST))
    found = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def calibrated(head: TrainedHead, temperature: float) -> TrainedHead:
    """Return a head whose logits are divided by a temperature."""
    return TrainedHead(
        weights=(head.weights / temperature).astype(np.float32),
        bias=(head.bias / temperature).astype(np.float32),
        labels=head.labels,
    )


def probabilities_of(logits: NDArray[np.float32], temperature: float = 1.0) -> NDArray[np.float64]:
    """Return the softmax of logits (n, K) over a temperature, (n, K) float64."""
    found: NDArray[np.float64] = softmax(logits.astype(np.float64) / temperature, axis=1)
    return found


def calibration_error(probabilities: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Return the expected calibration error, 0 … 1.

    The mean over windows of how far the share that is right is from the mean probability of the
    class that was answered, in 15 bins of that probability.

    Args:
        probabilities: (n, K).
        codes: (n,).
    """
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == codes
    bins = np.minimum((sure * _BINS).astype(np.int64), _BINS - 1)
    differences = np.bincount(bins, right - sure, minlength=_BINS)  # times the bin's windows
    return float(np.abs(differences).sum() / len(codes))


def _targets(seen: NDArray[np.bool_], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (n, K) float64: nearly 1 for a window's class, the rest over the classes seen."""
    rest = 1 / (len(codes) + 2)
    targets: NDArray[np.float64] = rest * seen / seen.sum(axis=1, keepdims=True)
    targets[np.arange(len(codes)), codes] += 1 - rest
    return targets
