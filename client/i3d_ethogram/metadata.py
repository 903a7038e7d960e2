"""What a lab knows of its recordings: the table that ``--metadata`` names.

One row a recording, or a pattern for several, or an animal; whatever other columns there are
(genotype, sex, age, day, …) go into the experiment's tables as they stand.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.metadata_table import read_table

RECORDING = "recording"
ANIMAL = "animal"
_NO_VALUES: Mapping[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class RecordingMetadata:
    """What is known of each recording.

    Attributes:
        columns: of the table but ``recording``, in its order.
        rows: by recording, the value of each column; empty text where the table's cell is.
        unmatched: recordings that no row of the table is for.
        unused: what to say of each row that is for no recording: perhaps one still to come.
    """

    columns: tuple[str, ...] = ()
    rows: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()

    def of(self, recording: str) -> dict[str, str]:
        """Return a recording's value of each column; empty texts if no row is for it."""
        values = self.rows.get(recording, _NO_VALUES)
        return {column: values.get(column, "") for column in self.columns}

    def animal(self, recording: str) -> str | None:
        """Return the animal of a recording; None if the table does not say."""
        return self.rows.get(recording, _NO_VALUES).get(ANIMAL) or None


NO_METADATA = RecordingMetadata()


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """The table.

    Attributes:
        path: where it was read.
        columns: their names, in its order.
        lines: the number of each row's line, and its value of each column.
    """

    path: Path
    columns: tuple[str, ...]
    lines: tuple[tuple[int, Mapping[str, str]], ...]

    def match(self, recordings: Sequence[str]) -> RecordingMetadata:
        """Find the row of each recording.

        A row is for

        - the recording whose name its ``recording`` is; if there is none, those whose path, or a
          folder of it, fits it as a pattern, with ``*`` and ``?`` within a name: ``m1`` is all
          recordings in folders ``m1``, ``day?/*.avi`` the AVI files in ``day1``, ``day2``, …;
        - without a ``recording``, those in whose path the ``animal`` stands as a whole word: ``m1``
          is in ``m1/day2.mp4`` and in ``cage3_m1.mp4``, but not in ``m12.mp4``.

        Args:
            recordings: names of all of them.

        Raises:
            InputError: two rows are for one recording.
        """
        names = _Names(recordings)
        rows: dict[str, Mapping[str, str]] = {}
        line_of: dict[str, int] = {}
        unused = []
        for line, values in self.lines:
            found, why_none = _recordings_of(values, names)
            if not found:
                unused.append(f"{_at(self.path, line)}: {why_none}")
            for recording in found:
                if recording in rows:
                    raise InputError(
                        f"{printable(self.path)}: lines {line_of[recording]} and {line} are both "
                        f"for the recording {printable(recording)}: expected one row a recording"
                    )
                rows[recording], line_of[recording] = values, line
        return RecordingMetadata(
            columns=tuple(name for name in self.columns if name != RECORDING),
            rows=rows,
            unmatched=tuple(recording for recording in recordings if recording not in rows),
            unused=tuple(unused),
        )


def read_metadata(path: Path) -> Metadata:
    """Read a table of recordings or animals: CSV, with a column ``recording`` or ``animal``.

    Raises:
        InputError: it cannot be read, has neither column, or a row says neither. Line numbers are
            in the message.
    """
    known = {RECORDING, ANIMAL}
    columns, lines = read_table(path, known=known)
    if not known.intersection(columns):
        raise InputError(
            f"{printable(path)}: expected a column {RECORDING!r} or {ANIMAL!r}, got {columns}. "
            "Recordings are named as their folders in the results are"
        )
    rows = [(line, dict(zip(columns, cells, strict=True))) for line, cells in lines]
    for line, values in rows:
        if not values.get(RECORDING) and not values.get(ANIMAL):
            raise InputError(f"{_at(path, line)}: names neither a {RECORDING} nor an {ANIMAL}")
    return Metadata(path=path, columns=tuple(columns), lines=tuple(rows))


def _at(path: Path, line: int) -> str:
    return f"{printable(path)}: line {line}"


class _Names:
    """The recordings' names, by what a row may say of them."""

    def __init__(self, recordings: Sequence[str]) -> None:
        self.shown = [printable(name) for name in recordings]
        self.all = [(name, _composed(name)) for name in recordings]
        self.exactly: dict[str, list[str]] = {}
        for name, shown in zip(recordings, self.shown, strict=True):
            for called in {name, shown, _composed(name)}:
                self.exactly.setdefault(called, []).append(name)


def _recordings_of(values: Mapping[str, str], names: _Names) -> tuple[list[str], str]:
    """Return the recordings that a row is for; and if there are none, why."""
    wanted, animal = values.get(RECORDING), values.get(ANIMAL, "")
    if wanted:
        found = names.exactly.get(wanted) or names.exactly.get(_composed(wanted))
        pattern = _composed(wanted).strip("/").split("/")
        found = found or [name for name, path in names.all if _fits(path.split("/"), pattern)]
        what = f"no recording is, or fits, {wanted!r}"
    else:
        word = re.compile(rf"(?<![^\W_]){re.escape(_composed(animal))}(?![^\W_])")
        found = [name for name, path in names.all if word.search(path)]
        what = f"no recording has {animal!r} as a word in its path. Add a column {RECORDING!r}"
    if found:
        return found, ""
    close = difflib.get_close_matches(wanted or animal, names.shown, n=1, cutoff=0.4)
    example = (close or names.shown or [""])[0]
    return [], f"{what}. A recording is called {example!r}"


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Return whether some consecutive parts of a path fit the parts of a pattern."""
    starts = range(len(parts) - len(pattern) + 1)
    return any(all(map(fnmatchcase, parts[start:], pattern)) for start in starts)


def _composed(text: str) -> str:
    """Return ``ä`` as one character: disks written by macOS have it as two."""
    return unicodedata.normalize("NFC", text)
