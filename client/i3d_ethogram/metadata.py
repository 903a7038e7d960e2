"""What a lab knows of its recordings: the table that ``--metadata`` names.

One row a recording, or a pattern for several, or an animal; whatever other columns there are
(genotype, sex, age, day, …) go into the tables as they stand.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from i3d_client.errors import I3dError
from i3d_client.printable import printable

RECORDING = "recording"
ANIMAL = "animal"
_RESERVED = {RECORDING, "hour", "clock", "label", "from", "to"}
_NO_VALUES: Mapping[str, str] = {}


class MetadataError(I3dError):
    """The table of the recordings cannot be read, or does not fit the recordings."""


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What is known of each recording.

    Attributes:
        columns: names of the table's columns but ``recording``, in its order.
        rows: by recording, the value of each column; empty text where the table's cell is.
        unmatched: recordings that no row of the table is for.
    """

    columns: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()

    def of(self, recording: str) -> dict[str, str]:
        """Return a recording's value of each column; empty texts if no row is for it."""
        values = self.rows.get(recording, _NO_VALUES)
        return {column: values.get(column, "") for column in self.columns}

    def animal(self, recording: str) -> str | None:
        """Return the animal of a recording; None if the table does not say."""
        return self.rows.get(recording, _NO_VALUES).get(ANIMAL) or None


NO_METADATA = Metadata()


def read_metadata(path: Path, *, recordings: Sequence[str]) -> Metadata:
    """Read a table of recordings or animals: CSV with comma, semicolon or tab; UTF-8 or from Excel.

    A row is for

    - the recording whose name its ``recording`` is; or else those whose path, or a folder of it,
      fits it as a pattern: ``*`` and ``?`` within a name, compared from the right;
    - without a ``recording``, those in whose path the ``animal`` stands as a whole word: ``m1`` is
      in ``m1/day2.mp4`` and in ``cage3_m1.mp4``, but not in ``m12.mp4``.

    Args:
        path: of the table.
        recordings: names of all recordings.

    Raises:
        MetadataError: it cannot be read; it has neither column; a row is for no recording; two rows
            are for one. Line numbers are in the message.
    """
    header, lines = _table(path)
    where = {RECORDING: None, ANIMAL: None} | {name: at for at, name in enumerate(header)}
    if where[RECORDING] is None and where[ANIMAL] is None:
        raise MetadataError(
            f"{_shown(path)}: expected a column {RECORDING!r} or {ANIMAL!r}, got {header}. Name "
            "the recordings as their folders in the results are named"
        )
    columns = tuple(name for name in header if name != RECORDING)
    rows: dict[str, dict[str, str]] = {}
    line_of: dict[str, int] = {}
    for line, cells in lines:
        values = dict(zip(header, cells, strict=True))
        for recording in _recordings_of(values, recordings, at=f"{_shown(path)}: line {line}"):
            if recording in rows:
                raise MetadataError(
                    f"{_shown(path)}: lines {line_of[recording]} and {line} are both for the "
                    f"recording {printable(recording)}: expected one row a recording"
                )
            rows[recording] = {column: values[column] for column in columns}
            line_of[recording] = line
    unmatched = tuple(recording for recording in recordings if recording not in rows)
    return Metadata(columns=columns, rows=rows, unmatched=unmatched)


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the header, and each row with its line's number; blank rows are left out."""
    text = _text(path)
    delimiter = _delimiter(text.split("\n", 1)[0])
    rows = _rows(path, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    header: list[str] | None = None
    lines = []
    for line, cells in rows:
        if header is None:
            header = _header(path, cells)
            continue
        while len(cells) > len(header) and not cells[-1]:
            cells.pop()
        if len(cells) != len(header):
            raise MetadataError(
                f"{_shown(path)}: line {line}: expected {len(header)} cells as in the header, got "
                f"{len(cells)}. A value with {delimiter!r} in it needs quotes"
            )
        lines.append((line, cells))
    if header is None or not lines:
        raise MetadataError(f"{_shown(path)}: expected a header and rows, found none")
    return header, lines


def _rows(path: Path, reader: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1  # type: ignore[attr-defined]
    except csv.Error as error:
        raise MetadataError(f"{_shown(path)}: line {line}: not a table: {error}") from error


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MetadataError(f"{_shown(path)}: cannot be read: {error.strerror}") from error
    # What spreadsheets save: UTF-8, UTF-16 with a byte-order mark, or Windows' code page.
    wide = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ["utf-16"] if wide else ["utf-8-sig", "cp1252"]:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise MetadataError(f"{_shown(path)}: not text in UTF-8. Save the table as CSV in UTF-8")


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _header(path: Path, cells: list[str]) -> list[str]:
    while cells and not cells[-1]:
        cells.pop()
    special = {RECORDING, ANIMAL}
    header = [name.lower() if name.lower() in special else name for name in cells]
    for name in header:
        problem = None
        if not name:
            problem = "a column without a name"
        elif header.count(name) > 1:
            problem = f"two columns {name!r}"
        elif name in _RESERVED - {RECORDING}:
            problem = f"a column {name!r}, as the results have: rename it"
        if problem:
            raise MetadataError(f"{_shown(path)}: the header has {problem}")
    return header


def _recordings_of(values: Mapping[str, str], recordings: Sequence[str], *, at: str) -> list[str]:
    wanted, animal = values.get(RECORDING), values.get(ANIMAL)
    if wanted:
        exact = [name for name in recordings if wanted in (name, printable(name))]
        found = exact or [name for name in recordings if _fits(name, wanted)]
        what = f"no recording is, or fits, {wanted!r}"
    elif animal:
        found = [name for name in recordings if _is_word_in(animal, name)]
        what = f"no recording has {animal!r} as a word in its path: name it in {RECORDING!r}"
    else:
        raise MetadataError(f"{at}: says neither {RECORDING!r} nor {ANIMAL!r}")
    if not found:
        shown = [printable(name) for name in recordings]
        close = difflib.get_close_matches(wanted or animal or "", shown, n=1, cutoff=0.4)
        example = (close or shown or ["none"])[0]
        raise MetadataError(f"{at}: {what}. Recordings have names like {example!r}")
    return found


def _fits(recording: str, pattern: str) -> bool:
    path = PurePosixPath(_composed(recording))
    pattern = _composed(pattern).rstrip("/")
    folders = [folder for folder in path.parents if folder.parts]
    return bool(pattern) and any(part.match(pattern) for part in (path, *folders))


def _is_word_in(animal: str, recording: str) -> bool:
    word = re.escape(_composed(animal))
    return bool(re.search(rf"(?<![^\W_]){word}(?![^\W_])", _composed(recording)))


def _composed(text: str) -> str:
    """Return ``ä`` as one character: disks written by macOS have it as two."""
    return unicodedata.normalize("NFC", text)


def _shown(path: Path) -> str:
    return printable(path)
