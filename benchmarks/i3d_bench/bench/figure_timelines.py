"""Fig. 1: what cores and device did when, a panel for each pipeline, on one axis of time.

Left are whole runs; right, where it helps, is a stretch from their middle. Drawn are the runs at
one precision on the largest number of cores; the others are in the files for viewers.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from i3d_bench.bench.bench_results import (
    DEVICE,
    REFERENCE_PRECISION,
    BenchResults,
    Timeline,
    TimelineRow,
)
from i3d_bench.bench.figure_style import BOUND_COLOUR, SPAN_COLOURS, TEXT, grid_lines
from i3d_bench.bench.pipeline_names import configuration_name, cores_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SPANS_OF_DETAIL = 8
_MOST_OF_RUN = 0.4
_MOST_VECTORS = 1_000  # more spans than this are drawn as pixels also in a vector picture
_ROW_INCHES, _PANEL_INCHES = 0.17, 0.42


def timelines_shown(results: BenchResults) -> list[Timeline]:
    """Return the runs that are shown: of one precision, on the most cores that were traced."""
    traced = {one.precision for one in results.timelines}
    precision = next(
        (one for one in (REFERENCE_PRECISION, *results.precisions) if one in traced), None
    )
    found = [one for one in results.timelines if one.precision == precision]
    cores = max((one.cores for one in found), default=0)
    return [one for one in found if one.cores == cores]


def draw_timelines(results: BenchResults) -> Figure | None:
    """Draw Fig. 1; None if no run was traced."""
    from matplotlib.figure import Figure

    shown = timelines_shown(results)
    if not shown:
        return None
    detail = _detail(shown)
    heights = [_PANEL_INCHES + _ROW_INCHES * len(one.rows) for one in shown]
    figure = Figure(figsize=(10, sum(heights) + 0.9), layout="constrained")
    columns = 1 if detail is None else 2
    panels = figure.subplots(
        len(shown), columns, squeeze=False, sharex="col", height_ratios=heights
    )
    stop_s = max(one.seconds for one in shown)
    for one, axes in zip(shown, panels, strict=True):
        _draw_panel(axes[0], one, within=(0, stop_s))
        axes[0].set_title(_title(one))
        if detail is not None:
            _draw_panel(axes[1], one, within=detail)
            axes[1].tick_params(labelleft=False)
    panels[0][-1].set_title("a stretch from the middle" if detail else _title(shown[0]))
    for axes in panels[-1]:
        axes.set_xlabel("seconds from the start")
    _add_legend(figure, shown)
    return figure


def _detail(shown: Sequence[Timeline]) -> tuple[float, float] | None:
    """Return a stretch in which single spans can be seen; None if they can be without."""
    lengths = [stop - start for start, stop, _ in _device(shown[0]).spans]
    if not lengths:
        return None
    shortest_s = min(one.seconds for one in shown)
    length = _SPANS_OF_DETAIL * statistics.median(lengths)
    if length > _MOST_OF_RUN * shortest_s:
        return None
    return shortest_s / 2, shortest_s / 2 + length


def _device(timeline: Timeline) -> TimelineRow:
    named = [row for row in timeline.rows if row.row == DEVICE]
    return named[0] if named else timeline.rows[-1]


def _title(one: Timeline) -> str:
    busy = [
        f"{what} not seen" if percent is None else f"{what} {percent:.0f} %"
        for what, percent in (
            ("cores", one.cores_busy_percent),
            ("device" if one.device_is_seen else "requests to it", one.device_busy_percent),
        )
    ]
    name = configuration_name(one.pipeline, one.precision)
    return f"{name}, {cores_text(one.cores)}; busy: {', '.join(busy)}"


def _draw_panel(axes: Axes, timeline: Timeline, *, within: tuple[float, float]) -> None:
    kinds_at_once = any(_overlap(row) for row in timeline.rows)
    for place, row in enumerate(timeline.rows):
        _draw_row(axes, row, place=place, within=within, in_lanes=kinds_at_once)
    axes.set_yticks(range(len(timeline.rows)), [row.row for row in timeline.rows])
    axes.set_ylim(len(timeline.rows) - 0.4, -0.6)
    axes.set_xlim(*within)
    axes.tick_params(axis="y", length=0, labelcolor=TEXT)
    grid_lines(axes, axis="x")


def _draw_row(
    axes: Axes, row: TimelineRow, *, place: int, within: tuple[float, float], in_lanes: bool
) -> None:
    """Draw what the row does; ``in_lanes`` gives each kind a lane, where kinds overlap in time."""
    start_s, stop_s = within
    spans = [span for span in row.spans if span[1] > start_s and span[0] < stop_s]
    kinds = _ordered({what for _, _, what in row.spans})
    lanes = max(len(kinds), 1) if in_lanes else 1
    height = 0.8 / lanes
    for number, kind in enumerate(kinds):
        drawn = axes.broken_barh(
            [(start, stop - start) for start, stop, what in spans if what == kind],
            (place - 0.4 + (number % lanes) * height, height),
            facecolors=SPAN_COLOURS.get(kind, BOUND_COLOUR),
            linewidth=0,
        )
        drawn.set_rasterized(len(spans) > _MOST_VECTORS)


def _ordered(kinds: set[str]) -> list[str]:
    known = [what for what in SPAN_COLOURS if what in kinds]
    return known + sorted(kinds.difference(known))


def _overlap(row: TimelineRow) -> bool:
    """Say whether the row does two kinds of things at once."""
    ends: dict[str, float] = {}
    for start, stop, what in sorted(row.spans):
        if any(start < end for other, end in ends.items() if other != what):
            return True
        ends[what] = max(stop, ends.get(what, stop))
    return False


def _add_legend(figure: Figure, shown: Sequence[Timeline]) -> None:
    from matplotlib.patches import Patch

    there = {what for one in shown for row in one.rows for _, _, what in row.spans}
    patches = [
        Patch(facecolor=SPAN_COLOURS.get(what, BOUND_COLOUR), label=what)
        for what in _ordered(there)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches))
