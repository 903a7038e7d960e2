"""Files of the labs' folder: complete or absent, private ones never readable by others.

``i3d_client.durable`` writes results, whose permissions are the user's umask. Here a file has its
permissions from its creation, and belongs to whoever owns the folder it lies in: ``i3d labs`` may
run as root in a container, and its files must stay readable to the gateway, which does not.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from i3d_client.durable import sync_folder
from i3d_client.errors import I3dError
from i3d_client.printable import printable

PRIVATE = 0o600
PUBLIC = 0o644
_LOCK_FILE = ".lock"


class LabsError(I3dError):
    """The labs' folder cannot be used, or what was asked of it cannot be done."""


def make_folder(folder: Path, *, mode: int) -> None:
    """Make a folder with these permissions, if there is none.

    Raises:
        LabsError: it cannot be made.
    """
    with _errors(folder):
        if folder.is_dir():
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=mode, exist_ok=True)
        folder.chmod(mode)  # whatever the umask is
        _give_to_owner_of(folder.parent, folder)


def write_file(path: Path, content: bytes, *, mode: int, as_before: bool = False) -> None:
    """Write a file aside with these permissions, put it on the disk, and give it its name.

    Args:
        path: of the file.
        content: all of it.
        mode: permissions.
        as_before: whom the file's group lets read what is there now, reads what comes too.

    Raises:
        LabsError: it cannot be written; what was there before still is.
    """
    aside = path.with_name(f".{path.name}.part")
    with _errors(path):
        aside.unlink(missing_ok=True)  # of a run that was killed, with permissions of its own
        descriptor = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, PRIVATE)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                _give_to_owner_of(path.parent, descriptor)
                if as_before and path.exists():
                    _let_group_read(descriptor, path.stat())
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            aside.replace(path)
            sync_folder(path.parent)
        finally:
            aside.unlink(missing_ok=True)


def read_file(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        LabsError: it is missing or cannot be read.
    """
    with _errors(path, doing="read"):
        return path.read_bytes()


def is_there(path: Path) -> bool:
    """Whether there is such a file.

    Raises:
        LabsError: its folder is another user's.
    """
    with _errors(path, doing="read"):
        return path.exists()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process alone; wait while another one has it.

    Raises:
        LabsError: it cannot be locked.
    """
    with _errors(folder):
        file = os.open(folder / _LOCK_FILE, os.O_CREAT | os.O_RDWR, PRIVATE)
        _give_to_owner_of(folder, file)
    try:
        with _errors(folder):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _give_to_owner_of(folder: Path, file: Path | int) -> None:
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def _let_group_read(file: int, before: os.stat_result) -> None:
    if before.st_mode & stat.S_IRGRP:
        with contextlib.suppress(PermissionError):  # it is not a group of this user's
            os.fchown(file, -1, before.st_gid)
            os.fchmod(file, stat.S_IMODE(os.fstat(file).st_mode) | stat.S_IRGRP)


@contextlib.contextmanager
def _errors(path: Path, *, doing: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LabsError(
            f"{printable(error.filename or path)}: cannot be {doing}: {error.strerror}. Is --labs "
            "the labs' folder, and yours?"
        ) from error
