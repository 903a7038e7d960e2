"""What the experiment's tables keep of a recording: its ethogram is forgotten."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.made_by import MadeBy, made_by
from i3d_ethogram.statistics import (
    bout_lengths_us,
    budget_us,
    cut_off_counts,
    first_bout_us,
    transitions,
)
from i3d_ethogram.tables.hours import Hour, hours_of


@dataclass(frozen=True, kw_only=True)
class Bouts:
    """The bouts of one label in one recording, µs; None where there is no bout.

    Attributes:
        count: how many.
        total_us: of all of them.
        mean_us, median_us, p95_us, longest_us: of their lengths; the 95th percentile lies between
            two lengths as far as its rank does.
        first_us: when the first begins, from the first frame that was classified.
        cut_off: how many may have been longer: they touch unscored frames or the recording's edge.
    """

    count: int
    total_us: int
    mean_us: int | None
    median_us: int | None
    p95_us: int | None
    longest_us: int | None
    first_us: int | None
    cut_off: int


@dataclass(frozen=True, kw_only=True)
class RecordingSummary:
    """One recording in numbers.

    Attributes:
        name: the recording's folder.
        labels: the contract's, in its order.
        made_by: model and smoothing.
        complete: whether all of the recording was classified.
        began: when the first frame that was classified was recorded; None if it is not known.
        duration_us: of what was classified.
        label_us: (K,) int64, time of each label.
        unscored_us: the rest of the time.
        hours: the recording, divided.
        bouts: of each label.
        transitions: (from, to, count), indices of labels, for those that occur.
    """

    name: str
    labels: tuple[str, ...]
    made_by: MadeBy
    complete: bool
    began: datetime | None
    duration_us: int
    label_us: NDArray[np.int64]
    unscored_us: int
    hours: tuple[Hour, ...]
    bouts: tuple[Bouts, ...]
    transitions: tuple[tuple[int, int, int], ...]


def summarise(ethogram: Ethogram) -> RecordingSummary:
    """Return what the tables need; a few kilobytes an hour, however many bouts there are."""
    label_us, unscored_us = budget_us(ethogram)
    lengths, first = bout_lengths_us(ethogram), first_bout_us(ethogram)
    counts = transitions(ethogram)
    began = ethogram.recorded_at
    if began is not None:
        began += timedelta(microseconds=int(ethogram.times_us[0]))
    return RecordingSummary(
        name=ethogram.name,
        labels=ethogram.labels,
        made_by=made_by(ethogram),
        complete=bool(ethogram.run.get("complete", True)),
        began=began,
        duration_us=ethogram.duration_us,
        label_us=label_us,
        unscored_us=unscored_us,
        hours=tuple(hours_of(ethogram)),
        bouts=tuple(map(_bouts, lengths, first, cut_off_counts(ethogram).tolist())),
        transitions=tuple(
            (int(a), int(b), int(counts[a, b])) for a, b in zip(*np.nonzero(counts), strict=True)
        ),
    )


def _bouts(lengths_us: NDArray[np.int64], first_us: int | None, cut_off: int) -> Bouts:
    some = len(lengths_us) > 0
    return Bouts(
        count=len(lengths_us),
        total_us=int(lengths_us.sum()),
        mean_us=round(float(lengths_us.mean())) if some else None,
        median_us=round(float(np.median(lengths_us))) if some else None,
        p95_us=round(float(np.percentile(lengths_us, 95))) if some else None,
        longest_us=int(lengths_us.max()) if some else None,
        first_us=first_us,
        cut_off=cut_off,
    )
