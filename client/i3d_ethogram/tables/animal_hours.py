"""The hours of an animal, put together from its recordings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from i3d_client.printable import printable
from i3d_ethogram.tables.hours import Hour
from i3d_ethogram.tables.recording_summary import RecordingSummary

_CLOCKS_DIFFER_BY = timedelta(seconds=2)
"""Files that follow one another may seem to overlap so much: their names tell whole seconds."""


@dataclass(kw_only=True)
class AnimalHour:
    """What an animal did in one hour, or in all its recordings.

    Attributes:
        number: hours from the animal's first one; None for all its recordings together.
        clock: where the hour begins by the clock on the wall, if that is known.
        recordings: names of those that have a part in it.
        label_us: by label of their models, in µs.
        unscored_us: in µs.
        total_us: the sum of all; an hour that was not recorded from end to end has less than 3,600
            seconds.
    """

    number: int | None
    clock: datetime | None
    recordings: list[str] = field(default_factory=list)
    label_us: Counter[str] = field(default_factory=Counter)
    unscored_us: int = 0
    total_us: int = 0

    def add(self, recording: RecordingSummary, hour: Hour) -> None:
        """Take in an hour of a recording, or the part of it that was recorded."""
        if recording.name not in self.recordings:
            self.recordings.append(recording.name)
        for label, time_us in zip(recording.labels, hour.label_us.tolist(), strict=True):
            self.label_us[label] += time_us
        self.unscored_us += hour.unscored_us
        self.total_us += hour.total_us


def animal_hours(recordings: Sequence[RecordingSummary]) -> Iterator[AnimalHour]:
    """Yield an animal's hours in order.

    If it is known of all its recordings when they began: those of the clock, to which several files
    may add. If not: the hours of its only recording, or all its recordings in one, since nothing
    tells how they lie to one another.
    """
    if _have_clocks(recordings):
        yield from _clock_hours(recordings)
    elif len(recordings) == 1:
        for hour in recordings[0].hours:
            alone = AnimalHour(number=hour.number, clock=None)
            alone.add(recordings[0], hour)
            yield alone
    else:
        together = AnimalHour(number=None, clock=None)
        for recording in recordings:
            for hour in recording.hours:
                together.add(recording, hour)
        yield together


def overlaps(recordings: Sequence[RecordingSummary]) -> list[str]:
    """Say which of an animal's recordings show it at the same time: their seconds count twice."""
    if not _have_clocks(recordings):
        return []
    return overlaps_of(_span(recording) for recording in recordings)


def overlaps_of(spans: Iterable[tuple[datetime, datetime, str]]) -> list[str]:
    """Say which of the recordings of one animal overlap: each is its begin, its end, its name."""
    found, last = [], None
    for began, ended, name in sorted(spans, key=lambda span: span[0]):
        if last is not None and last[0] - began > _CLOCKS_DIFFER_BY:
            both_s = (min(ended, last[0]) - began).total_seconds()
            found.append(
                f"{printable(last[1])} and {printable(name)} overlap by {both_s:.0f} s, which "
                "count twice"
            )
        if last is None or ended > last[0]:
            last = (ended, name)
    return found


def _clock_hours(recordings: Sequence[RecordingSummary]) -> Iterator[AnimalHour]:
    hours: dict[datetime, AnimalHour] = {}
    for recording in recordings:
        for hour in recording.hours:
            if hour.clock is not None:
                own = hours.setdefault(hour.clock, AnimalHour(number=None, clock=hour.clock))
                own.add(recording, hour)
    first = min(hours, default=None)
    for clock in sorted(hours):
        hours[clock].number = 0 if first is None else (clock - first) // timedelta(hours=1)
        yield hours[clock]


def _have_clocks(recordings: Sequence[RecordingSummary]) -> bool:
    """Return whether the times of all are known, and all with a time zone or all without."""
    zones = {None if known.began is None else known.began.tzinfo is None for known in recordings}
    return len(zones) == 1 and None not in zones


def _span(recording: RecordingSummary) -> tuple[datetime, datetime, str]:
    began = recording.began or datetime.min
    return began, began + timedelta(microseconds=recording.duration_us), recording.name
