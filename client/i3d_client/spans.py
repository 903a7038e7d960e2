"""Spans: the stretch of a recording that a worker takes at a time, and what comes of it.

A span is whole segments, ``[first_segment, stop_segment)``. Segment j holds the windows
``jN … jN + N − 1``; the last segment of a recording may be short, and the tail window (the one that
ends with the recording, if the stride leaves frames over) comes after it and belongs to its span.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SPANS_LEFT_PER_WORKER = 2


@dataclass(frozen=True, kw_only=True)
class SpanResult:
    """What is known of a span once it has been classified.

    Attributes:
        first_segment, stop_segment: ``[first_segment, stop_segment)``.
        probabilities: (windows, classes) float32, in the order of the windows; 0 in the rows of
            windows that are not scored.
        scored: (windows,) bool; False for a window that contains a frame which was not decoded.
        decoded: frames of the span that were decoded. Frames that it shares with the span after
            it are counted there.
        lost_frames: (lost,) int64, increasing: frames of the span that could not be decoded,
            counted in the same way.
        failed: True if the span was given up: no window is scored, and no frame was looked at.
        num_frames: of the recording, if it ends with this span; else None.
        features: (windows, 1024) float32, with zeros as in ``probabilities``; None if they were not
            asked for, or are not needed where the result is read.
    """

    first_segment: int
    stop_segment: int
    probabilities: NDArray[np.float32]
    scored: NDArray[np.bool_]
    decoded: int
    lost_frames: NDArray[np.int64]
    failed: bool = False
    num_frames: int | None = None
    features: NDArray[np.float32] | None = None


@dataclass(frozen=True, kw_only=True)
class Span:
    """Segments ``[first_segment, stop_segment)`` of a recording.

    Attributes:
        first_segment, stop_segment: stop is None where a recording's frames are only known once
            it has been decoded: to the end.
    """

    first_segment: int
    stop_segment: int | None


def plan_spans(
    missing: Sequence[tuple[int, int]],
    *,
    key_frames: NDArray[np.int64],
    frames_per_segment: int,
    span_frames: int,
    least_frames: int,
    workers: int,
) -> list[Span]:
    """Cut what is still to be classified into spans that begin shortly after key frames.

    Towards the end they become shorter, so that no worker is left with a long one when the others
    have none (guided self-scheduling; Polychronopoulos and Kuck, IEEE Transactions on Computers
    C-36, 1987).

    Args:
        missing: ranges of segments, in order.
        key_frames: (keys,) increasing frame numbers at which a decoder may enter.
        frames_per_segment: N · stride, frames from one segment's first to the next one's.
        span_frames: how long a span should be, in frames; it may be half of that or twice.
        least_frames: how long the last ones should be.
        workers: that share the spans.

    Returns:
        Spans in order, which together cover ``missing``.
    """
    most = max(1, round(span_frames / frames_per_segment))
    least = min(most, max(1, round(least_frames / frames_per_segment)))
    remaining = sum(stop - first for first, stop in missing)
    spans = []
    for first, stop in missing:
        begin = first
        while (
            stop - begin
            > (length := max(least, min(most, remaining // (_SPANS_LEFT_PER_WORKER * workers))))
            + length // 2
        ):
            candidates = np.arange(begin + length - length // 2, begin + length + length // 2 + 1)
            frames = candidates * frames_per_segment
            before = np.searchsorted(key_frames, frames, side="right") - 1
            keys = key_frames[np.maximum(before, 0)]
            nearest = np.lexsort((np.abs(candidates - begin - length), frames - keys))[0]
            end = int(candidates[nearest])
            spans.append(Span(first_segment=begin, stop_segment=end))
            remaining -= end - begin
            begin = end
        spans.append(Span(first_segment=begin, stop_segment=stop))
        remaining -= stop - begin
    return spans
