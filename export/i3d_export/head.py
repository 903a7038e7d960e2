"""A last layer that was trained on the network's features, and its file.

The network's logits are a 1 × 1 × 1 convolution of the pooled features, averaged over time. The
features that it gives out are that same average, so ``features @ weights + bias`` gives what the
convolution gives with these weights. A head that is fitted to features can therefore take the
place of the last layer and changes nothing else of the graph.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE
from i3d_client.durable import complete_file
from i3d_export.architecture import LOGITS
from i3d_export.errors import CheckpointError
from i3d_export.shape import Floats

WEIGHTS, BIAS, LABELS = "weights", "bias", "labels"


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedHead:
    """A trained last layer: logits are ``features @ weights + bias``.

    Attributes:
        weights: ``(1024, K)``, float32.
        bias: ``(K,)``, float32.
        labels: K class names, in the order of the logits.

    Raises:
        CheckpointError: another shape or dtype, a value that is not finite, or labels that are
            fewer than two, blank or doubled.
    """

    weights: Floats
    bias: Floats
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        classes = len(self.labels)
        _check(WEIGHTS, self.weights, (FEATURE_SIZE, classes))
        _check(BIAS, self.bias, (classes,))
        if classes < 2 or len(set(self.labels)) < classes or not all(map(str.strip, self.labels)):
            raise CheckpointError(
                f"{LABELS}: expected at least 2 names that differ, got {list(self.labels)}"
            )

    def logits(self, features: Floats) -> Floats:
        """Return ``(windows, K)``, float32, for features ``(windows, 1024)``, float32."""
        found: Floats = features @ self.weights + self.bias
        return found

    def probabilities(self, features: Floats) -> Floats:
        """Return the softmax of ``logits(features)``: ``(windows, K)``, float32."""
        logits = self.logits(features)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        found: Floats = powers / powers.sum(axis=1, keepdims=True)
        return found


def save_head(head: TrainedHead, path: Path) -> None:
    """Write a head as an uncompressed ``.npz``: the same bytes for the same head, all or nothing.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as file:
        file.write(_content(head))


def head_sha256(head: TrainedHead) -> str:
    """Return the SHA-256 of the file that ``save_head`` writes, in hexadecimal."""
    return hashlib.sha256(_content(head)).hexdigest()


def load_head(path: Path) -> TrainedHead:
    """Read what ``save_head`` wrote; no pickle is admitted.

    Raises:
        CheckpointError: it cannot be read, or is no head; names the file and what is wrong.
    """
    try:
        # From memory: numpy leaves a file open that is no whole archive.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as archive:
            arrays = {name: np.asarray(archive[name]) for name in archive.files}
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"head {path} cannot be read: {error}: expected the .npz file that `i3d fit` writes"
        ) from error
    if set(arrays) != {WEIGHTS, BIAS, LABELS} or arrays[LABELS].dtype.kind != "U":
        raise CheckpointError(
            f"head {path}: expected the arrays {WEIGHTS}, {BIAS} and {LABELS} (text), got "
            f"{', '.join(sorted(arrays)) or 'none'}: is it a file that `i3d fit` wrote?"
        )
    try:
        return TrainedHead(
            weights=arrays[WEIGHTS],
            bias=arrays[BIAS],
            labels=tuple(str(label) for label in arrays[LABELS].ravel()),
        )
    except CheckpointError as error:
        raise CheckpointError(f"head {path}: {error}") from error


def in_place_of_the_last(variables: Mapping[str, Floats], head: TrainedHead) -> dict[str, Floats]:
    """Return canonical variables with the head as the network's last layer."""
    return {
        **variables,
        f"{LOGITS}/conv_3d/w": head.weights[np.newaxis, np.newaxis, np.newaxis],
        f"{LOGITS}/conv_3d/b": head.bias,
    }


def _content(head: TrainedHead) -> bytes:
    content = io.BytesIO()
    arrays: dict[str, Any] = {
        WEIGHTS: head.weights,
        BIAS: head.bias,
        LABELS: np.array(head.labels, np.str_),
    }
    np.savez(content, **arrays)
    return content.getvalue()


def _check(name: str, array: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    if array.dtype != np.float32 or array.shape != shape:
        raise CheckpointError(
            f"{name}: expected float32 of shape {shape}, got {array.dtype} of shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise CheckpointError(f"{name}: holds values that are not finite")
