"""Tables as CSV (RFC 4180, UTF-8), complete or absent, held in memory some thousand rows at a time.

Cells are quoted where they must be, so any label and any name of a file may stand in one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

from i3d_client.durable import FileRecord, complete_file

_ROWS_AT_ONCE = 4096


def write_csv(
    path: Path,
    *,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    delimiter: str = ",",
    line_end: str = "\n",
) -> FileRecord:
    """Write a table, and return its size and checksum.

    Args:
        path: of the file; its folder is there.
        header: names of the columns.
        rows: as many cells each; what is not a string becomes its ``str``, None an empty cell.
        delimiter: between cells.
        line_end: after each row.

    Raises:
        OutputError: it cannot be written; no half-written file is left.
    """
    rows = iter(rows)
    with complete_file(path) as file:
        part: list[Sequence[object]] = [header]
        while part:
            text = io.StringIO()
            csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(part)
            file.write(text.getvalue())
            part = list(islice(rows, _ROWS_AT_ONCE))
        return file.record()
