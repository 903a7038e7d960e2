"""Spans: the stretch of a recording that a worker takes at a time, and what comes of it.

A span is whole segments, ``[first_segment, stop_segment)``. Segment j holds the windows
``jN … jN + N − 1``; the last segment of a recording may be short, and the tail window (the one that
ends with the recording, if the stride leaves frames over) comes after it and belongs to its span.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


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
    """

    first_segment: int
    stop_segment: int
    probabilities: NDArray[np.float32]
    scored: NDArray[np.bool_]
    decoded: int
    lost_frames: NDArray[np.int64]
    failed: bool = False
