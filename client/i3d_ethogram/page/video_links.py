"""Where a recording's videos are, seen from a page beside the results, and which a browser plays.

A page may show what lies beside its results or below: the folder that holds the folder of results
is moved or mounted as a whole, and links that are relative to the page go on to work.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from i3d_client.printable import printable
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.video_files import video_path

# Containers and codecs (FFmpeg's names) that Chromium, Firefox and Safari play: MDN, "Media type
# and format guide", https://developer.mozilla.org/en-US/docs/Web/Media/Guides/Formats
_PLAYED = {
    ".mp4": {"h264", "vp9", "av1", "libdav1d"},
    ".m4v": {"h264"},
    ".mov": {"h264"},
    ".webm": {"vp8", "vp9", "av1", "libvpx", "libvpx-vp9", "libdav1d"},
}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p"}


@dataclass(frozen=True, kw_only=True)
class VideoFile:
    """One file of a recording.

    Attributes:
        path: absolute.
        url: relative to the folder of all results, quoted; None if a page cannot play it.
        why_not: why it cannot; empty if it can.
        there: whether the file that was classified is there.
        start_us, stop_us: the time of the recording that it fills.
        first_timestamp_s: its first picture's, by which a player counts.
        timed: whether frames are where the file's timestamps say, and not where its rate does.
        fps: frames per second, as its header says.
        rotation: degrees counter-clockwise by which a player turns its pictures.
    """

    path: Path
    url: str | None
    why_not: str
    there: bool
    start_us: int
    stop_us: int
    first_timestamp_s: float
    timed: bool
    fps: float
    rotation: int


def video_files(ethogram: Ethogram, *, out: Path, moved_to: Path | None = None) -> list[VideoFile]:
    """Return the files of a recording, in order.

    Args:
        ethogram: its ``run`` says what was classified.
        out: the folder of all results, where the page is.
        moved_to: a folder in which to look for videos that are not where they were, as
            ``find_video`` does.
    """
    videos = ethogram.run["videos"]
    borders = np.cumsum([0, *(video["frames"] for video in videos)]).tolist()
    files = []
    for place, video in enumerate(videos):
        path = video_path(video, videos=None if moved_to is None else moved_to.absolute())
        missing = _why_missing(path, video)
        if missing and moved_to is not None:
            missing += f", and it is not below {printable(moved_to.absolute())}"
        url = None if missing else _url_below(path, out.absolute().parent, out.absolute())
        files.append(
            VideoFile(
                path=path,
                url=None if _why_not_played(video) else url,
                why_not=missing or _why_not_played(video) or _why_outside(url, path, out),
                there=not missing,
                start_us=_time_us(ethogram, borders[place]) if place else 0,
                stop_us=_time_us(ethogram, borders[place + 1]),
                first_timestamp_s=float(video.get("first_timestamp_s") or 0),
                timed=video.get("timed_by") != "frame rate",
                fps=float(video["fps"]),
                rotation=int(video.get("rotation") or 0),
            )
        )
    return files


def _time_us(ethogram: Ethogram, frame: int) -> int:
    """Return when a frame is shown: exact where a run begins, between them in proportion."""
    frames, times = ethogram.first_frames, ethogram.times_us
    if frame < frames[0] or frame > frames[-1]:
        edge = 0 if frame < frames[0] else -1
        return int(times[edge]) + round((frame - int(frames[edge])) / ethogram.fps * 1e6)
    return round(float(np.interp(frame, frames, times)))


def _why_missing(path: Path, video: Mapping[str, Any]) -> str:
    try:
        size = path.stat().st_size
    except (OSError, ValueError):
        return f"{printable(path)} is not there"
    if size != video["bytes"]:
        return (
            f"{printable(path)} is not the file that was classified: expected {video['bytes']} "
            f"bytes, found {size}"
        )
    return ""


def _why_not_played(video: Mapping[str, Any]) -> str:
    suffix = Path(video["path"]).suffix.lower()
    codec, pixels = video["codec"], video["pixel_format"]
    if codec in _PLAYED.get(suffix, ()) and pixels in _PLAYED_PIXELS:
        return ""
    return f"browsers do not play {codec}, {pixels}, in {suffix or 'a file without a suffix'}"


def _why_outside(url: str | None, path: Path, out: Path) -> str:
    if url is not None:
        return ""
    return f"{printable(path)} does not lie in or below {printable(out.absolute().parent)}"


def _url_below(path: Path, folder: Path, page_folder: Path) -> str | None:
    for above, below in ((folder, path), (folder.resolve(), path.resolve())):
        if below.is_relative_to(above):
            page = page_folder if above == folder else page_folder.resolve()
            relative = os.path.relpath(below, page)
            # Without "./" a colon in a first name would end a scheme.
            return "./" + quote(os.fsencode(relative), safe="/")
    return None
