"""Spans cover what is missing, begin near key frames and become shorter towards the end."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.spans import plan_spans


def ranges(missing: list[tuple[int, int]], **options: Any) -> list[tuple[int, int]]:
    """Plan, and return the spans' segments."""
    spans = plan_spans(missing, **options)
    return [(span.first_segment, span.stop_segment or 0) for span in spans]


@given(
    ends=st.lists(st.integers(0, 5000), min_size=2, max_size=6, unique=True),
    frames_per_segment=st.integers(1, 64),
    span_frames=st.integers(1, 5000),
    least_frames=st.integers(1, 5000),
    workers=st.integers(1, 64),
    key_every=st.integers(1, 1000),
)
def test_spans_cover_what_is_missing_and_nothing_twice(
    ends: list[int],
    frames_per_segment: int,
    span_frames: int,
    least_frames: int,
    workers: int,
    key_every: int,
) -> None:
    ordered = sorted(ends)
    missing = list(zip(ordered[::2], ordered[1::2], strict=False))
    spans = ranges(
        missing,
        key_frames=np.arange(0, 5000 * frames_per_segment, key_every),
        frames_per_segment=frames_per_segment,
        span_frames=span_frames,
        least_frames=least_frames,
        workers=workers,
    )
    covered = [n for first, stop in spans for n in range(first, stop)]
    assert covered == [n for first, stop in missing for n in range(first, stop)]
    most = max(1, round(span_frames / frames_per_segment))
    assert all(stop - first <= 2 * most for first, stop in spans)


@pytest.mark.parametrize("workers", [2, 8])
def test_the_last_spans_are_short(workers: int) -> None:
    """Else one worker would be busy for seconds after the others have ended."""
    spans = ranges(
        [(0, 100_000)],
        key_frames=np.arange(0, 100_000, 10),
        frames_per_segment=1,
        span_frames=4096,
        least_frames=128,
        workers=workers,
    )
    assert spans[0] == (0, 4100)  # the nearest key frame
    assert all(stop - first <= 2 * 128 for first, stop in spans[-workers:])
    assert len(spans) < 25 + workers * 8


def test_spans_begin_shortly_after_key_frames() -> None:
    spans = ranges(
        [(0, 1000)],
        key_frames=np.arange(0, 64_000, 250),
        frames_per_segment=64,
        span_frames=4096,
        least_frames=250,
        workers=1,
    )
    assert max(first * 64 % 250 for first, _stop in spans) < 64
