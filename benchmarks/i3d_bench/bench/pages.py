"""``bench.md``, ``bench.html`` and the three figures, all made from ``bench.json`` alone."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from i3d_bench.bench.bench_file import BENCH_FILE
from i3d_bench.bench.bench_notes import notes_on
from i3d_bench.bench.bench_results import BenchResults, read_results
from i3d_bench.bench.bench_table import one_line
from i3d_bench.bench.bench_tables import table_of
from i3d_bench.bench.figures import FIGURES, figure_png
from i3d_bench.bench.page_html import bench_html
from i3d_client.durable import complete_file

MARKDOWN_PAGE, HTML_PAGE = "bench.md", "bench.html"
TITLE = "The paper's figures and table, measured"
TABLES_BEFORE = ("costs", "experiment")
TABLES_AFTER = ("agreement", "machine", "runs")


def write_pages(out: Path) -> list[Path]:
    """Make all that follows from ``out/bench.json``, into the same folder.

    A figure of something that was not measured is not written; one of before is removed.

    Returns:
        What was written.

    Raises:
        ResultError: there is no bench.json, or it is not as expected.
        MissingExtraError: matplotlib or Jinja is not installed.
        OutputError: something cannot be written.
    """
    results = read_results(out / BENCH_FILE)
    drawn = {name: figure_png(results, name) for name in FIGURES}
    contents: dict[str, str | bytes] = {
        f"{name}.png": picture for name, picture in drawn.items() if picture is not None
    }
    there = [name for name, picture in drawn.items() if picture is not None]
    contents[MARKDOWN_PAGE] = bench_markdown(results, figures=there)
    contents[HTML_PAGE] = bench_html(results, title=TITLE, before=TABLES_BEFORE, after=TABLES_AFTER)
    for name, picture in drawn.items():
        if picture is None:
            (out / f"{name}.png").unlink(missing_ok=True)
    for name, content in contents.items():
        with complete_file(out / name) as file:
            file.write(content)
    return [out / name for name in contents]


def bench_markdown(results: BenchResults, *, figures: Collection[str]) -> str:
    """Return the page as Markdown; ``figures`` lie beside it."""
    lines = [
        f"# {TITLE}",
        "",
        "Made by `i3d bench` from `bench.json`; changes here are lost.",
    ]
    if notes := notes_on(results):
        texts = [(one_line(one.text), one.serious) for one in notes]
        lines += ["", *(f"- **{text}**" if serious else f"- {text}" for text, serious in texts)]
    for name in TABLES_BEFORE:
        lines += _table(results, name)
    for name, kind in FIGURES.items():
        lines += ["", f"## {kind.title}", ""]
        if name in figures:
            lines += [f"![{kind.title}]({name}.png)", "", kind.caption]
        for table in kind.tables:
            lines += _table(results, table, level="###")
    for name in TABLES_AFTER:
        lines += _table(results, name)
    return "\n".join(lines) + "\n"


def _table(results: BenchResults, name: str, *, level: str = "##") -> list[str]:
    table = table_of(results, name)
    return ["", f"{level} {table.title}", "", table.markdown()]
