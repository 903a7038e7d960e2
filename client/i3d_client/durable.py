"""Files that are complete or absent, also after a kill or a power cut, and on NFS.

A file is written aside, put on the disk (fsync) and renamed; then its folder is put on the disk.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EINVAL, ENOTSUP
from pathlib import Path
from typing import TypedDict

from i3d_client.errors import OutputError


class FileRecord(TypedDict):
    """What ``run.json`` says of another file: its size, and its SHA-256 in hexadecimal."""

    bytes: int
    sha256: str


class CompleteFile:
    """A file beside the name that it takes once it is complete. One process writes to a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._aside = path.with_name(f".{path.name}.part")
        self._sha256 = hashlib.sha256()
        self._bytes = 0
        with write_errors(path):
            self._file = self._aside.open("wb")

    def write(self, content: str | bytes) -> None:
        """Write text as UTF-8, or bytes as they are."""
        # A lone surrogate stands for a byte of a file's name that is not UTF-8; the escape is what
        # JSON writes for it.
        data = content if isinstance(content, bytes) else content.encode(errors="backslashreplace")
        with write_errors(self._path):
            self._file.write(data)
        self._sha256.update(data)
        self._bytes += len(data)

    def complete(self) -> None:
        """Put it on the disk and give it its name."""
        with write_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._aside.replace(self._path)
            sync_folder(self._path.parent)

    def discard(self) -> None:
        """Leave nothing beside the name. What could not be written has been reported by now."""
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._aside.unlink(missing_ok=True)

    def record(self) -> FileRecord:
        """Return what has been written."""
        return FileRecord(bytes=self._bytes, sha256=self._sha256.hexdigest())


@contextmanager
def complete_file(path: Path) -> Iterator[CompleteFile]:
    """Open a file beside ``path`` that takes its name once it is complete and on the disk.

    Raises:
        OutputError: it cannot be written; nothing is left of it.
    """
    file = CompleteFile(path)
    try:
        yield file
        file.complete()
    finally:
        file.discard()


@contextmanager
def complete_path(path: Path) -> Iterator[Path]:
    """Give a library that writes to a path one beside ``path``, which takes its name afterwards.

    It has the same suffix, since some libraries go by it.

    Raises:
        OutputError: it cannot be written; nothing is left of it.
    """
    aside = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        with write_errors(path):
            yield aside
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Put the names in a folder on the disk, where the file system can be asked to.

    Raises:
        OSError: it failed.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (EINVAL, ENOTSUP):
            raise
    finally:
        os.close(descriptor)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of writing ``path``, or below it, into an ``OutputError``."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{error.filename or path}: cannot be written: {error.strerror}. Choose another "
            "folder with --out, or make room or give permission there"
        ) from error
