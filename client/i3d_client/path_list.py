"""Text files that list videos and folders, one a line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable

LIST_SUFFIX = ".txt"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line that names a path.

    Attributes:
        file: the list.
        number: from 1.
        path: relative to the list's folder, or absolute, as written.
    """

    file: Path
    number: int
    path: str

    @property
    def target(self) -> Path:
        """Where the path leads."""
        return self.file.parent / self.path

    def __str__(self) -> str:
        return f"{printable(self.file)}, line {self.number}: {printable(self.path)}"


def read_list(file: Path) -> list[Line]:
    """Read a list of paths: UTF-8, blank lines and ``#`` comments allowed, quotes tolerated.

    A path that exists as it is written is taken so, whatever it begins or ends with.

    Raises:
        InputError: the file cannot be read, is no text, or names nothing.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise InputError(f"{printable(file)}: cannot be read: {error.strerror}") from error
    if b"\0" in data:
        raise InputError(
            f"{printable(file)}: expected a list of paths, one a line, in UTF-8; this is UTF-16 "
            "or no text. Save it as UTF-8"
        )
    # Names on a disk may hold bytes that are not UTF-8, and so may lists that `find` writes.
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    lines = [
        Line(file=file, number=number, path=path)
        for number, line in enumerate(text.split("\n"), start=1)
        if (path := _path_in(line.removesuffix("\r"), file.parent))
    ]
    if not lines:
        raise InputError(f"{printable(file)}: names no video; expected one path a line")
    return lines


def _path_in(line: str, folder: Path) -> str:
    """Return the path that a line names, empty if it names none."""
    if not line.strip():
        return ""
    readings = list(_readings(line))
    for reading in readings:
        if os.path.lexists(folder / reading):
            return reading
    return "" if line.lstrip().startswith("#") else readings[-1]


def _readings(line: str) -> Iterator[str]:
    yield line
    stripped = line.strip()
    yield stripped
    if len(stripped) > 2 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
        yield stripped[1:-1]
