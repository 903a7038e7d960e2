"""Reads what people annotated, whatever program they did it with.

A file is known by what is in it, not by its name: a table by its header (``annotation_text``), a
BORIS project by being JSON.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_boris import (
    Chosen,
    is_aggregated,
    is_tabular,
    read_aggregated,
    read_tabular,
)
from i3d_ethogram.annotations.annotation_project import read_project
from i3d_ethogram.annotations.annotation_tables import (
    is_columns,
    is_frames,
    is_intervals,
    read_columns,
    read_frames,
    read_intervals,
)
from i3d_ethogram.annotations.annotation_text import Header, Table, Text, find_table, text_of

EVERYTHING = Chosen()
_START = 256
_GZIP = b"\x1f\x8b"
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_KNOWN = (
    "BORIS aggregated events (Behavior, Start (s), Stop (s)), BORIS tabular events (Time, "
    "Behavior, Status), a BORIS project, intervals (start_s, stop_s, label), a label a frame "
    "(frame, label), or DeepEthogram labels (a column a behaviour)"
)


def read_annotations(file: Path, *, chosen: Chosen = EVERYTHING) -> list[Annotation]:
    """Return what a file says: an annotation for each observation, or each video, in it.

    Args:
        file: of any known kind.
        chosen: of a file of BORIS: the others have neither observations nor subjects.

    Raises:
        InputError: it cannot be read, is of no known kind, or is not what its kind should be.
    """
    text = text_of(_content(file), file)
    if text.open().read(_START).lstrip().startswith("{"):
        annotations = read_project(text.open().read(), file, chosen=chosen)
    else:
        annotations = _read_table(text, file, chosen)
    if not annotations:
        raise InputError(f"{printable(file)}: expected annotations, found none{_of(chosen)}")
    return [replace(annotation, read_as=text.note) for annotation in annotations]


def _of(chosen: Chosen) -> str:
    parts = (("observation", chosen.observation), ("subject", chosen.subject))
    named = [f"{what} {printable(name)!r}" for what, name in parts if name is not None]
    return f" of {' and '.join(named)}" if named else ""


def _content(file: Path) -> bytes:
    try:
        content = file.read_bytes()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise InputError(f"{printable(file)}: cannot be read: {reason}") from error
    if not content.strip():
        raise InputError(f"{printable(file)}: is empty. Expected {_KNOWN}")
    if content.startswith(_SPREADSHEETS):
        raise InputError(
            f"{printable(file)}: is a spreadsheet. Save it as CSV, or export TSV from BORIS"
        )
    return content


def _read_table(text: Text, file: Path, chosen: Chosen) -> list[Annotation]:
    kinds: tuple[tuple[Callable[[Header], bool], Callable[[Table], list[Annotation]]], ...] = (
        (is_aggregated, lambda table: read_aggregated(table, file, chosen=chosen)),
        (is_tabular, lambda table: read_tabular(table, file, chosen=chosen)),
        (is_intervals, lambda table: read_intervals(table, file)),
        (is_frames, lambda table: read_frames(table, file)),
        (is_columns, lambda table: read_columns(table, file)),
    )
    for is_header, read in kinds:
        if (table := find_table(text, is_header=is_header)) is not None:
            return read(table)
    raise InputError(f"{printable(file)}: of no known kind. Expected {_KNOWN}")
