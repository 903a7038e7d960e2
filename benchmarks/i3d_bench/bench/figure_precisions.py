"""Fig. 3: run time by precision, asynchronous, on the largest number of cores, over the videos.

A dot is a video, its bar the quartiles of its repeats; the box is the quartiles of the videos, the
line in it their median. The synchronous pipeline at FP32 is drawn across.
"""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

import numpy as np

from i3d_bench.bench.bench_results import (
    ASYNCHRONOUS,
    REFERENCE_PRECISION,
    SYNCHRONOUS,
    BenchResults,
    Run,
)
from i3d_bench.bench.figure_cores import time_unit
from i3d_bench.bench.figure_style import TEXT, grid_lines, line_style
from i3d_bench.bench.pipeline_names import configuration_name, cores_text, precision_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FEWEST_OF_BOX = 3
_HALF_BOX, _HALF_DOTS = 0.3, 0.22


def draw_precisions(results: BenchResults) -> Figure | None:
    """Draw Fig. 3; None if the asynchronous pipeline was not timed."""
    from matplotlib.figure import Figure

    if not results.runs:
        return None
    cores = max(results.cores)
    runs = results.runs_of(pipeline=ASYNCHRONOUS, cores=cores)
    shown = [one for one in results.precisions if any(run.precision == one for run in runs)]
    if not shown:
        return None
    reference = results.runs_of(pipeline=SYNCHRONOUS, precision=REFERENCE_PRECISION, cores=cores)
    scale, unit = time_unit([run.seconds_per_video_hour for run in (*runs, *reference)])
    figure = Figure(figsize=(2.4 + 1.5 * len(shown), 3.9), layout="constrained")
    axes = figure.subplots()
    for place, precision in enumerate(shown):
        _draw_precision(axes, [r for r in runs if r.precision == precision], place, scale)
    if reference:
        across = statistics.median(run.seconds_per_video_hour for run in reference) / scale
        axes.axhline(across, color=line_style(SYNCHRONOUS).colour, linestyle="--", linewidth=1.2)
        axes.annotate(
            configuration_name(SYNCHRONOUS, REFERENCE_PRECISION),
            (1, across),
            xycoords=("axes fraction", "data"),
            xytext=(0, 3),
            textcoords="offset points",
            ha="right",
            color=TEXT,
        )
    axes.set_xticks(range(len(shown)), [precision_name(one) for one in shown])
    axes.set_xlim(-0.6, len(shown) - 0.4)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.05)
    axes.set_ylabel(f"run time of an hour of video, {unit}")
    videos = len({run.video for run in runs})
    of = "1 video" if videos == 1 else f"{videos} videos"
    axes.set_title(f"asynchronous, {cores_text(cores)}, {of}")
    grid_lines(axes, axis="y")
    return figure


def _draw_precision(axes: Axes, runs: list[Run], place: int, scale: float) -> None:
    style = line_style(ASYNCHRONOUS)
    times = np.array([run.seconds_per_video_hour for run in runs]) / scale
    quartiles = np.array([run.quartiles_per_video_hour for run in runs]) / scale
    shifts = np.linspace(-_HALF_DOTS, _HALF_DOTS, len(runs)) if len(runs) > 1 else np.zeros(1)
    if len(runs) >= _FEWEST_OF_BOX:
        low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
        axes.bar(
            place,
            high - low,
            bottom=low,
            width=2 * _HALF_BOX,
            facecolor="none",
            edgecolor=TEXT,
            linewidth=1,
        )
        axes.hlines(middle, place - _HALF_BOX, place + _HALF_BOX, color=TEXT, linewidth=1.6)
    axes.errorbar(
        place + shifts,
        times,
        yerr=np.maximum(0, [times - quartiles[:, 0], quartiles[:, 1] - times]),
        color=style.colour,
        marker=style.marker,
        markersize=4,
        linestyle="none",
        linewidth=1.2,
        capsize=2,
    )
