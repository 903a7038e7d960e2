"""What the page's script draws and seeks in: labels over time, videos, pictures; as one document.

Few bouts are embedded exactly. More of them become cells of equal length, of which only the label
with the most time is kept.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from i3d_client.frame_status import STATUS_NAMES
from i3d_client.printable import printable
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.page.raster import NO_CELL, Raster, RasterBudget
from i3d_ethogram.page.report_recording import Part, RecordingNumbers, parts
from i3d_ethogram.page.report_sections import Shown
from i3d_ethogram.page.strips import Strip
from i3d_ethogram.tables.animal_hours import overlaps_of

MOST_EXACT_BOUTS = 5_000
_MOST_EXACT_RUNS = 3 * MOST_EXACT_BOUTS
_MOST_CELLS = 4_000_000
_HOUR_US = 3_600_000_000
_UNSCORED_CELL, _EMPTY_CELL = 254, 255


class Timelines:
    """Labels over time of all recordings, in the order in which they are added."""

    def __init__(self) -> None:
        self._cells = RasterBudget(_MOST_CELLS)
        self._exact: list[list[Part]] | None = []
        self._num_bouts = self._num_runs = 0

    def add(self, ethogram: Ethogram) -> None:
        """Keep what can be drawn of a recording."""
        self._cells.add(ethogram, starts_us=clock_offset_us(ethogram.recorded_at))
        self._num_bouts += int(ethogram.scored.sum())
        self._num_runs += len(ethogram.codes)
        if self._num_bouts > MOST_EXACT_BOUTS or self._num_runs > _MOST_EXACT_RUNS:
            self._exact = None
        if self._exact is not None:
            self._exact.append(parts(ethogram, np.arange(len(ethogram.codes))))

    @property
    def num_bouts(self) -> int:
        """Of all recordings."""
        return self._num_bouts

    @property
    def cell_us(self) -> int | None:
        """Length of a cell, µs; None if all bouts are embedded exactly."""
        return None if self._exact is not None else self._cells.cell_us

    def exact(self, recording: int) -> list[Part]:
        """Return a recording's bouts and unscored stretches; none if there are only cells."""
        return [] if self._exact is None else self._exact[recording]

    def cells(self, recording: int) -> Raster:
        """Return a recording's cells."""
        return self._cells.rasters[recording]


@dataclass(frozen=True, kw_only=True)
class Animal:
    """Recordings that the page shows together.

    Attributes:
        name: as shown.
        recordings: places among all recordings, in order of time.
        clock: the full hour at which the axis of their time begins; None if it is not known of all,
            or if they overlap: then each begins a row of its own.
        at_us: where on that axis each recording's time 0 is.
        overlaps: which of them overlap, in words.
    """

    name: str
    recordings: list[int]
    clock: datetime | None
    at_us: list[int] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)


def animal_of(name: str, places: Sequence[int], recordings: Sequence[RecordingNumbers]) -> Animal:
    """Lay an animal's recordings on one axis of time.

    Files that follow one another may overlap as far as the tables let them (``animal_hours``).
    """
    known: dict[int, datetime] = {}
    spans: dict[int, tuple[datetime, datetime, str]] = {}
    for place in places:
        recording = recordings[place]
        if recording.recorded_at is not None:
            known[place] = _naive(recording.recorded_at)
            began = known[place] + timedelta(microseconds=recording.start_us)
            ended = began + timedelta(microseconds=recording.duration_us)
            spans[place] = (began, ended, recording.name)
    overlaps: list[str] = []
    if len(known) == len(places):
        overlaps = overlaps_of(spans.values())
        if not overlaps:
            ordered = sorted(places, key=lambda place: spans[place][0])
            clock = _full_hour(min(known.values()))
            at_us = [(known[place] - clock) // timedelta(microseconds=1) for place in ordered]
            return Animal(name=name, recordings=ordered, clock=clock, at_us=at_us)
    return Animal(
        name=name,
        recordings=list(places),
        clock=None,
        at_us=_rows(places, recordings),
        overlaps=overlaps,
    )


def _rows(places: Sequence[int], recordings: Sequence[RecordingNumbers]) -> list[int]:
    at_us, hour = [], 0
    for place in places:
        recording = recordings[place]
        offset_us = clock_offset_us(recording.recorded_at)
        at_us.append(hour * _HOUR_US + offset_us)
        hour += math.ceil((offset_us + recording.start_us + recording.duration_us) / _HOUR_US)
    return at_us


def clock_offset_us(recorded_at: datetime | None) -> int:
    """Return how long after the full hour a recording began; 0 if that is not known."""
    if recorded_at is None:
        return 0
    return (recorded_at - _full_hour(recorded_at)) // timedelta(microseconds=1)


def _full_hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)


