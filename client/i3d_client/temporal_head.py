"""A last layer that sees a window among its neighbours, in place of the network's own.

The authors' pipeline has a recurrent network over 64 frames of I3D's embeddings; this is the
simplest thing that looks as far: logistic regression on a window's features and on their mean over
the windows around it,

    logits = features · own + mean of features · context + bias

where the mean is over the scored windows that begin at most ``context_frames`` / 2 frames before or
after this one. It is the same whatever the stride, but for which windows there are. It runs in the
client, after the last answer, on the features that the server sent: a request has too few
windows for it, and Triton no ensemble that could be chosen by configuration (triton #8093).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE, ModelContract, geometry_of
from i3d_client.durable import complete_file
from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_client.spans import SpanResult
from i3d_client.windows import WindowGrid

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class TemporalHead:
    """Weights of a window and of its neighbourhood.

    Attributes:
        own: (1024, classes) float32.
        context: (1024, classes) float32.
        bias: (classes,) float32.
        labels: of the classes.
        context_frames: how far the neighbourhood reaches, both sides together, 1 or more.
        geometry: of the network whose features it takes (``contract.geometry_of``).
        checkpoint_sha256: of that network's weights; empty if that is not known.
        sha256: of the file; empty if it is of none.
    """

    own: Floats
    context: Floats
    bias: Floats
    labels: tuple[str, ...]
    context_frames: int
    geometry: Mapping[str, Any]
    checkpoint_sha256: str
    sha256: str = ""

    def probabilities(self, features: Floats, means: Floats) -> Floats:
        """Return (n, classes) float32, each row summing to 1.

        Args:
            features: (n, 1024) float32, of the windows.
            means: (n, 1024) float32, of their neighbourhoods.
        """
        logits = features @ self.own + means @ self.context + self.bias
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        found: Floats = odds / odds.sum(axis=1, keepdims=True)
        return found


def save_temporal_head(head: TemporalHead, path: Path) -> None:
    """Write a head as plain numpy arrays.

    Raises:
        OutputError: the file cannot be written.
    """
    content = io.BytesIO()
    np.savez(
        content,
        own=head.own,
        context=head.context,
        bias=head.bias,
        labels=np.array(head.labels),
        context_frames=np.int64(head.context_frames),
        geometry=np.array(json.dumps(dict(head.geometry), sort_keys=True)),
        checkpoint_sha256=np.array(head.checkpoint_sha256),
    )
    with complete_file(path) as file:
        file.write(content.getvalue())


def read_temporal_head(
    path: Path, *, contract: ModelContract, checkpoint_sha256: str | None
) -> TemporalHead:
    """Read what ``save_temporal_head`` wrote.

    Args:
        path: of the file.
        contract: of the model whose features it is for; the head's labels must be its labels, in
            their order, and its geometry the model's.
        checkpoint_sha256: of that model's weights, which must be those of the head; None or empty
            if it does not say.

    Raises:
        InputError: it cannot be read, or is for another model.
    """
    labels = contract.labels
    try:
        content = path.read_bytes()
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            head = TemporalHead(
                own=_of_shape(arrays, "own", (FEATURE_SIZE, len(labels))),
                context=_of_shape(arrays, "context", (FEATURE_SIZE, len(labels))),
                bias=_of_shape(arrays, "bias", (len(labels),)),
                labels=tuple(arrays["labels"].tolist()),
                context_frames=_least_one(arrays, "context_frames"),
                geometry=dict(json.loads(str(arrays["geometry"]))),
                checkpoint_sha256=str(arrays["checkpoint_sha256"]),
                sha256=hashlib.sha256(content).hexdigest(),
            )
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(
            f"{printable(path)}: expected a temporal head for {len(labels)} labels, as i3d fit "
            f"--context writes it: {reason}"
        ) from error
    if head.labels != labels:
        raise InputError(
            f"{printable(path)}: its labels are {', '.join(map(printable, head.labels))}; the "
            f"model's are {', '.join(map(printable, labels))}. Name the model that it was fitted "
            "with"
        )
    weights = {head.checkpoint_sha256, checkpoint_sha256 or head.checkpoint_sha256} - {""}
    if len(weights) > 1 or head.geometry != json.loads(json.dumps(geometry_of(contract))):
        raise InputError(
            f"{printable(path)}: it was fitted on features of another network than this model's "
            "(other weights, or another geometry), so its answers would mean nothing. Name the "
            "model that it was fitted with, or fit it anew with i3d fit --context"
        )
    return head


def context_means(
    starts: NDArray[np.int64],
    features: Floats,
    scored: NDArray[np.bool_],
    *,
    context_frames: int,
    at: slice = slice(None),
) -> Floats:
    """Return the mean features of each window's neighbourhood; 0 where none of it is scored.

    Args:
        starts: (n,) int64, first frames of a recording's windows, increasing.
        features: (n, 1024) float32.
        scored: (n,) bool; the others do not count.
        context_frames: as of ``TemporalHead``.
        at: the windows that are asked for.

    Returns:
        (len of ``at``, 1024) float32.
    """
    half = context_frames // 2
    first = np.searchsorted(starts, starts[at] - half, side="left")
    stop = np.searchsorted(starts, starts[at] + half, side="right")
    sums = np.zeros((len(starts) + 1, features.shape[1]))
    np.cumsum(np.where(scored[:, None], features, 0), axis=0, out=sums[1:])
    counts = np.concatenate(([0], np.cumsum(scored)))
    count = np.maximum(counts[stop] - counts[first], 1)
    means: Floats = ((sums[stop] - sums[first]) / count[:, None]).astype(np.float32)
    return means


def with_context(
    spans: Iterable[SpanResult],
    head: TemporalHead,
    *,
    grid: WindowGrid,
    windows_per_segment: int,
) -> Iterator[SpanResult]:
    """Yield the spans of a recording with the head's probabilities in place of the network's.

    A few spans are held at a time: as many as the neighbourhood of one reaches into.

    Args:
        spans: all of them, in order; those with a scored window have features.
        head: whose answers are wanted.
        grid: the recording's windows.
        windows_per_segment: N.
    """
    half = head.context_frames // 2
    near: deque[_Placed] = deque()
    waiting = 0  # the last so many of ``near`` have not been answered
    for span in spans:
        window, stop = grid.windows_of_segments(
            span.first_segment, span.stop_segment, windows_per_segment
        )
        near.append(_Placed(span, grid.starts(window, stop)))
        waiting += 1
        while waiting > 1 and near[-waiting].last + half < near[-1].first:
            yield _answered(near, len(near) - waiting, head)
            waiting -= 1
            while len(near) > waiting and near[0].last + half < near[-waiting].first:
                near.popleft()
    for place in range(len(near) - waiting, len(near)):
        yield _answered(near, place, head)


@dataclass(frozen=True, eq=False)
class _Placed:
    span: SpanResult
    starts: NDArray[np.int64]

    @property
    def first(self) -> int:
        return int(self.starts[0])

    @property
    def last(self) -> int:
        return int(self.starts[-1])

    def features(self) -> Floats:
        if self.span.features is None:
            return np.zeros((len(self.starts), FEATURE_SIZE), np.float32)
        return self.span.features


def _answered(near: deque[_Placed], place: int, head: TemporalHead) -> SpanResult:
    asked = near[place]
    before = sum(len(one.starts) for one in list(near)[:place])
    means = context_means(
        np.concatenate([one.starts for one in near]),
        np.concatenate([one.features() for one in near]),
        np.concatenate([one.span.scored for one in near]),
        context_frames=head.context_frames,
        at=slice(before, before + len(asked.starts)),
    )
    probabilities = head.probabilities(asked.features(), means)
    probabilities[~asked.span.scored] = 0
    return replace(asked.span, probabilities=probabilities)


def _least_one(arrays: np.lib.npyio.NpzFile, name: str) -> int:
    number = int(arrays[name])
    if number < 1:
        raise ValueError(f"{name}: expected 1 or more, got {number}")
    return number


def _of_shape(arrays: np.lib.npyio.NpzFile, name: str, shape: tuple[int, ...]) -> Floats:
    array: Floats = arrays[name]
    if array.shape != shape or array.dtype != np.float32 or not np.isfinite(array).all():
        raise ValueError(
            f"{name}: expected {shape} finite float32, got {array.shape} {array.dtype}"
        )
    return array
