"""The three figures by name, drawn from a bench.json, as PNG and for a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from i3d_bench.bench.bench_notes import SIMULATED
from i3d_bench.bench.bench_results import BenchResults
from i3d_bench.bench.figure_cores import draw_cores
from i3d_bench.bench.figure_precisions import draw_precisions
from i3d_bench.bench.figure_style import PageSvg, drawing, png_bytes, svg_for_page
from i3d_bench.bench.figure_timelines import draw_timelines

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class FigureKind:
    """A figure of the paper.

    Attributes:
        title: as shown.
        caption: what a reader sees in it.
        tables: names of the tables that have its numbers.
    """

    title: str
    caption: str
    draw: Callable[[BenchResults], Figure | None]
    tables: tuple[str, ...]


FIGURES: Mapping[str, FigureKind] = {
    "fig1": FigureKind(
        title="Fig. 1: who waits for whom",
        caption="What the client's rows and the device did when, in one traced run of each "
        "pipeline. `compute` is the device's own time; where the server does not say it, "
        "`request` is the time that a request was with the server.",
        draw=draw_timelines,
        tables=("timelines",),
    ),
    "fig2": FigureKind(
        title="Fig. 2: run time over cores",
        caption="Run time of an hour of video over the cores that the client was held to, for the "
        "first video; bars are the quartiles of the repeats. `loading alone` is the lower bound "
        "that the paper draws: the video read and pre-processed with no network at all.",
        draw=draw_cores,
        tables=("cores", "bounds"),
    ),
    "fig3": FigureKind(
        title="Fig. 3: run time by precision",
        caption="Run time of an hour of video of the asynchronous pipeline. A dot is a video, its "
        "bar the quartiles of its repeats; the box is the quartiles of the videos.",
        draw=draw_precisions,
        tables=("precisions",),
    ),
}


def figure_png(results: BenchResults, name: str) -> bytes | None:
    """Return a figure as PNG, which keeps the checksum of its bench.json; None if there is none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing():
        figure = _drawn(results, name)
        if figure is None:
            return None
        return png_bytes(figure, source=source_of(results.sha256), description=FIGURES[name].title)


def figure_svg(results: BenchResults, name: str) -> PageSvg | None:
    """Return a figure for a page; None if there is none.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with drawing():
        figure = _drawn(results, name)
        return None if figure is None else svg_for_page(figure, name=name)


def source_of(sha256: str) -> str:
    """Return what a picture says it was drawn from: a file of this checksum."""
    return f"sha256 {sha256}"


def _drawn(results: BenchResults, name: str) -> Figure | None:
    figure = FIGURES[name].draw(results)
    first = [SIMULATED] if results.simulated else []
    if results.stopped_by is not None:
        first.append("NOT COMPLETE: the bench was stopped")
    if figure is not None and first:
        title = "\n".join(filter(None, (*first, figure.get_suptitle())))
        figure.suptitle(title, fontsize=9, weight="bold", x=0.01, ha="left")
    return figure
