"""System shared memory: segments that a server on the same host reads where they were decoded.

A region is a file in /dev/shm that its owner holds locked (flock), so that anyone on the host can
tell a region whose owner is gone, however it went: then it can be locked. ``remove_dead_regions``
removes such and has the server forget them. A region's name says which /dev/shm it is in: a server
may know regions of another one, which look from here as if they were gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import I3dError
from i3d_client.triton import Connection

_FOLDER = Path("/dev/shm")  # noqa: S108 - where POSIX shared memory is on Linux
_PREFIX = "i3d-segments-"


class Region:
    """Shared memory for ``count`` segments; the owner's until ``close``.

    Args:
        shape: of one segment, uint8.
        count: of segments.

    Raises:
        OSError: this machine has no /dev/shm, or too little room in it.
    """

    def __init__(self, shape: tuple[int, ...], count: int) -> None:
        size = int(np.prod(shape))
        self._path, self._file = _locked_file()
        self.name = self._path.name
        try:
            # Now, while a lack of room is an error: later it would be a SIGBUS.
            os.posix_fallocate(self._file, 0, size * count)
            self._map = mmap.mmap(self._file, size * count)
        except BaseException:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            raise
        self.num_bytes = size * count
        self.segment_bytes = size
        self.segments: list[NDArray[np.uint8]] = list(
            np.frombuffer(self._map, np.uint8).reshape(count, *shape)
        )

    def close(self) -> None:
        """Remove it from this host. The server must forget it too."""
        self._path.unlink(missing_ok=True)
        os.close(self._file)


def _locked_file() -> tuple[Path, int]:
    while True:
        path = _FOLDER / f"{_prefix()}{secrets.token_hex(8)}"
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        if path.exists():
            return path, file
        os.close(file)  # someone took it for dead before it was locked


def _prefix() -> str:
    """Return how the names of regions in this /dev/shm begin: it is one of many on many hosts."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    place = f"{boot.strip()} {_FOLDER.stat().st_dev}"
    return f"{_PREFIX}{hashlib.sha256(place.encode()).hexdigest()[:8]}-"


def dead_regions() -> list[str]:
    """Return the names of regions in this /dev/shm whose owners are gone."""
    names = (path.name for path in _FOLDER.glob(f"{_prefix()}*"))
    return [name for name in names if _is_dead(name, remove=False)]


async def remove_dead_regions(connection: Connection) -> None:
    """Remove the regions whose owners are gone from this host and from the server."""
    try:
        prefix = _prefix()
    except OSError:
        return  # no /dev/shm here
    for path in _FOLDER.glob(f"{prefix}*"):
        _is_dead(path.name)
    with contextlib.suppress(I3dError):
        for name in await connection.registered_regions():
            if name.startswith(prefix) and _is_dead(name):
                # Triton refuses this, or puts it off, while a request uses the region.
                with contextlib.suppress(I3dError):
                    await connection.unregister_region(name)


def _is_dead(name: str, *, remove: bool = True) -> bool:
    """Whether the region has no owner; if so, and if it is to, its file is gone afterwards."""
    path = _FOLDER / name
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    except OSError:
        return False  # another user's
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if remove:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(file)
    return True
