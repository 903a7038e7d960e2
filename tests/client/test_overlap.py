"""Decoding, transfer and inference overlap (the accelerator is simulated)."""

import pytest

from i3d_bench.overlap import measure

pytestmark = pytest.mark.full_size

ATTEMPTS = 3  # another program on the machine may spoil one


def test_classify_takes_little_longer_than_the_longer_of_decoding_and_inference() -> None:
    ratios = []
    for _ in range(ATTEMPTS):
        # Long enough that the start of the command is a small part.
        figures = measure(seconds=16.0, repeats=1, naive=False)
        ratios.append(figures["classify_over_longer_alone"])
        if ratios[-1] <= 1 / 0.85:
            return
    raise AssertionError(f"classify over the longer alone: {ratios}, allowed {1 / 0.85:.3f}")
