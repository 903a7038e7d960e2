"""Figures show the numbers of bench.json, and nothing that was not measured."""

import json
from io import BytesIO
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from PIL import Image
from tests.bench.invented_results import invented_results, write_results
from tests.ethogram.test_colours import VISION, linear, oklab

from i3d_bench.bench.bench_results import BenchResults, read_results
from i3d_bench.bench.figure_cores import draw_cores
from i3d_bench.bench.figure_precisions import draw_precisions
from i3d_bench.bench.figure_style import (
    BOUND_COLOUR,
    GROUNDS,
    PIPELINE_COLOURS,
    SPAN_COLOURS,
    drawing,
)
from i3d_bench.bench.figure_timelines import draw_timelines
from i3d_bench.bench.figures import FIGURES, figure_png, figure_svg


def results(tmp_path: Path, **changed: Any) -> BenchResults:
    return read_results(write_results(tmp_path / "bench.json", **changed))


def drawn_lines(axes: Any) -> dict[str, list[float]]:
    """Return the heights of every named line, as the legend names it."""
    handles, labels = axes.get_legend_handles_labels()
    return {
        label: np.asarray(getattr(handle, "lines", [handle])[0].get_ydata()).tolist()
        for handle, label in zip(handles, labels, strict=True)
    }


def test_run_times_over_cores_and_bounds_are_drawn_as_they_are(tmp_path: Path) -> None:
    with drawing():
        figure = draw_cores(results(tmp_path))
    assert figure is not None
    fp32, _, int8 = figure.axes
    assert drawn_lines(fp32)["asynchronous"] == pytest.approx([36, 24, 20])  # minutes
    assert drawn_lines(fp32)["synchronous"] == pytest.approx([40, 40, 40])
    assert drawn_lines(fp32)["loading alone"] == pytest.approx([15, 7.5, 3.75])
    assert drawn_lines(int8)["asynchronous"] == pytest.approx([27, 18, 15])
    assert drawn_lines(int8)["inference alone"] == pytest.approx([11.25, 11.25])
    assert "TensorFlow synchronous" in drawn_lines(fp32)
    assert "TensorFlow synchronous" not in drawn_lines(int8)
    assert fp32.get_ylim()[0] == 0


def test_a_bar_is_the_quartiles_of_the_repeats(tmp_path: Path) -> None:
    with drawing():
        figure = draw_cores(results(tmp_path))
    assert figure is not None
    (bars,) = figure.axes[0].containers[0][2]
    low, high = bars.get_segments()[0][:, 1]
    assert (low, high) == pytest.approx((40 * 0.985, 40 * 1.025))


def test_precisions_have_a_dot_a_video_and_the_quartiles_of_the_videos(tmp_path: Path) -> None:
    with drawing():
        figure = draw_precisions(results(tmp_path))
    assert figure is not None
    (axes,) = figure.axes
    dots = [
        container[0].get_ydata().tolist()
        for container in axes.containers
        if isinstance(container, ErrorbarContainer)
    ]
    assert dots[0] == pytest.approx([20, 17.5, 15])
    box = axes.patches[0]
    low, high = np.quantile([20, 17.5, 15], (0.25, 0.75))
    assert (box.get_y(), box.get_height()) == pytest.approx((low, high - low))


def test_timelines_are_drawn_at_their_places_on_one_axis(tmp_path: Path) -> None:
    found = results(tmp_path)
    with drawing():
        figure = draw_timelines(found)
    assert figure is not None
    whole = figure.axes[::2]
    assert [axes.get_title(loc="left").partition(",")[0] for axes in whole] == [
        "synchronous",
        "parallel",
        "asynchronous",
    ]
    assert {axes.get_xlim() for axes in whole} == {(0, found.timelines[0].seconds)}
    rows = [label.get_text() for label in whole[0].get_yticklabels()]
    assert rows == ["reader 1", "device"]
    loads, computes = (
        [path.vertices[:, 0] for path in drawn.get_paths()] for drawn in whole[0].collections
    )
    assert [(x.min(), x.max()) for x in loads[:2]] == [(0, 1), (2, 3)]
    assert [(x.min(), x.max()) for x in computes[:2]] == [(1, 2), (3, 4)]


