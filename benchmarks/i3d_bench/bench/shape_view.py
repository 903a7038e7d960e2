"""What ``bench_shape.json`` shows: run times over cores with a SIMULATED accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from i3d_bench.bench.bench_notes import SIMULATED
from i3d_bench.bench.bench_table import NOTHING, Table, digits_text
from i3d_bench.bench.figure_style import BOUND_COLOUR, grid_lines, line_style
from i3d_bench.bench.pipeline_names import cores_text, pipeline_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHAPE_TITLE = "Run time over cores with a simulated accelerator"
Shape = Mapping[str, Any]
_BOUND = "the longer of loading and device"


def shape_table(shape: Shape) -> Table:
    """Return run times over cores, with what the asynchronous pipeline cannot beat."""
    cores = _cores(shape)
    rows = []
    for name, setting in shape["settings"].items():
        over = setting["device_over_loading_on_one_core"]
        for pipeline, seconds in setting["seconds_without_start"].items():
            cells = [_cell(seconds, count) for count in cores]
            rows.append((_setting_name(name), f"{over:g}", pipeline_name(pipeline), *cells))
        bound = setting["asynchronous_bound_seconds"]
        cells = [_cell(bound, count) for count in cores]
        rows.append((_setting_name(name), f"{over:g}", _BOUND, *cells))
    return Table(
        title=SHAPE_TITLE,
        columns=(
            "setting",
            "device over loading on one core",
            "seconds",
            *(cores_text(int(count)) for count in cores),
        ),
        rows=tuple(rows),
        notes=(f"{SIMULATED}.", f"{shape['windows']:,} windows; without the start of processes."),
        words=("seconds",),
    )


def draw_shape(shape: Shape) -> Figure:
    """Draw the same, a panel a setting."""
    from matplotlib.figure import Figure

    settings = shape["settings"]
    figure = Figure(figsize=(2.4 + 2.4 * len(settings), 3.4), layout="constrained")
    panels = figure.subplots(1, len(settings), squeeze=False, sharey=True)[0]
    for axes, (name, setting) in zip(panels, settings.items(), strict=True):
        for pipeline, seconds in setting["seconds_without_start"].items():
            style = line_style(pipeline)
            axes.plot(
                [int(count) for count in seconds],
                list(seconds.values()),
                label=pipeline_name(pipeline),
                color=style.colour,
                marker=style.marker,
                markersize=4,
                linestyle=style.dash,
            )
        bound = setting["asynchronous_bound_seconds"]
        axes.plot(
            [int(count) for count in bound],
            list(bound.values()),
            label=_BOUND,
            color=BOUND_COLOUR,
            linestyle="--",
            zorder=1,
        )
        over = setting["device_over_loading_on_one_core"]
        axes.set_title(f"{_setting_name(name)}: device {over:g} × loading")
        axes.set_xticks([int(count) for count in _cores(shape)])
        axes.margins(x=0.15)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("cores of the client")
        grid_lines(axes, axis="y")
    panels[0].set_ylabel("run time without the start of processes, seconds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    figure.suptitle(SIMULATED, fontsize=9, weight="bold", x=0.01, ha="left")
    return figure


def _cores(shape: Shape) -> list[str]:
    of_settings = [setting["loading_alone_seconds"] for setting in shape["settings"].values()]
    return sorted({count for seconds in of_settings for count in seconds}, key=int)


def _setting_name(name: str) -> str:
    return name.replace("_", " ")


def _cell(seconds: Mapping[str, float], cores: str) -> str:
    return digits_text(seconds[cores]) if cores in seconds else NOTHING
