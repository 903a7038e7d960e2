"""A table that people write: CSV with comma, semicolon or tab, in UTF-8 or as spreadsheets save it.

Reading is strict about its shape, since a cell that has slipped by one would give a mouse another
mouse's genotype.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable


def read_table(
    path: Path, *, known: Collection[str]
) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns, and each row's cells with the number of its line.

    Spaces around a cell do not count; blank rows are left out, as are columns and cells at the
    right end that are empty.

    Args:
        path: of the table.
        known: names of columns, in lower case, that may also be written with capitals.

    Raises:
        InputError: it cannot be read, is no table, or a row has another number of cells than the
            header.
    """
    text = _text(path)
    delimiter = max(",;\t", key=text.lstrip().split("\n", 1)[0].count)
    header: list[str] | None = None
    lines = []
    for line, cells in _rows(path, text, delimiter):
        if header is None:
            header = _header(path, cells, known)
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            raise InputError(
                f"{printable(path)}: line {line}: expected {len(header)} cells as in the header, "
                f"got {len(cells)}. A value with {delimiter!r} in it needs quotes"
            )
        lines.append((line, cells))
    if header is None or not lines:
        raise InputError(f"{printable(path)}: expected a header and at least one row under it")
    return header, lines


def _rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{printable(path)}: line {line}: not a table: {error}") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    # What spreadsheets save: UTF-8, UTF-16 with a byte-order mark, or Windows' code page.
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if wide else ["utf-8-sig", "cp1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise InputError(f"{printable(path)}: not text. Save the table as CSV in UTF-8")


def _header(path: Path, cells: list[str], known: Collection[str]) -> list[str]:
    while not cells[-1]:
        cells.pop()
    names = [name.lower() if name.lower() in known else name for name in cells]
    for name in names:
        if not name or names.count(name) > 1:
            what = f"two columns {name!r}" if name else "a column without a name"
            raise InputError(f"{printable(path)}: the header has {what}")
    return names