def test_kinds_that_overlap_in_time_do_not_cover_each_other(tmp_path: Path) -> None:
    with drawing():
        figure = draw_timelines(results(tmp_path))
    assert figure is not None
    worker = [
        (path.vertices[:, 1].min(), path.vertices[:, 1].max())
        for drawn in figure.axes[4].collections[:2]
        for path in drawn.get_paths()[:1]
    ]
    (decode_low, decode_high), (send_low, send_high) = worker
    assert decode_high <= send_low or send_high <= decode_low


def test_requests_that_stand_for_the_device_are_not_called_busy(tmp_path: Path) -> None:
    timelines = json.loads(
        json.dumps(invented_results()["timelines"]).replace("compute", "request")
    )
    with drawing():
        figure = draw_timelines(results(tmp_path, timelines=timelines))
    assert figure is not None
    assert figure.axes[0].get_title(loc="left") == (
        "synchronous, FP32, 4 cores; busy: cores 20 %, requests to it 50 %"
    )


def test_what_was_not_measured_has_no_figure(tmp_path: Path) -> None:
    nothing = results(tmp_path, runs=[], timelines=[])
    assert [figure_png(nothing, name) for name in FIGURES] == [None, None, None]
    assert [figure_svg(nothing, name) for name in FIGURES] == [None, None, None]


@pytest.mark.parametrize("name", FIGURES)
def test_a_picture_is_the_same_again_and_says_what_it_was_drawn_from(
    tmp_path: Path, name: str
) -> None:
    found = results(tmp_path)
    picture = figure_png(found, name)
    assert picture is not None
    assert picture == figure_png(found, name)
    with Image.open(BytesIO(picture)) as image:
        assert image.info["Source"] == f"sha256 {found.sha256}"
        colours = image.convert("RGB").getcolors(maxcolors=1 << 24)
    assert colours is not None
    assert max(colours)[1] == (255, 255, 255)
    assert len(colours) > 20


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize(
    ("changed", "word"),
    [({"simulated": True}, "SIMULATED"), ({"complete": False, "stopped_by": "x"}, "NOT COMPLETE")],
)
def test_what_a_reader_must_know_is_in_the_picture(
    tmp_path: Path, name: str, changed: dict[str, Any], word: str
) -> None:
    drawn = figure_svg(results(tmp_path, **changed), name)
    whole = figure_svg(results(tmp_path), name)
    assert drawn is not None
    assert whole is not None
    assert word in drawn.svg
    assert word not in whole.svg


def test_one_number_of_cores_one_video_and_names_of_any_kind_can_be_drawn(tmp_path: Path) -> None:
    document = invented_results()
    name = "$x_1$ & <b>动物</b>.mp4"
    runs = [
        {**run, "video": name, "seconds_per_video_hour": 40.0}
        for run in document["runs"]
        if run["video"] == "cage_1.mp4" and run["cores"] == 4
    ]
    videos = [{**document["videos"][0], "name": name}]
    found = results(tmp_path, runs=runs, videos=videos, bounds=[])
    for figure in FIGURES:
        assert figure_png(found, figure) is not None
    drawn = figure_svg(found, "fig2")
    assert drawn is not None
    assert "&lt;b&gt;" in drawn.svg
    assert "<b>" not in drawn.svg


def luminance(colour: str) -> float:
    return float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour))


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    ("colours", "least"),
    [
        ({**PIPELINE_COLOURS, "bound": BOUND_COLOUR}, 3.0),
        (SPAN_COLOURS, 2.5),
    ],
)
def test_colours_stand_out_and_can_be_told_apart(colours: dict[str, str], least: float) -> None:
    for name, colour in colours.items():
        assert min(contrast(colour, ground) for ground in GROUNDS) >= least, name
    for one, other in combinations(colours, 2):
        for vision in VISION:
            apart = np.linalg.norm(oklab(colours[one], vision) - oklab(colours[other], vision))
            assert apart >= 0.1, (one, other, vision)
