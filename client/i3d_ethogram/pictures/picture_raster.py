"""A picture with one row a behaviour, for recordings of up to about an hour."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.pictures.picture_rows import PictureRow, rgb
from i3d_ethogram.pictures.time_bins import time_in_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH_IN, _ROW_IN = 8.0, 0.26
_LEFT_PER_LETTER_IN, _RIGHT_IN, _TOP_IN, _BOTTOM_IN = 0.068, 0.75, 0.62, 0.55
_BINS = 1200  # a dot each
_MOST_SHAPES = 3000
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900)


def draw_raster(ethogram: Ethogram, rows: list[PictureRow], *, title: str) -> Figure:
    """Return the picture; bouts are shapes with exact edges as long as they are few."""
    from matplotlib.figure import Figure

    shown = rows if rows[-1].time_us else rows[:-1]
    left_in = round(0.3 + _LEFT_PER_LETTER_IN * max(len(row.name) for row in shown), 1)
    width_in = left_in + _WIDTH_IN + _RIGHT_IN
    height_in = _TOP_IN + _ROW_IN * len(shown) + _BOTTOM_IN
    figure = Figure(figsize=(width_in, height_in), facecolor="white")
    axes = figure.add_axes(
        (
            left_in / width_in,
            _BOTTOM_IN / height_in,
            _WIDTH_IN / width_in,
            _ROW_IN * len(shown) / height_in,
        )
    )
    start_s, stop_s = (int(ethogram.times_us[end]) / 1e6 for end in (0, -1))
    axes.set_xlim(start_s, stop_s)
    axes.set_ylim(len(shown), 0)
    if len(ethogram.codes) <= _MOST_SHAPES:
        _draw_shapes(axes, ethogram, shown, shortest_s=(stop_s - start_s) / _BINS)
    else:
        axes.imshow(
            _image(ethogram, shown),
            extent=(start_s, stop_s, len(shown), 0),
            aspect="auto",
            interpolation="nearest",
            zorder=1,
        )
    _name_rows(axes, shown)
    _time_axis(axes, ethogram, start_s, stop_s)
    axes.set_title(title, loc="left", fontsize=9, parse_math=False)
    return figure


def _draw_shapes(
    axes: Any, ethogram: Ethogram, rows: list[PictureRow], *, shortest_s: float
) -> None:
    begins = ethogram.times_us[:-1] / 1e6
    lengths = np.maximum(ethogram.durations_us / 1e6, shortest_s)
    for at, row in enumerate(rows):
        mine = np.isin(ethogram.codes, row.codes)
        axes.broken_barh(
            list(zip(begins[mine], lengths[mine], strict=True)),
            (at + 0.1, 0.8),
            facecolors=row.colour,
            linewidth=0,
        )


def _image(ethogram: Ethogram, rows: list[PictureRow]) -> NDArray[np.uint8]:
    """Return (10 a row, bins, 4) uint8, RGBA."""
    start_us, stop_us = ethogram.times_us[[0, -1]]
    edges_us = np.linspace(start_us, stop_us, _BINS + 1).astype(np.int64)
    spent_us = time_in_bins(ethogram, [row.codes for row in rows], edges_us)
    share = spent_us / np.maximum(np.diff(edges_us), 1)[:, np.newaxis]
    strength = np.where(share > 0, np.maximum(share, 1 / 3), 0)
    image = np.zeros((len(rows), 10, _BINS, 4), np.uint8)
    for at, row in enumerate(rows):
        image[at, 1:9, :, :3] = rgb(row.colour)
        image[at, 1:9, :, 3] = np.rint(255 * strength[:, at])
    return image.reshape(-1, _BINS, 4)


def _name_rows(axes: Any, rows: list[PictureRow]) -> None:
    middles = np.arange(len(rows)) + 0.5
    axes.set_yticks(middles, [row.name for row in rows], parse_math=False)
    axes.tick_params(axis="y", length=0)
    for middle, row in zip(middles, rows, strict=True):
        axes.annotate(
            row.percent,
            (1, middle),
            (6, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            color="#444444",
        )
    axes.set_axisbelow(True)
    axes.hlines(np.arange(1, len(rows)), 0, 1, transform=axes.get_yaxis_transform(), **_RULE)
    axes.spines[["top", "right", "left"]].set_visible(False)


_RULE = {"color": "#d9dce1", "linewidth": 0.5, "zorder": 0}


def _time_axis(axes: Any, ethogram: Ethogram, start_s: float, stop_s: float) -> None:
    """Mark round times: of the clock if it is known, else from the recording's first frame."""
    step_s = next((step for step in _STEPS_S if (stop_s - start_s) / step <= 9), _STEPS_S[-1])
    began = ethogram.recorded_at
    since_midnight_s = 0.0
    if began is not None:
        midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
        since_midnight_s = (began - midnight).total_seconds()
    first = np.ceil((start_s + since_midnight_s) / step_s - 1e-9)
    last = np.floor((stop_s + since_midnight_s) / step_s + 1e-9)
    marks_s = np.arange(first, last + 1) * step_s
    decimals = 1 if step_s < 1 else 0
    names = [_clock(mark, decimals, full=began is not None) for mark in marks_s]
    axes.set_xticks(marks_s - since_midnight_s, names)
    axes.grid(axis="x", **_RULE)
    what = "time of day" if began is not None else "time from the recording's first frame"
    if began is not None and (began + timedelta(seconds=stop_s)).date() != began.date():
        what += f" (from {began:%Y-%m-%d})"
    axes.set_xlabel(what)


def _clock(seconds: float, decimals: int, *, full: bool) -> str:
    """Write seconds as ``h:mm:ss`` if ``full`` or an hour or more, else as ``m:ss``."""
    tenths = round(seconds * 10)
    whole, tenth = divmod(tenths, 10)
    hours, rest = divmod(whole, 3600)
    fraction = f".{tenth}" if decimals else ""
    if full:
        return f"{hours % 24:02}:{rest // 60:02}:{rest % 60:02}{fraction}"
    if hours:
        return f"{hours}:{rest // 60:02}:{rest % 60:02}{fraction}"
    return f"{rest // 60}:{rest % 60:02}{fraction}"
