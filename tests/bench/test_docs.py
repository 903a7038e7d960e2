"""Pages of the project show what the benchmarks' files say, and nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tests.bench.invented_results import write_results

from i3d_bench.pages import PICTURES, draw_pictures, fill_page, picture_sources
from i3d_client.errors import ResultError

PROJECT = Path(__file__).parents[2]
RESULTS = PROJECT / "benchmarks" / "results"
NAMES = ("README.md", "docs/benchmark.md", "docs/formats.md", "docs/own_behaviours.md")
PAGES = [PROJECT / name for name in NAMES]
PAGE = """before
<!-- table:bench:costs -->
what was here
<!-- / -->
between
<!-- picture:bench:fig2 -->
<!-- / -->
after
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_projects_pages_are_as_make_docs_makes_them(page: Path) -> None:
    text = page.read_text()
    assert fill_page(text, results=RESULTS) == text, "stale: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_projects_pictures_are_drawn_from_the_files_that_are_there(page: Path) -> None:
    for name, source in picture_sources(page.read_text(), results=RESULTS).items():
        with Image.open(page.parent / PICTURES / name) as picture:
            assert picture.info["Source"] == source, f"{name} is stale: make docs"


def test_a_block_is_filled_from_its_file_and_the_rest_stays(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json")
    page = fill_page(PAGE, results=tmp_path)
    assert page.startswith("before\n<!-- table:bench:costs -->\n| configuration |")
    assert "what was here" not in page
    assert "\n<!-- / -->\nbetween\n<!-- picture:bench:fig2 -->\n![Fig. 2" in page
    assert page.endswith("](pictures/bench_fig2.png)\n<!-- / -->\nafter\n")
    assert fill_page(page, results=tmp_path) == page


def test_other_results_make_another_page_and_other_pictures(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json")
    page = fill_page(PAGE, results=tmp_path)
    sources = picture_sources(page, results=tmp_path)
    write_results(tmp_path / "bench.json", price=None)
    assert fill_page(page, results=tmp_path) != page
    assert picture_sources(page, results=tmp_path) != sources


def test_pictures_keep_their_source(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json")
    (tmp_path / "bench_fig2.png").write_bytes(
        draw_pictures(PAGE, results=tmp_path)["bench_fig2.png"]
    )
    with Image.open(tmp_path / "bench_fig2.png") as picture:
        found = {"bench_fig2.png": picture.info["Source"]}
    assert found == picture_sources(PAGE, results=tmp_path)


def test_without_its_file_a_block_says_so(tmp_path: Path) -> None:
    page = fill_page(PAGE, results=tmp_path)
    assert page.count("*Not measured yet.*") == 2
    assert draw_pictures(page, results=tmp_path) == {}


def test_of_several_files_the_first_that_is_there_is_taken(tmp_path: Path) -> None:
    several = PAGE.replace(":bench:", ":bench_cores|bench:")
    write_results(tmp_path / "bench.json")
    page = fill_page(several, results=tmp_path)
    assert "](pictures/bench_fig2.png)" in page
    assert fill_page(PAGE, results=tmp_path) == page.replace(":bench_cores|bench:", ":bench:")
    assert list(picture_sources(page, results=tmp_path)) == ["bench_fig2.png"]
    write_results(tmp_path / "bench_cores.json", price=None)
    other = fill_page(page, results=tmp_path)
    assert "](pictures/bench_cores_fig2.png)" in other
    assert "No price was given" in other
    assert list(picture_sources(other, results=tmp_path)) == ["bench_cores_fig2.png"]
    (tmp_path / "bench_cores.json").unlink()
    assert fill_page(other, results=tmp_path) == page


def test_a_figure_without_its_file_says_so(tmp_path: Path) -> None:
    page = "it is <!-- agreement:ratio -->0.50<!-- / --> of it"
    without = fill_page(page, results=tmp_path)
    assert without == "it is <!-- agreement:ratio -->*Not measured yet.*<!-- / --> of it"
    (tmp_path / "agreement.json").write_text('{"ratio": 0.5}')
    assert fill_page(without, results=tmp_path) == page


def test_a_picture_of_nothing_is_an_error(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json", runs=[])
    with pytest.raises(ResultError, match="nothing was measured that fig2 shows"):
        draw_pictures(PAGE, results=tmp_path)


def test_the_shape_has_a_table_and_a_picture(tmp_path: Path) -> None:
    (tmp_path / "bench_shape.json").write_text(_invented_shape())
    page = fill_page(
        "<!-- table:bench_shape:shape --><!-- / --> <!-- picture:bench_shape:shape --><!-- / -->",
        results=tmp_path,
    )
    assert "| balanced | 0.7 | asynchronous | 10.0 | 7.00 | – |" in page
    assert "| balanced | 0.7 | the longer of loading and device | 10.0 | 7.00 | – |" in page
    assert "| readers that sleep | 0.3 | asynchronous | 12.5 | – | 3.70 |" in page
    assert (
        "| readers that sleep | 0.3 | the longer of loading and device | 12.0 | – | 3.60 |" in page
    )
    assert "SIMULATED" in page
    assert draw_pictures(page, results=tmp_path)["bench_shape_shape.png"]


def _invented_shape() -> str:
    seconds: dict[str, Any] = {
        "synchronous": {"1": 17.0, "2": 17.0},
        "parallel": {"1": 17.0, "2": 12.0},
        "asynchronous": {"1": 10.0, "2": 7.0},
    }
    setting = {
        "device_over_loading_on_one_core": 0.7,
        "seconds_without_start": seconds,
        "loading_alone_seconds": {"1": 10.0, "2": 5.0},
        "asynchronous_bound_seconds": {"1": 10.0, "2": 7.0},
    }
    paced = {
        "loading_seconds_with_one_reader": 12.0,
        "device_seconds": 3.6,
        "seconds": {"synchronous": {"1": 16.0, "8": 16.0}, "asynchronous": {"1": 12.5, "8": 3.7}},
    }
    return json.dumps({"settings": {"balanced": setting}, "paced": paced})
