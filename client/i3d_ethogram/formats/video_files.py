"""Where the videos of a recording lie now, and how another file says so."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from i3d_client.errors import VideoError
from i3d_client.printable import printable
from i3d_ethogram.ethogram import Ethogram


def first_frames_of_videos(ethogram: Ethogram) -> list[int]:
    """Return the number of each video's first frame in the recording, and of that after the last.

    Where timestamps cannot be trusted, the last may turn out longer than its packets announce.
    """
    offsets = [0, *accumulate(int(video["frames"]) for video in ethogram.run["videos"])]
    offsets[-1] = max(offsets[-1], int(ethogram.first_frames[-1]))
    return offsets


def relative_path(video: str | Path, folder: Path) -> str:
    """Return the path from ``folder`` to ``video``, with ``/``; neither needs to be there.

    Symbolic links are followed first: ``..`` after one would lead elsewhere. As in run.json, what
    is not UTF-8 is shown as ``printable`` does: neither JSON nor HDF5 can hold it.
    """
    path = os.path.relpath(os.path.realpath(video), os.path.realpath(folder))
    return printable(Path(path).as_posix())


def find_video(recorded: Mapping[str, Any], *, videos: Path | None = None) -> Path:
    """Return where a video lies that was classified.

    It is where it was, or has the same name somewhere in ``videos``; in either case its size is the
    recorded one, and if it has moved, its SHA-256 too.

    Args:
        recorded: the video's entry in run.json: ``path``, ``bytes`` and ``sha256``.
        videos: folder to look in, with its sub-folders.

    Raises:
        VideoError: it is not there, or another file has its name.
    """
    path = Path(recorded["path"])
    others = []
    for candidate in _candidates(path, videos):
        try:
            size = candidate.stat().st_size
        except OSError:
            continue  # a link that leads nowhere, or a file that is gone by now
        moved = candidate != path
        if size == recorded["bytes"] and not (moved and _sha256(candidate) != recorded["sha256"]):
            return candidate
        others.append(candidate)
    looked = "" if videos is None else f", nor below {printable(videos)}"
    if others:
        raise VideoError(
            f"{printable(others[0])}: is not the video that was classified: expected "
            f"{recorded['bytes']} bytes with SHA-256 {recorded['sha256']}. Give the folder of the "
            "original with --videos"
        )
    raise VideoError(
        f"{printable(path)}: the video is not there any more{looked}. Give the folder in which it "
        "lies now with --videos"
    )


def video_path(recorded: Mapping[str, Any], *, videos: Path | None = None) -> Path:
    """Return where a video lies: found as ``find_video`` does, or else where it was.

    Without ``videos`` nothing is looked for.
    """
    try:
        return Path(recorded["path"]) if videos is None else find_video(recorded, videos=videos)
    except VideoError:
        return Path(recorded["path"])


def _candidates(path: Path, videos: Path | None) -> Iterator[Path]:
    """Yield the files that may be the video. What run.json calls it stands for undecodable bytes.

    That is why names are compared as they are printed.
    """
    if path.is_file():
        yield path
    name = printable(path.name)
    roots = [(path.parent, False)] + ([(videos, True)] if videos is not None else [])
    for root, below in roots:
        for folder, folders, files in os.walk(root):
            folders[:] = sorted(folders) if below else []
            for found in sorted(files):
                if printable(found) == name and Path(folder, found) != path:
                    yield Path(folder, found)


def _sha256(path: Path) -> str:
    try:
        stat = path.stat()
        return _sha256_of(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise VideoError(f"{printable(path)}: cannot be read: {error.strerror}") from error


@lru_cache(maxsize=4096)
def _sha256_of(path: Path, _size: int, _modified_ns: int) -> str:
    """Read a video once, not for each file that names it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
