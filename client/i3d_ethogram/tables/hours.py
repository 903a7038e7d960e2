"""Time per behaviour and hour, and ``hourly.csv``.

A bout that crosses the border of an hour is divided there, to the microsecond: each hour's labels
and its unscored time add up to its length, and the hours to the recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.durable import FileRecord
from i3d_ethogram.ethogram import Ethogram, seconds_text
from i3d_ethogram.tables.csv_file import write_csv

HOURS_FILE = "hourly.csv"
ALL_LABELS_UP_TO = 32
_BEFORE_LABELS = ("hour", "clock", "start_s", "stop_s")
_AFTER_LABELS = ("unscored", "total")
_HOUR_US = 3_600_000_000


@dataclass(frozen=True, kw_only=True)
class Hour:
    """What one hour of a recording holds.

    Attributes:
        number: 0 for the hour in which the recording's first frame is shown, then 1, 2, …
        start_us: of what was classified of it, µs from the recording's first frame.
        stop_us: its end.
        clock: where the hour begins by the clock on the wall, on the full hour; None if it is not
            known when the recording began.
        label_us: (K,) int64, µs of each label.
        unscored_us: the rest.
    """

    number: int
    start_us: int
    stop_us: int
    clock: datetime | None
    label_us: NDArray[np.int64]
    unscored_us: int

    @property
    def total_us(self) -> int:
        """From its start to its end, in µs."""
        return self.stop_us - self.start_us


def hours_of(ethogram: Ethogram) -> list[Hour]:
    """Divide a recording by hours.

    If it is known when the recording began, by those on the wall, so that the first and the last
    are partial; else by hours from the recording's first frame. A clock that is put forward or back
    meanwhile is not accounted for.

    Returns:
        The hours of which anything was classified, in order; none for a recording without frames.
    """
    begun, offset_us = _first_full_hour(ethogram.recorded_at)
    times = ethogram.times_us + offset_us
    first, stop = int(times[0]) // _HOUR_US, -(-int(times[-1]) // _HOUR_US)
    if len(ethogram.codes) == 0:
        return []
    borders = np.arange(first, stop + 1, dtype=np.int64) * _HOUR_US
    borders[0], borders[-1] = times[0], times[-1]
    table = _time_in(times, ethogram.codes, borders, len(ethogram.labels))
    return [
        Hour(
            number=first + row,
            start_us=int(borders[row]) - offset_us,
            stop_us=int(borders[row + 1]) - offset_us,
            clock=None if begun is None else begun + timedelta(hours=first + row),
            label_us=table[row, :-1],
            unscored_us=int(table[row, -1]),
        )
        for row in range(stop - first)
    ]


def write_hours(folder: Path, ethogram: Ethogram) -> FileRecord:
    """Write ``hourly.csv`` into a recording's folder: a row an hour, all times in seconds.

    Raises:
        OutputError: it cannot be written.
    """
    hours = hours_of(ethogram)
    shown = _shown(hours, ethogram.labels)
    names = label_columns([ethogram.labels[index] for index in shown])
    header = (*_BEFORE_LABELS, *names, *_AFTER_LABELS)
    return write_csv(folder / HOURS_FILE, header=header, rows=_rows(hours, shown))


def label_columns(labels: Sequence[str]) -> list[str]:
    """Name a column for each label: its name, unless another column has it."""
    taken = (*_BEFORE_LABELS, *_AFTER_LABELS)
    return [f"{label} (label)" if label in taken else label for label in labels]


def _first_full_hour(recorded_at: datetime | None) -> tuple[datetime | None, int]:
    """Return the full hour before a recording's begin, and how long before, in µs."""
    if recorded_at is None:
        return None, 0
    hour = recorded_at.replace(minute=0, second=0, microsecond=0)
    return hour, (recorded_at - hour) // timedelta(microseconds=1)


def _time_in(
    times_us: NDArray[np.int64],
    codes: NDArray[np.int16],
    borders: NDArray[np.int64],
    num_labels: int,
) -> NDArray[np.int64]:
    """Return the µs of each label between borders, (borders − 1, K + 1) int64; last, unscored."""
    cuts = np.union1d(times_us, borders)
    run = np.searchsorted(times_us, cuts[:-1], side="right") - 1
    row = np.searchsorted(borders, cuts[:-1], side="right") - 1
    table = np.zeros((len(borders) - 1, num_labels + 1), np.int64)
    np.add.at(table, (row, codes[run]), np.diff(cuts))  # UNSCORED, −1, is the last column
    return table


def _shown(hours: Sequence[Hour], labels: Sequence[str]) -> list[int]:
    if len(labels) <= ALL_LABELS_UP_TO:
        return list(range(len(labels)))
    return [index for index in range(len(labels)) if any(hour.label_us[index] for hour in hours)]


def _rows(hours: Sequence[Hour], shown: Sequence[int]) -> Iterator[tuple[object, ...]]:
    for hour in hours:
        yield (
            hour.number,
            None if hour.clock is None else hour.clock.isoformat(),
            seconds_text(hour.start_us),
            seconds_text(hour.stop_us),
            *(seconds_text(int(hour.label_us[index])) for index in shown),
            seconds_text(hour.unscored_us),
            seconds_text(hour.total_us),
        )
