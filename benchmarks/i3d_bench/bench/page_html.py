"""``bench.html``: one file that needs nothing else, and fetches nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from i3d_bench.bench.bench_notes import notes_on
from i3d_bench.bench.bench_results import BenchResults
from i3d_bench.bench.bench_tables import table_of
from i3d_bench.bench.figure_style import PageSvg
from i3d_bench.bench.figures import FIGURES, figure_svg
from i3d_ethogram.page.self_contained import page_source, page_template, source_hash, trusted

if TYPE_CHECKING:
    from markupsafe import Markup

_PACKAGE = "i3d_bench.bench"


def bench_html(
    results: BenchResults, *, title: str, before: Sequence[str], after: Sequence[str]
) -> str:
    """Return the page.

    Args:
        results: to show.
        title: of the page.
        before: names of the tables that come before the figures.
        after: names of those that come after them.

    Raises:
        MissingExtraError: matplotlib or Jinja is not installed.
    """
    template = page_template(
        _PACKAGE, "bench.html.j2", extra="report", needed_for="Making bench.html"
    )
    drawn = {name: figure_svg(results, name) for name in FIGURES}
    style = "\n".join(
        [page_source(_PACKAGE, "bench.css"), *(one.style for one in drawn.values() if one)]
    )
    script = page_source(_PACKAGE, "bench.js")
    page: str = template.render(
        title=title,
        version=version("i3d-triton"),
        sha256=results.sha256,
        notes=notes_on(results),
        before=[_table(results, name) for name in before],
        figures=[_figure(results, name, svg) for name, svg in drawn.items()],
        after=[_table(results, name) for name in after],
        style=trusted(style),
        script=trusted(script),
        style_hash=source_hash(style),
        script_hash=source_hash(script),
    )
    return page


def _figure(results: BenchResults, name: str, drawn: PageSvg | None) -> dict[str, Any]:
    kind = FIGURES[name]
    return {
        "name": name,
        "title": kind.title,
        "caption": _marked(kind.caption),
        "svg": None if drawn is None else trusted(drawn.svg),
        "tables": [_table(results, table) for table in kind.tables],
    }


def _table(results: BenchResults, name: str) -> dict[str, Any]:
    table = table_of(results, name)
    return {
        "name": name,
        "title": table.title,
        "columns": [{"name": column, "words": table.is_words(column)} for column in table.columns],
        "rows": table.rows,
        "notes": [_marked(note) for note in table.notes],
    }


def _marked(text: str) -> Markup:
    """Show what Markdown marks as code."""
    return trusted(re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)))
