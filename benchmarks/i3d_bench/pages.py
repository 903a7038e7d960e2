"""Figures, tables and pictures in pages come out of the benchmarks' files.

    python -m i3d_bench.pages README.md docs/benchmark.md

What stands between one of these and ``<!-- / -->`` is made anew:

- ``<!-- FILE:KEY -->``: ``KEY`` of ``benchmarks/results/FILE.json``, with two decimals;
- ``<!-- table:FILE:NAME -->``: a table of that file (``i3d_bench.bench.page_parts``);
- ``<!-- picture:FILE:NAME -->``: a picture of that file, which is drawn into the folder
  ``pictures`` beside the page and keeps the file's checksum, so that a stale one is noticed.

A table or picture whose file is not there says so.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

RESULTS = Path("benchmarks/results")
PICTURES = "pictures"
_FIGURE = re.compile(r"(<!-- (?P<file>\w+):(?P<key>\w+) -->).*?(<!-- / -->)")
_TABLE = re.compile(r"(<!-- table:(?P<file>\w+):(?P<name>\w+) -->).*?(<!-- / -->)", re.DOTALL)
_PICTURE = re.compile(r"(<!-- picture:(?P<file>\w+):(?P<name>\w+) -->).*?(<!-- / -->)", re.DOTALL)
_NOT_YET = "*Not measured yet.*"


def fill_page(page: str, *, results: Path) -> str:
    """Return the page with everything as it stands in the folder ``results``."""
    page = fill_figures(page, results=results)
    page = _TABLE.sub(lambda match: _fill(match, _table, results), page)
    return _PICTURE.sub(lambda match: _fill(match, _link, results), page)


def fill_figures(page: str, *, results: Path) -> str:
    """Return the page with every figure as it stands in the folder ``results``."""

    def figure(match: re.Match[str]) -> str:
        document = json.loads((results / f"{match['file']}.json").read_text())
        return f"{match[1]}{document[match['key']]:.2f}{match[4]}"

    return _FIGURE.sub(figure, page)


def draw_pictures(page: str, *, results: Path) -> dict[str, bytes]:
    """Draw a page's pictures, by the name of their file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ResultError: there is nothing to draw in a file.
    """
    from i3d_bench.bench.page_parts import part_picture

    return {
        _picture_file(match): part_picture(_path(match, results), match["name"])
        for match in _PICTURE.finditer(page)
        if _path(match, results).is_file()
    }


def picture_sources(page: str, *, results: Path) -> dict[str, str]:
    """Return what a page's pictures must have been drawn from, by the name of their file."""
    from i3d_bench.bench.page_parts import part_source

    return {
        _picture_file(match): part_source(_path(match, results))
        for match in _PICTURE.finditer(page)
        if _path(match, results).is_file()
    }


def _fill(match: re.Match[str], content: Callable[[Path, str], str], results: Path) -> str:
    path = _path(match, results)
    filled = content(path, match["name"]) if path.is_file() else _NOT_YET
    return f"{match[1]}\n{filled}\n{match[4]}"


def _path(match: re.Match[str], results: Path) -> Path:
    return results / f"{match['file']}.json"


def _table(path: Path, name: str) -> str:
    from i3d_bench.bench.page_parts import part_table

    return part_table(path, name).markdown()


def _link(path: Path, name: str) -> str:
    from i3d_bench.bench.page_parts import part_title

    return f"![{part_title(name)}]({PICTURES}/{path.stem}_{name}.png)"


def _picture_file(match: re.Match[str]) -> str:
    return f"{match['file']}_{match['name']}.png"


def main(pages: list[str]) -> None:
    """Make the pages anew, and their pictures."""
    for name in pages:
        path = Path(name)
        page = fill_page(path.read_text(), results=RESULTS)
        path.write_text(page)
        for file, picture in draw_pictures(page, results=RESULTS).items():
            folder = path.parent / PICTURES
            folder.mkdir(exist_ok=True)
            (folder / file).write_bytes(picture)


if __name__ == "__main__":
    main(sys.argv[1:])
