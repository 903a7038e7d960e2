"""Five pictures of a bout, for pages that cannot play the video itself.

A picture is the one on the screen at its time: found by timestamp, from the key frame before it,
without an index of the whole file, which for a recording of days would take minutes. What is
decoded is bounded, since some files have one key frame and many have few.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np

from i3d_client.errors import VideoError
from i3d_client.printable import printable

PICTURES = 5
MOST_FRAMES = 60_000
MOST_FRAMES_OF_A_FILE = 20_000
_WIDTH = 192
_QUALITY = 72
_NEAR_S = 2.0  # decoded on to, rather than sought: key frames are seldom closer
_EARLIER_S = (0.0, 2.0, 10.0)  # where a container finds a key frame after what is sought
_ROUNDING_S = 2e-6


@dataclass(frozen=True, kw_only=True)
class BoutTime:
    """A bout in one file of a recording.

    Attributes:
        key: whatever the caller knows it by.
        path: of the file.
        start_s, stop_s: by the file's own timestamps; if it is not timed, from its start.
        fps: frames per second, if the file's timestamps are not to be used; None if they are.
        rotation: degrees counter-clockwise by which pictures are to be turned: 0, 90, 180, 270.
    """

    key: int
    path: Path
    start_s: float
    stop_s: float
    fps: float | None = None
    rotation: int = 0

    @property
    def pictured_s(self) -> list[float]:
        """The times to show, in the middle of five equal parts."""
        length = self.stop_s - self.start_s
        return [self.start_s + (2 * part + 1) * length / (2 * PICTURES) for part in range(PICTURES)]


@dataclass(frozen=True)
class Strip:
    """JPEG pictures of a bout in order of time; None where the file has none."""

    jpegs: tuple[bytes | None, ...]

    @property
    def num_bytes(self) -> int:
        """Of all pictures."""
        return sum(len(jpeg) for jpeg in self.jpegs if jpeg is not None)


def read_strips(
    bouts: Iterable[BoutTime], *, most_bytes: int, most_frames: int = MOST_FRAMES
) -> Iterator[tuple[int, Strip | str]]:
    """Yield each bout's key with its strip, or with why there is none, until there is no room.

    The bouts that have not been reached by then are left out. Those of one file that follow one
    another are read in one pass.

    Args:
        bouts: the most wanted first.
        most_bytes: of all pictures.
        most_frames: decoded for them, but for what the last file needs.
    """
    for path, of_file in itertools.groupby(bouts, key=lambda bout: bout.path):
        if most_bytes <= 0 or most_frames <= 0:
            return
        group = list(of_file)
        pictures = _Pictures(path, group)
        jpegs, why = pictures.read()
        most_frames -= pictures.decoded
        for bout in group:
            if not all(at_s in jpegs for at_s in bout.pictured_s):
                yield bout.key, why
                continue
            strip = Strip(tuple(jpegs[at_s] for at_s in bout.pictured_s))
            most_bytes -= strip.num_bytes
            if most_bytes < 0:
                return
            yield bout.key, strip


class _Timed(NamedTuple):
    at_s: float
    frame: av.VideoFrame


class _Pictures:
    """One pass over a file, from one wanted picture to the next.

    Attributes:
        decoded: frames so far.
    """

    def __init__(self, path: Path, bouts: Sequence[BoutTime]) -> None:
        self.decoded = 0
        self._path = path
        self._times_s = sorted({at_s for bout in bouts for at_s in bout.pictured_s})
        self._fps, self._rotation = bouts[0].fps, bouts[0].rotation
        self._shown: _Timed | None = None
        self._next: _Timed | None = None
        self._few_keys = self._fps is not None

    def read(self) -> tuple[dict[float, bytes | None], str]:
        """Return the picture of each time, as far as they could be read; and why no further."""
        jpegs: dict[float, bytes | None] = {}
        try:
            with closing(av.open(f"file:{self._path}")) as container:
                self._container, self._stream = container, container.streams.video[0]
                self._stream.thread_type = "AUTO"
                self._frames = container.decode(self._stream)
                for at_s in self._times_s:
                    jpegs[at_s] = _jpeg(self._at(at_s), self._rotation)
        except (av.error.FFmpegError, IndexError) as error:
            return jpegs, f"{printable(self._path)}: cannot be read ({error})"
        except VideoError as error:
            return jpegs, str(error)
        return jpegs, ""

    def _at(self, at_s: float) -> av.VideoFrame | None:
        """Return what is on the screen at a time; None before the first frame and after the end."""
        last_s = None if self._next is None else self._next.at_s
        if not self._few_keys and (last_s is None or at_s - last_s > _NEAR_S):
            self._seek(at_s, last_s)
        while self._next is None or self._next.at_s <= at_s + _ROUNDING_S:
            self._shown, self._next = self._next or self._shown, self._decoded()
            if self._next is None:
                break
        if self._shown is None or (self._next is None and self._is_over(at_s)):
            return None
        return self._shown.frame

    def _seek(self, at_s: float, last_s: float | None) -> None:
        unit = float(self._stream.time_base or 1)
        for earlier_s in _EARLIER_S:
            self._container.seek(round((at_s - earlier_s) / unit), stream=self._stream)
            self._frames = self._container.decode(self._stream)
            self._shown, self._next = None, self._decoded()
            if self._next is not None and self._next.at_s <= at_s + _ROUNDING_S:
                break
        # If this led back behind what had been decoded, going on would have been shorter.
        if last_s is not None and self._next is not None:
            self._few_keys = self._next.at_s <= last_s

    def _is_over(self, at_s: float) -> bool:
        rate = self._fps or float(self._stream.average_rate or 1)
        return self._shown is not None and at_s > self._shown.at_s + 1 / rate + _ROUNDING_S

    def _decoded(self) -> _Timed | None:
        for frame in self._frames:
            self.decoded += 1
            if self.decoded > MOST_FRAMES_OF_A_FILE:
                raise VideoError(
                    f"{printable(self._path)}: too few key frames, or none that can be used, to "
                    "come to this picture soon"
                )
            if self._fps is not None:
                return _Timed((self.decoded - 1) / self._fps, frame)
            if frame.pts is not None:
                return _Timed(float(frame.pts * (frame.time_base or 1)), frame)
        return None


def _jpeg(frame: av.VideoFrame | None, rotation: int) -> bytes | None:
    if frame is None:
        return None
    picture = np.rot90(frame.to_ndarray(format="bgr24"), rotation // 90)
    height, width = picture.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else None
