"""The nine behaviours, and how much of the time each takes.

Shares of the natural schedule are those of 13,135 hours that the authors' laboratory scored; the
lengths of bouts are a laboratory's order of magnitude.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LABELS = ("drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand")
FPS = 30
Schedule = Literal["balanced", "natural"]


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When a behaviour happens.

    Attributes:
        share: of the time, relative to the other behaviours'.
        shortest_s: bout.
        longest_s: bout.
    """

    share: float
    shortest_s: float
    longest_s: float


SCHEDULES: Mapping[Schedule, Mapping[str, Timing]] = {
    "balanced": {label: Timing(share=1.0, shortest_s=1.0, longest_s=6.0) for label in LABELS},
    "natural": {
        "drink": Timing(share=1.3, shortest_s=2.0, longest_s=10.0),
        "eat": Timing(share=11.7, shortest_s=4.0, longest_s=40.0),
        "groom": Timing(share=15.5, shortest_s=3.0, longest_s=60.0),
        "hang": Timing(share=2.2, shortest_s=2.0, longest_s=10.0),
        "sniff": Timing(share=18.9, shortest_s=1.5, longest_s=15.0),
        "rear": Timing(share=4.5, shortest_s=1.0, longest_s=5.0),
        "rest": Timing(share=38.8, shortest_s=60.0, longest_s=600.0),
        "walk": Timing(share=1.4, shortest_s=0.7, longest_s=3.0),
        "eathand": Timing(share=5.9, shortest_s=4.0, longest_s=60.0),
    },
}
