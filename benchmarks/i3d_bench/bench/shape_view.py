"""What ``bench_shape.json`` shows: run times over cores with a SIMULATED accelerator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from i3d_bench.bench.bench_notes import SIMULATED
from i3d_bench.bench.bench_table import NOTHING, Table, digits_text
from i3d_bench.bench.figure_style import BOUND_COLOUR, grid_lines, line_style
from i3d_bench.bench.pipeline_names import pipeline_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHAPE_TITLE = "Run time over cores with a simulated accelerator"
_BOUND = "the longer of loading and device"
_SLEEPING = "readers that sleep"
_CORES = "cores of the client"


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Run times in one setting.

    Attributes:
        name: as shown.
        device_over_loading: how long the device takes, over loading on one core.
        counted: what the counts are of: cores, or readers that stand for them.
        seconds: by pipeline and count, without the start of processes.
        bound: the longer of loading and device, by count.
    """

    name: str
    device_over_loading: float
    counted: str
    seconds: Mapping[str, Mapping[int, float]]
    bound: Mapping[int, float]


def settings_of(shape: Mapping[str, Any]) -> list[Setting]:
    """Return the settings of a ``bench_shape.json``; sleeping readers come last."""
    settings = [
        Setting(
            name=name.replace("_", " "),
            device_over_loading=float(one["device_over_loading_on_one_core"]),
            counted=_CORES,
            seconds={key: _by_count(of) for key, of in one["seconds_without_start"].items()},
            bound=_by_count(one["asynchronous_bound_seconds"]),
        )
        for name, one in shape["settings"].items()
    ]
    if paced := shape.get("paced"):
        seconds = {key: _by_count(of) for key, of in paced["seconds"].items()}
        loading_s = paced["loading_seconds_with_one_reader"]
        device_s = paced["device_seconds"]
        settings.append(
            Setting(
                name=_SLEEPING,
                device_over_loading=device_s / loading_s,
                counted=_SLEEPING,
                seconds=seconds,
                bound={
                    count: max(loading_s / count, device_s)
                    for count in next(iter(seconds.values()))
                },
            )
        )
    return settings


def shape_table(shape: Mapping[str, Any]) -> Table:
    """Return run times over cores, with what the asynchronous pipeline cannot beat."""
    settings = settings_of(shape)
    counts = sorted({count for one in settings for count in one.bound})
    rows = [
        (one.name, f"{one.device_over_loading:.2g}", label, *(_cell(by, at) for at in counts))
        for one in settings
        for label, by in [
            *((pipeline_name(name), by) for name, by in one.seconds.items()),
            (_BOUND, one.bound),
        ]
    ]
    return Table(
        title=SHAPE_TITLE,
        columns=("setting", "device over loading", "seconds", *map(str, counts)),
        rows=tuple(rows),
        notes=(
            f"{SIMULATED}.",
            f"The last columns are {_CORES}, or {_SLEEPING} instead of working. Times are without "
            "the start of processes; device over loading is on one core.",
        ),
        words=("seconds",),
    )


def draw_shape(shape: Mapping[str, Any]) -> Figure:
    """Draw the same, a panel a setting."""
    from matplotlib.figure import Figure

    settings = settings_of(shape)
    figure = Figure(figsize=(2.4 + 2.3 * len(settings), 3.4), layout="constrained")
    panels = figure.subplots(1, len(settings), squeeze=False)[0]
    for axes, setting in zip(panels, settings, strict=True):
        _draw_setting(axes, setting)
    panels[0].set_ylabel("run time without start, seconds")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(SIMULATED, fontsize=9, weight="bold", x=0.01, ha="left")
    return figure


def _draw_setting(axes: Axes, setting: Setting) -> None:
    for pipeline, by_count in setting.seconds.items():
        style = line_style(pipeline)
        axes.plot(
            list(by_count),
            list(by_count.values()),
            label=pipeline_name(pipeline),
            color=style.colour,
            marker=style.marker,
            markersize=4,
            linestyle=style.dash,
        )
    axes.plot(
        list(setting.bound),
        list(setting.bound.values()),
        label=_BOUND,
        color=BOUND_COLOUR,
        linestyle="--",
        zorder=1,
    )
    axes.set_title(f"{setting.name}:\ndevice {setting.device_over_loading:.2g} × loading")
    axes.set_xticks(list(setting.bound))
    axes.margins(x=0.15)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(setting.counted)
    grid_lines(axes, axis="y")


def _by_count(seconds: Mapping[str, float]) -> dict[int, float]:
    return {int(count): float(value) for count, value in seconds.items()}


def _cell(by_count: Mapping[int, float], count: int) -> str:
    return digits_text(by_count[count]) if count in by_count else NOTHING
