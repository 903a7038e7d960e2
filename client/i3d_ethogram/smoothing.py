"""Smoothing of labels. Off by default, and never across unscored frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Smoothing:
    """Rules, applied in the order of the attributes; a rule that is None or empty is off.

    Attributes:
        hysteresis: (enter, leave), 0 … 1 with leave ≤ enter: a label begins where its probability
            reaches ``enter`` and lasts until it falls below ``leave``.
        median_frames: odd; each label becomes the most frequent one of so many frames around it.
        merge_bouts_frames: bouts of so many frames or fewer become part of the bout before them.
        merge_label_frames: the same for single labels, by label.
        minimum_bout_s: bouts of a label that last less become part of the bout before them, or
            after them if they come first.
    """

    hysteresis: tuple[float, float] | None = None
    median_frames: int | None = None
    merge_bouts_frames: int | None = None
    merge_label_frames: Mapping[str, int] = field(default_factory=dict)
    minimum_bout_s: Mapping[str, float] = field(default_factory=dict)


NO_SMOOTHING = Smoothing()
