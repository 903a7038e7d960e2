"""Fig. 2: run time of an hour of video over the client's cores, with what no pipeline can beat.

One panel a precision, for the first video. The bars are the quartiles of the repeats.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from i3d_bench.bench.bench_results import BenchResults, Bound, Run
from i3d_bench.bench.figure_style import BOUND_COLOUR, grid_lines, line_style
from i3d_bench.bench.pipeline_names import pipeline_name, precision_name

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BOUND_DASHES = {"loading": "--", "inference": "-.", "wire": (0, (1, 2))}
"""The bounds that are drawn."""
_ALONE = " alone"


def draw_cores(results: BenchResults) -> Figure | None:
    """Draw Fig. 2; None if nothing was timed."""
    from matplotlib.figure import Figure

    if not results.runs:
        return None
    video = results.videos[0]
    precisions = [one for one in results.precisions if results.runs_of(precision=one, video=video)]
    figure = Figure(figsize=(2.2 + 2.6 * len(precisions), 3.9), layout="constrained")
    panels = figure.subplots(1, len(precisions), squeeze=False, sharey=True)[0]
    scale, unit = time_unit([run.seconds_per_video_hour for run in results.runs])
    for precision, axes in zip(precisions, panels, strict=True):
        for pipeline in results.pipelines:
            runs = results.runs_of(pipeline=pipeline, precision=precision, video=video)
            _draw_runs(axes, runs, scale=scale)
        for bound in _BOUND_DASHES:
            found = [
                one
                for one in results.bounds_of(video)
                if one.bound == bound and one.precision in (None, precision)
            ]
            _draw_bound(axes, found, cores=results.cores, scale=scale)
        _finish(axes, results.cores)
        axes.set_title(precision_name(precision))
    figure.suptitle(video, x=0.01, ha="left", fontsize=9)
    panels[0].set_ylabel(f"run time of an hour of video, {unit}")
    _add_legend(figure, panels)
    return figure


def time_unit(seconds: Sequence[float]) -> tuple[float, str]:
    """Return what seconds are divided by, and the unit that this gives."""
    return (60.0, "minutes") if max(seconds) > 300 else (1.0, "seconds")


def _draw_runs(axes: Axes, runs: Sequence[Run], *, scale: float) -> None:
    if not runs:
        return
    runs = sorted(runs, key=lambda run: run.cores)
    style = line_style(runs[0].pipeline)
    medians = [run.seconds_per_video_hour / scale for run in runs]
    quartiles = [run.quartiles_per_video_hour for run in runs]
    below = [max(0.0, m - q1 / scale) for m, (q1, _) in zip(medians, quartiles, strict=True)]
    above = [max(0.0, q3 / scale - m) for m, (_, q3) in zip(medians, quartiles, strict=True)]
    axes.errorbar(
        [run.cores for run in runs],
        medians,
        yerr=(below, above),
        label=pipeline_name(runs[0].pipeline),
        color=style.colour,
        marker=style.marker,
        markersize=4,
        linestyle=style.dash,
        linewidth=1.4,
        capsize=2,
    )


def _draw_bound(axes: Axes, bounds: Sequence[Bound], *, cores: Sequence[int], scale: float) -> None:
    """Draw a bound over the cores, or across where it was timed on one number of them."""
    if not bounds:
        return
    bounds = sorted(bounds, key=lambda one: one.cores)
    places: list[float] = [one.cores for one in bounds]
    times = [one.seconds_per_video_hour / scale for one in bounds]
    if len(bounds) == 1:
        places, times = [min(cores), max(cores)], [times[0], times[0]]
        if places[0] == places[1]:
            places = [places[0] - 0.3, places[0] + 0.3]
    name = bounds[0].bound
    axes.plot(
        places,
        times,
        label=f"{name}{_ALONE}",
        color=BOUND_COLOUR,
        linestyle=_BOUND_DASHES[name],
        linewidth=1.2,
        zorder=1,
    )


def _finish(axes: Axes, cores: Sequence[int]) -> None:
    axes.set_xticks(cores)
    axes.margins(x=0.12)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("cores of the client")
    grid_lines(axes, axis="y")


def _add_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    named: dict[str, Artist] = {}
    for axes in panels:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    labels = sorted(named, key=lambda label: label.endswith(_ALONE))  # bounds last
    figure.legend([named[label] for label in labels], labels, loc="outside right upper")
