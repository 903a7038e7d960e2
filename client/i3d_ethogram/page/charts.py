"""Outlines of charts, as the ``d`` of SVG paths. What surrounds them is in the page's template."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.page.report_recording import Lengths

# Lengths of bouts vary from a frame to hours: bins of equal ratio, four to a factor of ten.
_LENGTH_EDGES_US = np.rint(10 ** np.arange(4.5, 10.01, 0.25)).astype(np.int64)
LENGTH_TICKS = (("0.1 s", 1e5), ("1 s", 1e6), ("10 s", 1e7), ("2 min", 1.2e8), ("1 h", 3.6e9))


def length_place(us: float, *, width: float) -> float:
    """Return where a length stands on an axis that is ``width`` long, from its left."""
    low, high = np.log10(_LENGTH_EDGES_US[[0, -1]])
    return float(np.clip((np.log10(max(us, 1.0)) - low) / (high - low), 0, 1) * width)


def lengths_outline(lengths: Lengths, *, width: float, height: float) -> str:
    """Draw how many bouts have which length: bars, the highest of which fills ``height``.

    Shorter and longer bouts than the axis shows are in its first and last bar.
    """
    clipped = lengths.us.clip(_LENGTH_EDGES_US[0], _LENGTH_EDGES_US[-1] - 1)
    counts, _ = np.histogram(clipped, _LENGTH_EDGES_US, weights=lengths.counts)
    return bars_outline(counts / max(counts.max(), 1), width=width, height=height)


def bars_outline(
    shares: Sequence[float] | NDArray[np.float64], *, width: float, height: float
) -> str:
    """Draw bars of equal width, side by side on one base line.

    Args:
        shares: of ``height``, 0 … 1; what is not 0 is at least a hair high.
        width: of all of them.
        height: of a bar that is 1.
    """
    step = width / max(len(shares), 1)
    bar = step - (1 if step > 3 else 0)
    bars = []
    for place, share in enumerate(shares):
        if share > 0:
            top = max(float(share) * height, 0.6)
            left = place * step
            bars.append(f"M{left:.1f} {height:.1f}v{-top:.1f}h{bar:.1f}v{top:.1f}z")
    return "".join(bars)
