"""``bench.html``: one file that needs nothing else, and fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html import escape
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from i3d_bench.bench.bench_notes import notes_on
from i3d_bench.bench.bench_results import BenchResults
from i3d_bench.bench.bench_tables import table_of
from i3d_bench.bench.figure_style import PageSvg
from i3d_bench.bench.figures import FIGURES, figure_svg
from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from markupsafe import Markup

_PACKAGE, _TEMPLATES = "i3d_bench.bench", "templates"


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
    template = _template()
    drawn = {name: figure_svg(results, name) for name in FIGURES}
    style = "\n".join([_source("bench.css"), *(one.style for one in drawn.values() if one)])
    script = _source("bench.js")
    page: str = template.render(
        title=title,
        version=version("i3d-triton"),
        sha256=results.sha256,
        notes=notes_on(results),
        before=[_table(results, name) for name in before],
        figures=[_figure(results, name, svg) for name, svg in drawn.items()],
        after=[_table(results, name) for name in after],
        style=_whole(style),
        script=_whole(script),
        style_hash=_hash(style),
        script_hash=_hash(script),
    )
    return page


def _template() -> Any:
    try:
        import jinja2
    except ImportError as error:
        raise MissingExtraError("report", needed_for="Making bench.html") from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(_PACKAGE, _TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("bench.html.j2")


def _figure(results: BenchResults, name: str, drawn: PageSvg | None) -> dict[str, Any]:
    kind = FIGURES[name]
    return {
        "name": name,
        "title": kind.title,
        "caption": _marked(kind.caption),
        "svg": None if drawn is None else _whole(drawn.svg),
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


def _source(name: str) -> str:
    return resources.files(_PACKAGE).joinpath(_TEMPLATES, name).read_text()


def _hash(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


def _marked(text: str) -> Markup:
    """Show what Markdown marks as code."""
    return _whole(re.sub(r"`([^`]*)`", r"<code>\1</code>", escape(text)))


def _whole(source: str) -> Markup:
    from markupsafe import Markup

    return Markup(source)  # noqa: S704 - our own files, or escaped by _marked or matplotlib
