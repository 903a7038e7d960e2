"""Figures, tables and pictures in pages come out of the benchmarks' files.

    python -m i3d_bench.pages README.md docs/benchmark.md

What stands between one of these and ``<!-- / -->`` is made anew:

- ``<!-- FILE:KEY -->``: ``KEY`` of ``benchmarks/results/FILE.json``, with two decimals;
- ``<!-- table:FILE:NAME -->``: a table of that file (``i3d_bench.bench.page_parts``);
- ``<!-- picture:FILE:NAME -->``: a picture of that file, which is drawn into the folder
  ``pictures`` beside the page and keeps the file's checksum, so that a stale one is noticed.

``FILE`` of a table or picture may be several, ``bench_cores|bench``: the first that is there is
taken. What has no file that is there says so.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

RESULTS = Path("benchmarks/results")
PICTURES = "pictures"
_FIGURE = re.compile(r"(<!-- (?P<file>\w+):(?P<key>\w+) -->).*?(<!-- / -->)")
_BLOCK = r"(?P<files>\w+(\|\w+)*):(?P<name>\w+) -->).*?(?P<end><!-- / -->)"
_TABLE = re.compile(r"(?P<begin><!-- table:" + _BLOCK, re.DOTALL)
_PICTURE = re.compile(r"(?P<begin><!-- picture:" + _BLOCK, re.DOTALL)
_NOT_YET = "*Not measured yet.*"


def fill_page(page: str, *, results: Path) -> str:
    """Return the page with everything as it stands in the folder ``results``."""
    page = fill_figures(page, results=results)
    page = _TABLE.sub(lambda match: _fill(match, _table, results), page)
    return _PICTURE.sub(lambda match: _fill(match, _link, results), page)


def fill_figures(page: str, *, results: Path) -> str:
    """Return the page with every figure as it stands in the folder ``results``."""

    def figure(match: re.Match[str]) -> str:
        path = results / f"{match['file']}.json"
        if not path.is_file():
            return f"{match[1]}{_NOT_YET}{match[4]}"
        return f"{match[1]}{json.loads(path.read_text())[match['key']]:.2f}{match[4]}"

    return _FIGURE.sub(figure, page)


def draw_pictures(page: str, *, results: Path) -> dict[str, bytes]:
    """Draw a page's pictures, by the name of their file.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ResultError: there is nothing to draw in a file.
    """
    from i3d_bench.bench.page_parts import part_picture

    return {
        _picture_file(path, name): part_picture(path, name)
        for path, name in _pictures(page, results)
    }


def picture_sources(page: str, *, results: Path) -> dict[str, str]:
    """Return what a page's pictures must have been drawn from, by the name of their file."""
    from i3d_bench.bench.page_parts import part_source

    return {_picture_file(path, name): part_source(path) for path, name in _pictures(page, results)}


def _fill(match: re.Match[str], content: Callable[[Path, str], str], results: Path) -> str:
    path = _path(match, results)
    filled = _NOT_YET if path is None else content(path, match["name"])
    return f"{match['begin']}\n{filled}\n{match['end']}"


def _path(match: re.Match[str], results: Path) -> Path | None:
    """Return the first of the block's files that is there."""
    paths = [results / f"{name}.json" for name in match["files"].split("|")]
    return next((path for path in paths if path.is_file()), None)


def _pictures(page: str, results: Path) -> Iterator[tuple[Path, str]]:
    """Yield of each picture that can be drawn its file and name."""
    for match in _PICTURE.finditer(page):
        if (path := _path(match, results)) is not None:
            yield path, match["name"]


def _table(path: Path, name: str) -> str:
    from i3d_bench.bench.page_parts import part_table

    return part_table(path, name).markdown()


def _link(path: Path, name: str) -> str:
    from i3d_bench.bench.page_parts import part_title

    return f"![{part_title(name)}]({PICTURES}/{_picture_file(path, name)})"


def _picture_file(path: Path, name: str) -> str:
    return f"{path.stem}_{name}.png"


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
