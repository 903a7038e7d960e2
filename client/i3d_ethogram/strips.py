"""Five pictures of a bout, for pages that cannot play the video itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

from i3d_client.errors import VideoError
from i3d_client.video import Reader, Video, open_video

PICTURES = 5
_WIDTH = 192
_QUALITY = 72
# Without timestamps to seek by, a picture is come to from the start of the file alone.
_MOST_FRAMES_WITHOUT_SEEKING = 20_000


@dataclass(frozen=True, kw_only=True)
class BoutFrames:
    """A bout in one file of a recording.

    Attributes:
        key: whatever the caller knows it by.
        path: of the file.
        first_frame, stop_frame: half-open, in the file.
    """

    key: int
    path: Path
    first_frame: int
    stop_frame: int

    @property
    def pictured(self) -> list[int]:
        """The frames to show, in the middle of five equal parts."""
        length = self.stop_frame - self.first_frame
        middles = [(2 * part + 1) * length // (2 * PICTURES) for part in range(PICTURES)]
        return [self.first_frame + middle for middle in middles]


@dataclass(frozen=True)
class Strip:
    """JPEG pictures of a bout in order of time; None for a frame that cannot be decoded."""

    jpegs: tuple[bytes | None, ...]

    @property
    def num_bytes(self) -> int:
        """Of all pictures."""
        return sum(len(jpeg) for jpeg in self.jpegs if jpeg is not None)


def read_strips(
    bouts: Iterable[BoutFrames], *, most_bytes: int
) -> Iterator[tuple[int, Strip | str]]:
    """Yield each bout's key with its strip, or with why there is none, until there is no room.

    The bouts that have not been reached by then are left out; those of one file should follow one
    another, since a file is opened anew for each change.
    """
    left = most_bytes
    with Reader() as reader:
        for path, of_file in itertools.groupby(bouts, key=lambda bout: bout.path):
            video: Video | None = None
            for bout in of_file:
                if left <= 0:
                    return
                try:
                    video = video or _opened(path)
                    strip = _strip(reader, video, bout)
                except VideoError as error:
                    yield bout.key, str(error)
                    continue
                left -= strip.num_bytes
                if left >= 0:
                    yield bout.key, strip


def _opened(path: Path) -> Video:
    video = open_video(path)
    if video.timestamps is None and video.num_frames_expected > _MOST_FRAMES_WITHOUT_SEEKING:
        raise VideoError(f"{path}: its timestamps cannot be used to enter it in the middle")
    return video


def _strip(reader: Reader, video: Video, bout: BoutFrames) -> Strip:
    numbers = bout.pictured
    if video.timestamps is None:
        frames = _from_start(reader, video, numbers)
    else:
        frames = {number: _frame(reader, video, number) for number in set(numbers)}
    return Strip(tuple(_jpeg(frames.get(number), video.rotation) for number in numbers))


def _frame(reader: Reader, video: Video, number: int) -> av.VideoFrame | None:
    if number >= video.num_frames_expected:
        return None
    return next(iter(reader.frames(video.stretch(number, number + 1))), None)


def _from_start(
    reader: Reader, video: Video, numbers: Sequence[int]
) -> dict[int, av.VideoFrame | None]:
    frames = reader.frames(video.stretch(0, max(numbers) + 1))
    return {number: frame for number, frame in enumerate(frames) if number in numbers}


def _jpeg(frame: av.VideoFrame | None, rotation: int) -> bytes | None:
    if frame is None:
        return None
    picture = np.rot90(frame.to_ndarray(format="bgr24"), rotation // 90)
    height, width = picture.shape[:2]
    size = (_WIDTH, max(1, round(height * _WIDTH / width)))
    small = cv2.resize(np.ascontiguousarray(picture), size, interpolation=cv2.INTER_AREA)
    done, jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return jpeg.tobytes() if done else None
