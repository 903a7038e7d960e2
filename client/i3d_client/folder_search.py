"""Finds the videos below a folder, in natural order (``rec2`` before ``rec10``).

Links to folders are followed, each folder is looked into once, and its own place counts before a
link to it: so a loop ends, and a video has the same name however its folder is listed.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from natsort import natsort_keygen, ns

from i3d_client.errors import InputError
from i3d_client.printable import printable

# fmt: off
VIDEO_SUFFIXES = frozenset({
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avi", ".dav", ".dv", ".flv", ".h264", ".h265",
    ".hevc", ".m1v", ".m2ts", ".m2v", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg",
    ".mpg", ".mts", ".mxf", ".ogv", ".qt", ".ts", ".vob", ".webm", ".wmv", ".y4m",
})
# fmt: on
"""Extensions of the videos that FFmpeg reads, in lower case."""

_SYSTEM_FOLDERS = {"lost+found", "$RECYCLE.BIN", "System Volume Information"}
_natural_key = natsort_keygen(alg=ns.PATH | ns.IGNORECASE)


def natural_order(path: str | os.PathLike[str]) -> tuple[Any, str]:
    """Return a key that sorts paths as people do, folder by folder; no two have the same."""
    name = os.fspath(path)
    return _natural_key(name), name


@dataclass(kw_only=True)
class Found:
    """What a folder holds.

    Attributes:
        folder: the one searched.
        videos: paths relative to it, in natural order. A link to nothing is among them: it is
            reported when it is opened.
        hidden: videos and folders that were left out because their names begin with a full stop,
            as those of macOS' resource files do (``._rec.mp4``).
        others: how many files of each extension were left out.
        folders: how many folders were looked into.
    """

    folder: Path
    videos: list[PurePosixPath] = field(default_factory=list)
    hidden: list[PurePosixPath] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    folders: int = 0


def search_folder(folder: Path, *, glob: str | None) -> Found:
    """Find the videos below a folder.

    Args:
        folder: to be searched with all the folders in it.
        glob: chooses the files instead of their extension. With a slash it is for the path
            relative to ``folder``, where ``**`` is any number of folders; else for the name.

    Raises:
        InputError: a folder cannot be read, or ``glob`` leaves the folder.
    """
    pattern = None if glob is None else _pattern_parts(glob)
    found = Found(folder=folder)
    for relative in _walk(found):
        wanted = _is_wanted(relative, pattern)
        if relative.name.startswith("."):
            found.hidden += [relative] if wanted else []
        elif wanted and _may_be_file(folder / relative):
            found.videos.append(relative)
        else:
            found.others[relative.suffix.lower()] += 1
    found.videos.sort(key=natural_order)
    found.hidden.sort(key=natural_order)
    return found


def is_folder(path: Path) -> bool:
    """Return whether a path leads to a folder; False, too, where that cannot be known."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where permission is missing


def _may_be_file(path: Path) -> bool:
    """Return False for pipes and devices; what cannot be looked at fails when it is opened."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True


def _walk(found: Found) -> Iterator[PurePosixPath]:
    """Yield all that is no folder, hidden or not; count folders, note the hidden ones."""
    folders, links = deque([PurePosixPath()]), deque[PurePosixPath]()
    looked_into: set[str] = set()
    while folders or links:
        here = folders.popleft() if folders else links.popleft()
        real = os.path.realpath(found.folder / here)
        if real in looked_into:
            continue
        looked_into.add(real)
        found.folders += 1
        for name in _names(found.folder / here):
            path = found.folder / here / name
            if not is_folder(path):
                yield here / name
            elif name.startswith("."):
                found.hidden.append(here / name)
            elif name not in _SYSTEM_FOLDERS:
                (links if path.is_symlink() else folders).append(here / name)


def _names(folder: Path) -> list[str]:
    try:
        return sorted((path.name for path in folder.iterdir()), key=natural_order)
    except OSError as error:
        raise InputError(
            f"{printable(folder)}: cannot be looked into: {error.strerror}. Give permission, or "
            "name the folders beside it instead of the one above"
        ) from error


def _is_wanted(relative: PurePosixPath, pattern: tuple[str, ...] | None) -> bool:
    if pattern is None:
        return relative.suffix.lower() in VIDEO_SUFFIXES
    parts = relative.parts if len(pattern) > 1 else (relative.name,)
    return _matches(tuple(map(_composed, parts)), pattern)


def _pattern_parts(glob: str) -> tuple[str, ...]:
    pattern = PurePosixPath(_composed(glob))
    if pattern.is_absolute() or ".." in pattern.parts or not pattern.parts:
        raise InputError(
            f"--glob {glob!r}: expected a pattern for paths within the folders that are named, "
            "such as '*_top.mp4' or 'cage*/**/*.avi'"
        )
    return pattern.parts


def _composed(text: str) -> str:
    """Return ``ä`` as one character: disks written by macOS have it as two."""
    return unicodedata.normalize("NFC", text)


def _matches(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (bool(parts) and _matches(parts[1:], pattern))
    if not parts or not fnmatchcase(parts[0], pattern[0]):
        return False
    return _matches(parts[1:], pattern[1:])
