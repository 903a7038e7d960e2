"""How well two sequences of labels agree: a person's and the model's, or those of two people.

Frames that have a label in both are compared; the account says what became of the others. Balanced
accuracy is the mean recall of the labels that the reference has, as in the paper, so that rest, two
fifths of a mouse's day, does not decide it. Frames that follow one another are not independent:
so no interval of confidence is given.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import MissingExtraError
from i3d_ethogram.compare.annotated_frames import OVERLAPPING, UNANNOTATED, UNKNOWN
from i3d_ethogram.compare.bout_matching import bouts_of, matched_bouts


@dataclass(frozen=True, kw_only=True)
class Account:
    """What became of the frames; each is in one number.

    Attributes:
        compared: have a label in both.
        unscored: have one in the reference, and none by the model.
        unannotated: no interval of the reference holds them.
        overlapping: several behaviours of the reference hold them.
        unknown: their behaviour is none of the model's.
    """

    compared: int = 0
    unscored: int = 0
    unannotated: int = 0
    overlapping: int = 0
    unknown: int = 0

    @property
    def frames(self) -> int:
        """All of them."""
        return self.compared + self.unscored + self.unannotated + self.overlapping + self.unknown


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Counts of what agrees, from which every measure follows; those of recordings can be added.

    Attributes:
        labels: K of them.
        confusion: (K, K) int64, frames by the label of the reference (row) and the other (column).
        account: of all frames.
        annotated_us: (K,) int64, time of each label in the reference, over the compared frames.
        predicted_us: (K,) int64, in the other.
        bouts_annotated: (K,) int64, bouts in the reference.
        bouts_predicted: (K,) int64, in the other.
        bouts_matched: (K,) int64, in both.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]
    account: Account
    annotated_us: NDArray[np.int64]
    predicted_us: NDArray[np.int64]
    bouts_annotated: NDArray[np.int64]
    bouts_predicted: NDArray[np.int64]
    bouts_matched: NDArray[np.int64]

    def __add__(self, more: Agreement) -> Agreement:
        """Return both together.

        Raises:
            ValueError: their labels differ.
        """
        if self.labels != more.labels:
            raise ValueError(f"labels differ: {self.labels} and {more.labels}")
        account = {
            part.name: getattr(self.account, part.name) + getattr(more.account, part.name)
            for part in fields(Account)
        }
        counts = {
            part.name: getattr(self, part.name) + getattr(more, part.name)
            for part in fields(Agreement)
            if part.name not in ("labels", "account")
        }
        return Agreement(labels=self.labels, account=Account(**account), **counts)


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of an agreement over its compared frames; NaN where one is not defined.

    Attributes:
        accuracy: share of the frames with the same label.
        balanced_accuracy: mean recall of the labels that the reference has.
        kappa: Cohen's, with equal weights.
        precision: (K,) float64; of a label that the other has nowhere, NaN.
        recall: (K,) float64; of a label that the reference has nowhere, NaN.
        f1: (K,) float64; of a label that neither has, NaN.
    """

    accuracy: float
    balanced_accuracy: float
    kappa: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]


def agreement_of(
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    *,
    labels: tuple[str, ...],
    times_us: NDArray[np.int64],
    tolerance_us: int,
) -> Agreement:
    """Compare two sequences of labels of the same frames.

    Args:
        annotated: (n,) int16, the reference: indices of ``labels``, or negative as in
            ``AnnotatedFrames``.
        predicted: (n,) int16, the other: indices of ``labels``, or negative where it has none.
        labels: of both.
        times_us: (n + 1,) int64, when each frame is shown.
        tolerance_us: of the beginnings of bouts.
    """
    both = (annotated >= 0) & (predicted >= 0)
    size = len(labels)
    here, there = annotated[both].astype(np.int64), predicted[both].astype(np.int64)
    lengths_us = np.diff(times_us)[both].astype(np.float64)  # sums stay whole below 2**53
    bouts_here, bouts_there = bouts_of(annotated, among=both), bouts_of(predicted, among=both)
    pairs = matched_bouts(bouts_here, bouts_there, times_us=times_us, tolerance_us=tolerance_us)
    matched = bouts_here.codes[[place for place, _ in pairs]]
    return Agreement(
        labels=labels,
        confusion=np.bincount(here * size + there, minlength=size * size).reshape(size, size),
        account=Account(
            compared=int(both.sum()),
            unscored=int(((annotated >= 0) & (predicted < 0)).sum()),
            unannotated=int((annotated == UNANNOTATED).sum()),
            overlapping=int((annotated == OVERLAPPING).sum()),
            unknown=int((annotated == UNKNOWN).sum()),
        ),
        annotated_us=np.bincount(here, lengths_us, size).astype(np.int64),
        predicted_us=np.bincount(there, lengths_us, size).astype(np.int64),
        bouts_annotated=bouts_here.counts(size),
        bouts_predicted=bouts_there.counts(size),
        bouts_matched=np.bincount(matched, minlength=size).astype(np.int64),
    )


def measures_of(agreement: Agreement) -> Measures:
    """Return the measures of an agreement, by scikit-learn.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    metrics = _metrics()
    confusion, size = agreement.confusion, len(agreement.labels)
    undefined = np.full(size, np.nan)
    if not confusion.any():
        nan = float("nan")
        return Measures(
            accuracy=nan,
            balanced_accuracy=nan,
            kappa=nan,
            precision=undefined,
            recall=undefined,
            f1=undefined,
        )
    rows, columns = np.nonzero(confusion)
    frames = confusion[rows, columns]  # a cell stands for its frames
    with warnings.catch_warnings():
        # Of labels that one side has nowhere: those measures are NaN here, and said to be.
        warnings.simplefilter("ignore")
        precision, recall, f1, _ = metrics.precision_recall_fscore_support(
            rows, columns, labels=np.arange(size), sample_weight=frames, zero_division=np.nan
        )
        balanced = metrics.balanced_accuracy_score(rows, columns, sample_weight=frames)
        kappa = metrics.cohen_kappa_score(rows, columns, sample_weight=frames)
    return Measures(
        accuracy=float(confusion.trace() / confusion.sum()),
        balanced_accuracy=float(balanced),
        kappa=float(kappa),
        precision=precision,
        recall=recall,
        f1=f1,
    )


def shares(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return part / whole, NaN where the whole is 0."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)


def _metrics() -> Any:
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError("report", needed_for="i3d compare") from error
    return metrics
