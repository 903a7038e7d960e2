"""What the page's template shows, as text and outlines: one function a part of the page."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from i3d_client.frame_status import Status
from i3d_client.printable import printable
from i3d_ethogram.page.charts import LENGTH_TICKS, bars_outline, length_place, lengths_outline
from i3d_ethogram.page.report_embedded import Animal
from i3d_ethogram.page.report_recording import Part, RecordingNumbers
from i3d_ethogram.page.report_sections import Numbers, Shown
from i3d_ethogram.page.report_words import clock_text, length_text, share_text

View = dict[str, Any]
LENGTHS_WIDTH, LENGTHS_HEIGHT = 180, 26
HOURS_WIDTH, HOURS_HEIGHT = 840, 24
_DOTS_LEFT, _DOTS_WIDTH = 6, 506
_TOP = 3
_SHADES = 10
_MOST_HOUR_TICKS = 16


@dataclass(frozen=True)
class Entry:
    """An animal with its recordings and its numbers."""

    animal: Animal
    recordings: Sequence[RecordingNumbers]
    numbers: Numbers


def overview_row(
    recording: RecordingNumbers, *, animal: str, section: int, shown: Shown, metadata: Sequence[str]
) -> View:
    """Return a recording's row in the table of all."""
    rows_us = shown.gathered(recording.label_us, recording.labels)
    most = [row for row in np.argsort(-rows_us, kind="stable")[:_TOP].tolist() if rows_us[row]]
    return {
        "name": printable(recording.name),
        "animal": animal,
        "section": section,
        "metadata": list(metadata),
        "begun": _begun(recording),
        "duration_us": recording.duration_us,
        "duration": length_text(recording.duration_us),
        "unscored_us": recording.unscored_us,
        "unscored": share_text(recording.unscored_us, recording.duration_us),
        "bar": budget_bar(rows_us.tolist(), recording.unscored_us, recording.duration_us),
        "top": [
            (shown.names[row], row, share_text(rows_us[row], recording.duration_us)) for row in most
        ],
        "problems": [*recording.run.get("problems", ()), *recording.run.get("warnings", ())],
        "incomplete": not recording.run.get("complete"),
    }


def budget_bar(label_us: Sequence[int], unscored_us: int, duration_us: int) -> list[View]:
    """Return the pieces of a bar that stands for all of the time, 100 units long."""
    times = [*label_us, unscored_us]
    borders = [0.0, *(100 * us / max(duration_us, 1) for us in accumulate(times))]
    rows = [*range(len(label_us)), "u"]
    return [
        {"row": row, "x": f"{borders[at]:.2f}", "width": f"{borders[at + 1] - borders[at]:.2f}"}
        for at, row in enumerate(rows)
        if times[at]
    ]


def behaviour_rows(numbers: Numbers, shown: Shown) -> list[View]:
    """Return a row a behaviour: its time, its bouts, how long they are."""
    scored_hours = (numbers.duration_us - numbers.unscored_us) / 3.6e9
    views = []
    for row, name in enumerate(shown.names):
        bouts, us = int(numbers.bouts[row]), int(numbers.label_us[row])
        lengths = numbers.lengths[row].all_us
        view: View = {"row": row, "name": name, "us": us, "bouts": bouts}
        view["time"] = length_text(us)
        view["share"] = share_text(us, numbers.duration_us)
        view["width"] = f"{100 * us / max(numbers.duration_us, 1):.2f}"
        view["per_hour"] = f"{bouts / scored_hours:.1f}" if scored_hours else "–"
        view["lengths"] = ("–",) * 4
        first = numbers.first_bout_us[row]
        view["first"] = "–" if first is None else clock_text(first)
        if bouts:
            median, p95 = np.quantile(lengths, (0.5, 0.95))
            of_lengths = (median, us / bouts, p95, lengths[-1])
            view["lengths"] = tuple(length_text(float(length)) for length in of_lengths)
            view["median_at"] = f"{length_place(float(median), width=LENGTHS_WIDTH):.1f}"
            view["outline"] = lengths_outline(
                numbers.lengths[row], width=LENGTHS_WIDTH, height=LENGTHS_HEIGHT
            )
        views.append(view)
    return views


def length_ticks() -> list[View]:
    """Return the marks of the axis of lengths."""
    return [
        {"text": text, "x": f"{length_place(us, width=LENGTHS_WIDTH):.1f}"}
        for text, us in LENGTH_TICKS
    ]


