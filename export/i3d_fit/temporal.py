"""A head that sees a window among its neighbours, trained and tested as the plain one is.

``i3d_client.temporal_head`` says what it computes. It has the plain head's strength and folds;
where folds are stretches of one recording, what lies within its context of the test is left out,
too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE, ModelContract, geometry_of
from i3d_client.temporal_head import TemporalHead, context_means
from i3d_fit.calibration import Calibration, calibration_of
from i3d_fit.cross_validation import CrossValidation
from i3d_fit.features import VideoFeatures
from i3d_fit.folds import training_windows
from i3d_fit.logistic import weights_path
from i3d_fit.material import Material
from i3d_fit.measures import Measures, measure

_WINDOWS_AT_ONCE = 1 << 12


@dataclass(frozen=True, kw_only=True)
class Network:
    """The network that features are of.

    Attributes:
        contract: gives its geometry.
        checkpoint_sha256: of its weights; empty if that is not known.
    """

    contract: ModelContract
    checkpoint_sha256: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Temporal:
    """A temporal head, and how good it is.

    Attributes:
        head: its probabilities are calibrated.
        measures: of answers by heads that have not seen a window's group.
        calibration: of its probabilities.
    """

    head: TemporalHead
    measures: Measures
    calibration: Calibration

    def is_better(self, alone: Measures) -> bool:
        """Whether it is better than windows alone, however little."""
        return self.measures.balanced_accuracy > alone.balanced_accuracy

    def said(self, alone: Measures) -> str:
        """Say how it compares with windows alone, for people."""
        points = 100 * (self.measures.balanced_accuracy - alone.balanced_accuracy)
        low, high = alone.interval or (0.0, 1.0)
        if low <= self.measures.balanced_accuracy <= high:
            clear = "no clear difference, since it lies within the interval of windows alone"
        else:
            clear = "a clear gain" if points > 0 else "clearly worse: leave it out"
        return f"{points:+.1f} points against windows alone, {clear}."

    def document(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "context_frames": self.head.context_frames,
            "measures": self.measures.document(),
            **self.calibration.document(),
        }


def fit_temporal(
    videos: Sequence[VideoFeatures],
    material: Material,
    validated: CrossValidation,
    *,
    context_frames: int,
    network: Network,
    unit: str,
    seed: int,
) -> Temporal:
    """Train a head on windows and the mean of their neighbourhoods.

    Args:
        videos: whose features the material has.
        material: what to train and measure on.
        validated: the plain head's strength and folds.
        context_frames: how far a neighbourhood reaches, both sides together.
        network: whose features these are.
        unit: what a group is, "video" or "animal".
        seed: decides the interval.

    Raises:
        FitError: no window may be trained on.
    """
    both = np.hstack([material.features, _means(videos, material, context_frames)])
    classes = len(material.labels)
    apart = replace(material, clip_frames=material.clip_frames + context_frames)

    def trained(rows: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        strengths = (validated.strength,)
        return weights_path(both[rows], material.codes[rows], classes=classes, strengths=strengths)[
            0
        ]

    logits = np.zeros((material.num_windows, classes), np.float32)
    for fold in range(validated.folds.count):
        weights, bias = trained(training_windows(apart, validated.folds, fold))
        tested = validated.folds.of_windows == fold
        logits[tested] = both[tested] @ weights + bias
    calibration = calibration_of(logits, material.codes)
    weights, bias = (part / calibration.temperature for part in trained(material.pure))
    return Temporal(
        head=TemporalHead(
            own=np.ascontiguousarray(weights[:FEATURE_SIZE], np.float32),
            context=np.ascontiguousarray(weights[FEATURE_SIZE:], np.float32),
            bias=np.ascontiguousarray(bias, np.float32),
            labels=material.labels,
            context_frames=context_frames,
            geometry=geometry_of(network.contract),
            checkpoint_sha256=network.checkpoint_sha256,
        ),
        measures=measure(
            material.codes,
            logits.argmax(axis=1),
            groups=material.groups,
            labels=material.labels,
            seed=seed,
            unit=unit,
        ),
        calibration=calibration,
    )


def _means(
    videos: Sequence[VideoFeatures], material: Material, context_frames: int
) -> NDArray[np.float32]:
    """Return the mean features of each window's neighbourhood, (n, 1024) float32."""
    found = {video.recording: video for video in videos}
    return np.concatenate(
        [
            _means_of(found[name], material.starts[material.recordings == place], context_frames)
            for place, name in enumerate(material.recording_names)
        ]
    )


def _means_of(
    video: VideoFeatures, wanted: NDArray[np.int64], context_frames: int
) -> NDArray[np.float32]:
    """Return those of the windows that begin at ``wanted``, (n,) int64, increasing.

    Some thousand windows are held at a time, however long the video is.
    """
    starts = video.grid.starts(0, video.grid.count)
    rows = np.searchsorted(starts, wanted)
    parts = []
    for first in range(0, len(starts), _WINDOWS_AT_ONCE):
        stop = min(first + _WINDOWS_AT_ONCE, len(starts))
        own = rows[(rows >= first) & (rows < stop)]
        if len(own):
            half = context_frames // 2
            low = int(np.searchsorted(starts, starts[first] - half, side="left"))
            high = int(np.searchsorted(starts, starts[stop - 1] + half, side="right"))
            means = context_means(
                starts[low:high],
                np.asarray(video.features[low:high]),
                video.scored[low:high],
                context_frames=context_frames,
                at=slice(first - low, stop - low),
            )
            parts.append(means[own - first])
    return np.concatenate(parts)
