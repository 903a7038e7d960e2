"""A picture with one strip an hour, for recordings of more than about an hour."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.pictures.picture_rows import PictureRow, rgb
from i3d_ethogram.pictures.time_bins import time_in_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HOUR_US = 3_600_000_000
_BINS = 1200  # a dot each: 3 s
_STRIP_DOTS, _GAP_DOTS = 12, 3
_WIDTH_IN, _STRIP_IN = 8.0, 0.22
_TALL_IN, _LEAST_STRIP_IN, _TALLEST_IN = 14.0, 0.06, 60.0  # five days fit on two pages
_LEFT_IN, _TOP_IN, _BOTTOM_IN, _LEGEND_ROW_IN = 1.2, 0.62, 0.5, 0.21
_LABEL_IN = 0.15


def draw_hours(ethogram: Ethogram, rows: list[PictureRow], *, title: str) -> Figure:
    """Return the picture; hours are the clock's if it is known, else of the recording."""
    from matplotlib.figure import Figure

    first_us, count = _hours(ethogram)
    strips_in = max(min(_STRIP_IN * count, _TALL_IN), _LEAST_STRIP_IN * count)
    strips_in = min(strips_in, _TALLEST_IN)
    tall_in = max(strips_in, _LEGEND_ROW_IN * (len(rows) + 1))
    legend_in = 1.3 + 0.068 * max(len(row.name) for row in rows)
    width_in, height_in = _LEFT_IN + _WIDTH_IN + legend_in, _TOP_IN + tall_in + _BOTTOM_IN
    figure = Figure(figsize=(width_in, height_in), facecolor="white")
    axes = figure.add_axes(
        (
            _LEFT_IN / width_in,
            1 - (_TOP_IN + strips_in) / height_in,
            _WIDTH_IN / width_in,
            strips_in / height_in,
        )
    )
    axes.imshow(
        _image(ethogram, rows, first_us, count),
        extent=(0, 60, count, 0),
        aspect="auto",
        interpolation="nearest",
    )
    axes.set_xticks(range(0, 61, 10))
    axes.set_xlabel("minute of the hour")
    names = _hour_names(ethogram, first_us, count)
    steps = (1, 2, 3, 6, 12, 24, 48, 96, 168, 336, count)
    every = next(step for step in steps if strips_in / count * step >= _LABEL_IN)
    axes.set_yticks(np.arange(0, count, every) + 0.4, names[::every])
    axes.tick_params(axis="y", length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(title, loc="left", fontsize=9, parse_math=False)
    _legend(axes, rows)
    return figure


def _hours(ethogram: Ethogram) -> tuple[int, int]:
    """Return when the first hour begins, µs from the recording's first frame, and how many."""
    began = ethogram.recorded_at
    into_hour_us = 0 if began is None else _microseconds(began - _full_hour(began))
    start_us, stop_us = (int(ethogram.times_us[end]) for end in (0, -1))
    first = (start_us + into_hour_us) // _HOUR_US
    count = -(-(stop_us + into_hour_us) // _HOUR_US) - first
    return first * _HOUR_US - into_hour_us, count


def _full_hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)


def _microseconds(time: timedelta) -> int:
    return time // timedelta(microseconds=1)


def _image(
    ethogram: Ethogram, rows: list[PictureRow], first_us: int, count: int
) -> NDArray[np.uint8]:
    """Return (15 a strip, bins, 4) uint8, RGBA; nothing is drawn where nothing was recorded.

    A column of a strip is divided among the behaviours by the time they take in it.
    """
    edges_us = first_us + np.arange(count * _BINS + 1) * (_HOUR_US // _BINS)
    spent_us = time_in_bins(ethogram, [row.codes for row in rows], edges_us)
    palette = np.array([(*rgb(row.colour), 255) for row in rows] + [(0, 0, 0, 0)], np.uint8)
    image = np.zeros((count, _STRIP_DOTS + _GAP_DOTS, _BINS, 4), np.uint8)
    for hour, of_hour in enumerate(np.split(spent_us, count)):
        image[hour, :_STRIP_DOTS] = palette[_strip(of_hour)]
    return image.reshape(-1, _BINS, 4)


def _strip(spent_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which row each dot shows, (12, bins) int64; the number of rows where there is none.

    A dot shows the behaviour that its middle falls on when those of its column lie one on another;
    at the recording's edges, what there is fills the column.
    """
    reach = np.cumsum(spent_us, axis=1).T
    middles = (np.arange(_STRIP_DOTS) + 0.5)[:, np.newaxis] / _STRIP_DOTS * reach[-1]
    chosen: NDArray[np.int64] = (reach[:, np.newaxis] <= middles).sum(axis=0)
    return np.where(reach[-1] > 0, chosen, len(reach))


def _hour_names(ethogram: Ethogram, first_us: int, count: int) -> list[str]:
    began = ethogram.recorded_at
    if began is None:
        return [f"hour {first_us // _HOUR_US + hour}" for hour in range(count)]
    first = began + timedelta(microseconds=first_us)
    times = [first + timedelta(hours=hour) for hour in range(count)]
    dated = [hour == 0 or time.hour == 0 for hour, time in enumerate(times)]
    return [
        f"{t:%Y-%m-%d %H:%M}" if date else f"{t:%H:%M}"
        for t, date in zip(times, dated, strict=True)
    ]


def _legend(axes: Any, rows: list[PictureRow]) -> None:
    from matplotlib.patches import Patch

    legend = axes.legend(
        [Patch(facecolor=row.colour) for row in rows],
        [f"{row.name}  {row.percent}" for row in rows],
        loc="upper left",
        bbox_to_anchor=(1.01, 1),
        borderaxespad=0,
        frameon=False,
        handlelength=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)
