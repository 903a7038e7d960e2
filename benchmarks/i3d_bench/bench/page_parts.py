"""Tables and pictures by the name that a page gives: of a ``bench.json``, or of the shape's."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from i3d_bench.bench.bench_results import read_results
from i3d_bench.bench.bench_table import Table
from i3d_bench.bench.bench_tables import table_of
from i3d_bench.bench.figure_style import drawing, png_bytes
from i3d_bench.bench.figures import FIGURES, figure_png, source_of
from i3d_bench.bench.shape_view import SHAPE_TITLE, draw_shape, shape_table
from i3d_bench.own_tables import is_own_table, own_table
from i3d_client.errors import ResultError

SHAPE = "shape"


def part_table(path: Path, name: str) -> Table:
    """Return a table of a file.

    Raises:
        ResultError: the file is not as expected.
        KeyError: there is no such table.
    """
    if name == SHAPE:
        return shape_table(json.loads(path.read_text()))
    if is_own_table(name):
        return own_table(json.loads(path.read_text()), name)
    return table_of(read_results(path), name)


def part_title(name: str) -> str:
    """Return a picture's title."""
    return SHAPE_TITLE if name == SHAPE else FIGURES[name].title


def part_picture(path: Path, name: str) -> bytes:
    """Draw a picture of a file, as PNG.

    Raises:
        ResultError: the file has nothing to draw, or is not as expected.
        MissingExtraError: matplotlib is not installed.
    """
    if name == SHAPE:
        with drawing():
            figure = draw_shape(json.loads(path.read_text()))
            return png_bytes(figure, source=part_source(path), description=SHAPE_TITLE)
    picture = figure_png(read_results(path), name)
    if picture is None:
        raise ResultError(f"{path}: nothing was measured that {name} shows")
    return picture


def part_source(path: Path) -> str:
    """Return what a picture that was drawn from a file says it was drawn from."""
    return source_of(hashlib.sha256(path.read_bytes()).hexdigest())