def transition_rows(numbers: Numbers, shown: Shown) -> list[View]:
    """Return a row a behaviour: what followed its bouts."""
    rows = []
    for row, name in enumerate(shown.names):
        counts = numbers.followed[row].tolist()
        total = sum(counts)
        cells = [
            {
                "count": count,
                "share": round(100 * count / total) if total else 0,
                "shade": -(-_SHADES * count // total) if total else 0,
            }
            for count in counts
        ]
        rows.append({"name": name, "row": row, "total": total, "cells": cells})
    return rows


def hours_view(entry: Entry, shown: Shown) -> View:
    """Return the chart and the table of hours."""
    hours = entry.numbers.hours
    table = np.array([[*hour.label_us, hour.unscored_us] for hour in hours], np.int64)
    table = table.reshape(len(hours), len(shown.names) + 1)
    shares = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    rows = []
    for row, name in enumerate((*shown.names, "unscored")):
        most = float(shares[:, row].max(initial=0))
        if row == len(shown.names) and not most:
            continue
        rows.append(
            {
                "row": row if row < len(shown.names) else "u",
                "name": name,
                "most": share_text(most, 1),
                "outline": bars_outline(
                    shares[:, row] / (most or 1), width=HOURS_WIDTH, height=HOURS_HEIGHT - 4
                ),
            }
        )
    names = _hour_names(entry)
    return {
        "rows": rows,
        "ticks": _hour_ticks(entry, len(hours)),
        "table": [
            {
                "name": names[place],
                "us": table[place].tolist(),
                "seconds": [f"{us / 1e6:.1f}" for us in table[place].tolist()],
                "total": f"{table[place].sum() / 1e6:.1f}",
            }
            for place in range(len(hours))
        ],
    }


def _hour_names(entry: Entry) -> list[str]:
    several = len(entry.recordings) > 1
    names = []
    for recording in entry.recordings:
        of = f", {printable(recording.name)}" if several else ""
        names += [f"hour {hour.number + 1}{of}" for hour in recording.hours]
    if entry.animal.clock is None:
        return names
    clocks = [hour.clock for hour in entry.numbers.hours]
    return [f"{clock:%Y-%m-%d %H:%M}" for clock in clocks if clock is not None]


def _hour_ticks(entry: Entry, count: int) -> list[View]:
    every = next(
        step
        for step in (1, 2, 3, 6, 12, 24, 48, 120, 240, count)
        if count / step <= _MOST_HOUR_TICKS
    )
    ticks, width, day = [], HOURS_WIDTH / max(count, 1), ""
    for place, hour in enumerate(entry.numbers.hours):
        clock = None if entry.animal.clock is None else hour.clock
        if (hour.number if clock is None else clock.hour) % min(every, 24) or (
            every > 24 and place % every
        ):
            continue
        text = str(hour.number + 1) if clock is None else f"{clock:%H:%M}"
        today = "" if clock is None or f"{clock:%d %b}" == day else f"{clock:%d %b}"
        day = today or day
        ticks.append({"x": f"{place * width:.1f}", "text": text, "day": today})
    return ticks


def spread_rows(entries: Sequence[Entry], shown: Shown) -> list[View]:
    """Return a row a behaviour: its share of each animal's scored time, and how these spread."""
    rows = []
    for row, name in enumerate(shown.names):
        shares = [
            100 * int(entry.numbers.label_us[row]) / scored
            for entry in entries
            if (scored := entry.numbers.duration_us - entry.numbers.unscored_us)
        ]
        if not shares:
            continue
        most = max(shares) or 1
        rows.append(
            {
                "row": row,
                "name": name,
                "mean": f"{statistics.mean(shares):.1f}",
                "sd": f"{statistics.stdev(shares):.1f}" if len(shares) > 1 else "–",
                "least": f"{min(shares):.1f}",
                "most": f"{max(shares):.1f}",
                "dots": [_dot_at(share / most) for share in shares],
                "mean_at": _dot_at(statistics.mean(shares) / most),
            }
        )
    return rows


def _dot_at(part: float) -> str:
    return f"{_DOTS_LEFT + part * _DOTS_WIDTH:.1f}"


def raster_height(num_hours: int) -> int:
    """Return how high a raster of so many rows is at first, in pixels; the script knows exactly."""
    return num_hours * max(4, min(34, round(640 / max(num_hours, 1)))) + 22


def part_row(part: Part, *, recording: int, shown: Shown, several: str = "") -> View:
    """Return a row of a table of bouts or stretches; ``several`` names its recording."""
    row = None if part.label is None else shown.row_of[part.label]
    return {
        "recording": recording,
        "of": several,
        "row": "u" if row is None else row,
        "name": status_text(part.status) if part.label is None else part.label,
        "label": "several" if part.label is None and part.status == 0 else part.label,
        "start_us": part.start_us,
        "stop_us": part.stop_us,
        "start": clock_text(part.start_us),
        "duration": length_text(part.duration_us),
        "frames": f"{part.start_frame}–{part.stop_frame - 1}",
        "score": "" if np.isnan(part.score) else f"{part.score:.2f}",
    }


def status_text(status: Status) -> str:
    """Name a reason why frames are unscored."""
    return status.name.lower().replace("_", " ")


def _begun(recording: RecordingNumbers) -> str:
    return "" if recording.recorded_at is None else f"{recording.recorded_at:%Y-%m-%d %H:%M:%S}"