def embedded_json(
    recordings: Sequence[RecordingNumbers],
    animals: Sequence[Animal],
    *,
    shown: Shown,
    timelines: Timelines,
    strips: dict[tuple[int, int], Strip | str],
    why_no_strip: str,
) -> str:
    """Return the document, safe inside a ``script`` element; ``templates/report.js`` reads it."""
    document = {
        "rows": [printable(name) for name in shown.names],
        "labels": [printable(label) for label in shown.labels],
        "rowOf": [shown.row_of[label] for label in shown.labels],
        "statuses": [name.replace("_", " ") for name in STATUS_NAMES],
        "cellUs": timelines.cell_us,
        "whyNoStrip": why_no_strip,
        "recordings": [
            _recording(recording, timelines.exact(place), shown)
            for place, recording in enumerate(recordings)
        ],
        "animals": [_animal(animal, recordings, timelines, shown) for animal in animals],
        "strips": {
            f"{place}:{start_us}": _strip(strip) for (place, start_us), strip in strips.items()
        },
    }
    text = json.dumps(document, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _recording(recording: RecordingNumbers, exact: Sequence[Part], shown: Shown) -> dict[str, Any]:
    place_of = {label: place for place, label in enumerate(shown.labels)}
    clock = recording.recorded_at
    return {
        "name": printable(recording.name),
        "clock": None if clock is None else _naive(clock).isoformat(timespec="milliseconds"),
        "fps": recording.fps,
        "start": recording.start_us,
        "stop": recording.start_us + recording.duration_us,
        "videos": [
            {
                "url": file.url,
                "why": file.why_not,
                "start": file.start_us,
                "stop": file.stop_us,
                "first": file.first_timestamp_s,
            }
            for file in recording.videos
        ],
        "starts": [part.start_us for part in exact],
        "codes": [
            -1 - part.status if part.label is None else place_of[part.label] for part in exact
        ],
        "scores": [None if part.label is None else round(part.score, 3) for part in exact],
    }


def _animal(
    animal: Animal, recordings: Sequence[RecordingNumbers], timelines: Timelines, shown: Shown
) -> dict[str, Any]:
    tracks: list[dict[str, Any]] = []
    for place, at_us in zip(animal.recordings, animal.at_us, strict=True):
        track: dict[str, Any] = {"recording": place, "at": at_us}
        if timelines.cell_us is not None:
            recording = recordings[place]
            raster = timelines.cells(place)
            whole_hours_us = at_us - clock_offset_us(recording.recorded_at)
            track["cellsAt"] = whole_hours_us + raster.first * timelines.cell_us
            track["cells"] = _cells(raster, recording.labels, shown)
        tracks.append(track)
    clock = None if animal.clock is None else animal.clock.isoformat(timespec="milliseconds")
    return {"name": printable(animal.name), "clock": clock, "tracks": tracks}


def _cells(raster: Raster, labels: Sequence[str], shown: Shown) -> str:
    row_of_code = np.zeros(len(labels) + 2, np.uint8)
    row_of_code[: len(labels)] = shown.rows(labels)
    row_of_code[[NO_CELL, UNSCORED]] = _EMPTY_CELL, _UNSCORED_CELL  # negative: from the end
    return base64.b64encode(row_of_code[raster.codes].tobytes()).decode()


def _strip(strip: Strip | str) -> list[str | None] | str:
    if isinstance(strip, str):
        return printable(strip)
    return [
        None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()
        for jpeg in strip.jpegs
    ]
