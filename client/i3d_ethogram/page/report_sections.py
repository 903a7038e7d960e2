"""Numbers of an animal, or of all of them: those of its recordings, put together.

A page shows a dozen behaviours by name; where a model knows more, those with the most time, and the
others together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.colours import OTHER_COLOUR, colours_of
from i3d_ethogram.page.report_recording import Lengths, RecordingNumbers, tally
from i3d_ethogram.tables.hours import Hour

MOST_SHOWN = 12
OTHER = "other"


@dataclass(frozen=True)
class Shown:
    """The behaviours that a page shows, each with its row.

    Attributes:
        labels: all of all recordings.
        names: of the rows; the last one stands for all others if ``has_other``.
        row_of: label to row.
        colours: of the rows, ``#rrggbb``.
        has_other: whether there are others.
    """

    labels: tuple[str, ...]
    names: tuple[str, ...]
    row_of: Mapping[str, int]
    colours: tuple[str, ...]
    has_other: bool

    def rows(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the row of each label."""
        return np.array([self.row_of[label] for label in labels], np.int64)

    def gathered(self, values: NDArray[np.int64], labels: Sequence[str]) -> NDArray[np.int64]:
        """Return the sum of values of labels by row."""
        sums = np.zeros(len(self.names), np.int64)
        np.add.at(sums, self.rows(labels), values)
        return sums


def shown_of(recordings: Sequence[RecordingNumbers]) -> Shown:
    """Choose the behaviours to show."""
    total_us: dict[str, int] = {}
    for recording in recordings:
        for label, us in zip(recording.labels, recording.label_us.tolist(), strict=True):
            total_us[label] = total_us.get(label, 0) + us
    labels = tuple(total_us)
    named = labels
    if len(labels) > MOST_SHOWN:
        most = sorted(labels, key=lambda label: -total_us[label])[:MOST_SHOWN]
        named = tuple(label for label in labels if label in set(most) and total_us[label])
    has_other = len(named) < len(labels)
    colours = colours_of(labels, shown=named)
    return Shown(
        labels=labels,
        names=(*named, OTHER) if has_other else named,
        row_of={label: named.index(label) if label in named else len(named) for label in labels},
        colours=(*(colours[label] for label in named), *([OTHER_COLOUR] if has_other else [])),
        has_other=has_other,
    )


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """Of an animal, or of all. Arrays are over the rows of ``Shown``, (d,) int64.

    Attributes:
        duration_us, unscored_us, label_us: times; the last two add up to the first.
        bouts: how many.
        lengths: of them, one entry a row.
        first_bout_us: from the first recording's first frame; None without a bout, or if there are
            several recordings.
        followed: (d, d) int64, bouts of the row that were followed at once by one of the column.
            "other" may follow on "other": these are different behaviours.
        hours: in order; those of one hour on the clock are one.
    """

    duration_us: int
    unscored_us: int
    label_us: NDArray[np.int64]
    bouts: NDArray[np.int64]
    lengths: Sequence[Lengths]
    first_bout_us: Sequence[int | None]
    followed: NDArray[np.int64]
    hours: Sequence[Hour]


def numbers_together(
    recordings: Sequence[RecordingNumbers],
    shown: Shown,
    *,
    with_hours: bool = False,
    by_clock: bool = False,
) -> Numbers:
    """Add recordings up.

    Args:
        recordings: in order of time.
        shown: the rows.
        with_hours: whether to keep the hours.
        by_clock: whether they are those of one clock.
    """
    rows = len(shown.names)
    label_us, bouts = np.zeros(rows, np.int64), np.zeros(rows, np.int64)
    followed = np.zeros((rows, rows), np.int64)
    lengths: list[list[Lengths]] = [[] for _ in range(rows)]
    first: list[list[int]] = [[] for _ in range(rows)]
    for recording in recordings:
        of_label = shown.rows(recording.labels)
        label_us += shown.gathered(recording.label_us, recording.labels)
        bouts += shown.gathered(recording.bouts, recording.labels)
        pairs = recording.following
        np.add.at(followed, (of_label[pairs.before], of_label[pairs.after]), pairs.counts)
        for row, counted, begins in zip(
            of_label.tolist(), recording.lengths, recording.first_bout_us, strict=True
        ):
            lengths[row].append(counted)
            first[row] += [] if begins is None else [begins]
    return Numbers(
        duration_us=sum(recording.duration_us for recording in recordings),
        unscored_us=sum(recording.unscored_us for recording in recordings),
        label_us=label_us,
        bouts=bouts,
        lengths=[_pooled(counted) for counted in lengths],
        first_bout_us=[min(us) if us and len(recordings) == 1 else None for us in first],
        followed=followed,
        hours=_hours_together(recordings, shown, by_clock=by_clock) if with_hours else (),
    )


def _pooled(counted: Sequence[Lengths]) -> Lengths:
    if not counted:
        return Lengths(np.empty(0, np.int64), np.empty(0, np.int64))
    us = np.concatenate([lengths.us for lengths in counted])
    return tally(us, np.concatenate([lengths.counts for lengths in counted]))


def _hours_together(
    recordings: Sequence[RecordingNumbers], shown: Shown, *, by_clock: bool
) -> list[Hour]:
    """Put the hours of recordings in a row; where an hour on the clock is in several, add them up.

    Such an hour begins and ends where the first recording's part of it does.
    """
    together: dict[object, Hour] = {}
    for place, recording in enumerate(recordings):
        for hour in recording.hours:
            here = replace(hour, label_us=shown.gathered(hour.label_us, recording.labels))
            key: object = (place, hour.number)
            if by_clock and hour.clock is not None:
                key = hour.clock.replace(tzinfo=None)  # as it was on the wall
            before = together.get(key)
            if before is not None:
                # Not always the last hour: the file before may reach a second into the next one.
                here = replace(
                    before,
                    label_us=before.label_us + here.label_us,
                    unscored_us=before.unscored_us + here.unscored_us,
                )
            together[key] = here
    return list(together.values())
