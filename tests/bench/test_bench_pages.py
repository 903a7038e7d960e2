"""``write_pages``: everything from bench.json alone, in one page that fetches nothing."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright
from tests.bench.invented_results import invented_results, write_results
from tests.ethogram.report_pages import chromium

from i3d_bench.bench.pages import write_pages
from i3d_client.errors import ResultError

ALL = ["fig1.png", "fig2.png", "fig3.png", "bench.md", "bench.html"]


@contextmanager
def opened(path: Path, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """Open a page in the browser; yield it and what it asked for. It may complain of nothing."""
    requests: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_page(**{"viewport": {"width": 1280, "height": 900}, **options})
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(path.as_uri())
        yield page, requests
        browser.close()
    assert complaints == []


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the whole bench.json."""
    folder = tmp_path_factory.mktemp("bench")
    write_results(folder / "bench.json")
    write_pages(folder)
    return folder / "bench.html"


def test_everything_is_made_from_bench_json(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json")
    written = write_pages(tmp_path)
    assert [path.name for path in written] == ALL
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*ALL, "bench.json"])
    before = {path: path.read_bytes() for path in written}
    write_pages(tmp_path)
    assert {path: path.read_bytes() for path in written} == before


def test_a_figure_of_what_was_not_measured_is_not_there_any_more(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json")
    write_pages(tmp_path)
    write_results(tmp_path / "bench.json", timelines=[])
    assert tmp_path / "fig1.png" not in write_pages(tmp_path)
    assert not (tmp_path / "fig1.png").exists()
    markdown = (tmp_path / "bench.md").read_text()
    assert "fig1.png" not in markdown
    assert "fig2.png" in markdown


def test_without_bench_json_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match=r"bench\.json"):
        write_pages(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_markdown_has_tables_and_figures(tmp_path: Path) -> None:
    write_results(tmp_path / "bench.json", simulated=True)
    write_pages(tmp_path)
    text = (tmp_path / "bench.md").read_text()
    assert "- **SIMULATED accelerator" in text
    row = r"\| asynchronous, INT8 \| [^|]+ \| 750 s \| 0\.38 \| 0\.49 \| 0\.31 \| 0\.42 \| 0\.46 \|"
    assert re.search(row, text)
    assert "![Fig. 2: run time over cores](fig2.png)" in text
    for line in text.splitlines():  # every row of a table has its header's number of cells
        if line.startswith("|"):
            assert line.endswith("|"), line


def test_the_page_fetches_nothing_and_draws_every_figure(page_path: Path) -> None:
    with opened(page_path) as (page, requests):
        assert [one for one in requests if not one.startswith("data:")] == [page_path.as_uri()]
        for name in ("fig1", "fig2", "fig3"):
            box = page.locator(f"#{name} svg").bounding_box()
            assert box is not None
            assert box["width"] > 500
            assert box["height"] > 200
        ids: list[str] = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        missing: list[str] = page.evaluate(
            """[...document.querySelectorAll('use, [clip-path]')]
                .map(e => e.getAttribute('xlink:href') ?? e.getAttribute('clip-path').slice(4, -1))
                .filter(href => !document.querySelector(href))"""
        )
        assert missing == []
        width: int = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 1280


def test_every_figure_has_its_numbers_in_a_table(page_path: Path) -> None:
    with opened(page_path) as (page, _):
        for name in ("timelines", "cores", "bounds", "precisions"):
            table = page.locator(f"#table-{name}")
            assert not table.is_visible()
            page.locator(f"details:has(#table-{name}) > summary").click()
            assert table.is_visible()
        cells = page.locator("#table-cores tbody tr").first.locator("th, td").all_text_contents()
        assert cells[0] == "synchronous, FP32"
        assert cells[1].startswith("2,400 (")
        described = page.locator("#fig2 [role=img]").get_attribute("aria-label")
        assert described is not None
        assert "table" in described


@pytest.mark.parametrize(("scheme", "ground"), [("light", 255), ("dark", 24)])
def test_text_in_figures_stands_out_from_both_grounds(
    page_path: Path, scheme: str, ground: int
) -> None:
    with opened(page_path, color_scheme=scheme) as (page, _):
        read = "e => getComputedStyle(e).%s.match(/\\d+/g).slice(0, 3).map(Number)"
        label = page.locator("#fig2 svg text").first

        def away() -> int:
            found: list[int] = label.evaluate(read % "fill")
            body: list[int] = page.locator("body").evaluate(read % "backgroundColor")
            return abs(found[0] - body[0])

        body: list[int] = page.locator("body").evaluate(read % "backgroundColor")
        assert abs(body[1] - ground) <= 1
        assert away() > 100
        page.locator("#theme").click()
        turned: list[int] = page.locator("body").evaluate(read % "backgroundColor")
        assert abs(turned[1] - body[1]) > 150
        assert away() > 100


def test_names_are_shown_and_not_executed(tmp_path: Path) -> None:
    document = invented_results()
    name = '<img src=x onerror=alert(1)>"&.mp4'
    document["videos"][0]["name"] = name
    for run in document["runs"]:
        run["video"] = name if run["video"] == "cage_1.mp4" else run["video"]
    document["left_out"] = ["<script>alert(2)</script>"]
    write_results(tmp_path / "bench.json", **document)
    write_pages(tmp_path)
    with opened(tmp_path / "bench.html") as (page, _):
        assert name in (page.locator("#fig2 svg").text_content() or "")
        assert "<script>alert(2)</script>" in (page.locator(".notes").text_content() or "")
        assert page.locator("#main img").count() == 0


def test_a_narrow_screen_scrolls_tables_and_not_the_page(page_path: Path) -> None:
    narrow = {"width": 390, "height": 800}
    with opened(page_path, viewport=narrow) as (page, _):
        width: int = page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390


def test_a_long_trace_stays_small(tmp_path: Path) -> None:
    """A trace of an hour has some 100,000 spans; the page must still open."""
    timelines = invented_results()["timelines"]
    for one in timelines:
        one["seconds"] = 4000.0
        for row in one["rows"]:
            what = row["spans"][0][2]
            row["spans"] = [[at * 0.1, at * 0.1 + 0.05, what] for at in range(20_000)]
    write_results(tmp_path / "bench.json", timelines=timelines)
    write_pages(tmp_path)
    assert (tmp_path / "bench.html").stat().st_size < 2_000_000
