"""Text of tables as labs have it: any encoding, delimiter and decimal sign.

A table is found by its header: the first line, read with each delimiter in turn, that has the
columns one of the known formats needs. So what stands above it (BORIS writes a preamble) does not
matter, and a comma within a quoted name does not either.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable

_DELIMITERS = "\t;,"
_HEADER_WITHIN_ROWS = 500
_FIELD_BYTES = 1 << 20
_BYTES_AT_ONCE = 1 << 20
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Header = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table.

    Attributes:
        file: that it is in.
        line: its number there, from 1.
        cells: by column, in lower case; of two columns with one name the first.
        texts: the cells in their order.
    """

    file: Path
    line: int
    cells: dict[str, str]
    texts: tuple[str, ...]

    def text(self, column: str) -> str:
        """Return a cell without the spaces around it; empty if there is no such column."""
        return self.cells.get(column, "").strip()

    def time_us(self, column: str) -> int | None:
        """Return seconds, or hours:minutes:seconds, as µs; None for an empty cell or ``NA``.

        Raises:
            InputError: the cell holds something else.
        """
        text = self.text(column)
        return None if text in ("", "NA", "nan") else microseconds(text, self.error)

    def error(self, problem: str) -> InputError:
        """Return an error that says where it is."""
        return InputError(f"{printable(self.file)}, line {self.line}: {problem}")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table and what stands above it.

    Attributes:
        header: the columns' names as they are written.
        rows: those that are not empty, read once, as they are asked for: a table with a row a frame
            has millions. Raises ``InputError`` at one that has more cells than the header.
        preamble: the rows above the header.
    """

    header: Header
    rows: Iterator[Row]
    preamble: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Text:
    """A file's bytes and the encoding that they are in.

    It is decoded as it is read: a table with a row a frame of a day has hundreds of megabytes.

    Attributes:
        file: where it was read.
        content: of the file.
        encoding: that Python knows.
        note: what the encoding is, if it had to be guessed.
    """

    file: Path
    content: bytes
    encoding: str
    note: str | None = None

    def open(self) -> io.TextIOWrapper:
        """Return it as a stream of characters; those that are not of the encoding are replaced."""
        stream = io.BytesIO(self.content)
        return io.TextIOWrapper(stream, self.encoding, errors="replace", newline="")


def text_of(content: bytes, file: Path) -> Text:
    """Return a file's text.

    What is not UTF-8 and bears no mark is taken as Windows-1252, in which spreadsheets save CSV.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return Text(file=file, content=content, encoding=encoding)
    check = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _BYTES_AT_ONCE):
            check.decode(content[start : start + _BYTES_AT_ONCE])
        check.decode(b"", final=True)
    except UnicodeDecodeError:
        return Text(file=file, content=content, encoding="cp1252", note="Windows-1252")
    return Text(file=file, content=content, encoding="utf-8")


def find_table(text: Text, *, is_header: Callable[[Header], bool]) -> Table | None:
    """Return the first table whose header, in lower case, ``is_header`` accepts; None without one.

    Raises:
        InputError: the file is no text.
    """
    for delimiter in _DELIMITERS:
        rows = _numbered_rows(text, delimiter)
        before: list[tuple[str, ...]] = []
        for _, cells in rows:
            if is_header(_lower(cells)):
                return Table(
                    header=tuple(cells),
                    rows=_below(text.file, _lower(cells), rows),
                    preamble=tuple(before),
                )
            before.append(tuple(cells))
            if len(before) == _HEADER_WITHIN_ROWS:
                break
    return None


def _below(file: Path, columns: Header, rows: Iterator[tuple[int, list[str]]]) -> Iterator[Row]:
    for line, cells in rows:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(columns) :]):
            raise InputError(
                f"{printable(file)}, line {line}: expected the {len(columns)} cells of the header, "
                f"got {len(cells)}. Quote cells that hold the delimiter"
            )
        by_column: dict[str, str] = {}
        for column, cell in zip(columns, cells, strict=False):
            by_column.setdefault(column, cell)
        yield Row(file=file, line=line, cells=by_column, texts=tuple(cells))


def _lower(cells: Sequence[str]) -> Header:
    return tuple(cell.strip().lower() for cell in cells)


def _numbered_rows(text: Text, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_FIELD_BYTES)
    reader = csv.reader(text.open(), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise InputError(
            f"{printable(text.file)}, line {reader.line_num}: not a table of text: {error}"
        ) from error


def microseconds(text: str, error: Callable[[str], InputError]) -> int:
    """Return seconds, or hours:minutes:seconds, as µs, rounded once.

    A comma counts as a decimal point.

    Raises:
        InputError: made by ``error``: it is no such time.
    """
    sign = -1 if text.startswith("-") else 1
    total = Decimal(0)
    try:
        for part in text.removeprefix("-").replace(",", ".").split(":"):
            total = total * 60 + Decimal(part)
    except InvalidOperation:
        total = Decimal("NaN")
    if not total.is_finite() or total.copy_abs() > 10**9:
        raise error(f"expected a time in seconds, got {text!r}")
    return sign * int((total * 1_000_000).to_integral_value())
