"""A recording: one video, or several that follow one another, or a part of these by time.

Windows run across the borders of its files. Frames are numbered from 0 in the recording; what
``--start`` leaves out keeps its numbers and its times.
"""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import VideoError
from i3d_client.freed_memory import give_back_freed_memory
from i3d_client.video import Stretch, Video, open_video


@dataclass(frozen=True, kw_only=True)
class Recording:
    """The frames to classify: ``first_frame`` … ``first_frame + num_frames − 1`` of its videos.

    Methods count frames of the selection: 0 is ``first_frame``.

    Attributes:
        videos: in order.
        first_frame: number of the selection's first frame.
        num_frames: of the selection. An expectation where a video's timestamps cannot be trusted.
    """

    videos: tuple[Video, ...]
    first_frame: int
    num_frames: int

    @property
    def fps(self) -> Fraction:
        """Frames per second, as the first video's header says."""
        return self.videos[0].fps

    @property
    def counted_exactly(self) -> bool:
        """Whether the number of frames is known before decoding."""
        return all(video.timestamps is not None for video in self.videos)

    @property
    def one_pass(self) -> str | None:
        """Why the recording can only be decoded from its start, in one go; None if it need not."""
        for video in self.videos:
            if video.timestamps is None:
                return f"{video.path}: its timestamps cannot be used to enter it in the middle"
        if len(self.key_frames) <= 1:
            return f"{self.videos[0].path}: a decoder can enter it at no key frame but the first"
        return None

    @property
    def key_frames(self) -> NDArray[np.int64]:
        """Frames where a decoder may enter, increasing; 0 or less is the first."""
        keys = [
            offset + video.key_frames - self.first_frame
            for video, offset in zip(self.videos, self._offsets, strict=False)
        ]
        every = np.concatenate(keys)
        before = every[every <= 0]
        inside = every[(every > 0) & (every < self.num_frames)]
        return np.concatenate([before[-1:], inside]) if len(before) else inside

    @property
    def _offsets(self) -> list[int]:
        """Number of each video's first frame in the recording, and of the frame after the last."""
        return [0, *accumulate(video.num_frames_expected for video in self.videos)]

    def stretches(self, first: int, stop: int | None) -> list[Stretch]:
        """Describe frames ``[first, stop)`` to a decoder; None: to the end of the selection."""
        first_wanted = self.first_frame + first
        stop_wanted = self.first_frame + (self.num_frames if stop is None else stop)
        found = []
        for video, (start, end) in zip(self.videos, pairwise(self._offsets), strict=True):
            if first_wanted < end and stop_wanted > start:
                # Where packets are no promise of pictures, all pictures are taken.
                open_end = video.timestamps is None and stop_wanted >= end
                last = None if open_end else min(stop_wanted, end) - start
                found.append(video.stretch(max(first_wanted, start) - start, last))
        return found

    def times_s(self, first: int, stop: int) -> NDArray[np.float64]:
        """Return when frames ``[first, stop)`` are shown, in seconds from the recording's start.

        A video starts where the one before it ends.
        """
        first, stop = self.first_frame + first, self.first_frame + stop
        times: list[NDArray[np.float64]] = []
        elapsed = Fraction(0)
        offsets = self._offsets
        offsets[-1] = max(offsets[-1], stop)
        for video, (start, end) in zip(self.videos, pairwise(offsets), strict=True):
            if first < end and stop > start:
                inside = video.times_s(max(first, start) - start, min(stop, end) - start)
                times.append(inside + float(elapsed) if elapsed else inside)
            elapsed += video.duration_s
        return np.concatenate(times) if times else np.empty(0)

    def times_us(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return the same in whole microseconds; frame ``num_frames`` stands for the end.

        A selection ends where the frame after it is shown, or with its last video.
        """
        times = self.times_s(first, min(stop, self.num_frames))
        if stop > self.num_frames:
            times = np.append(times, self._end_s)
        rounded: NDArray[np.int64] = np.rint(times * 1e6).astype(np.int64)
        return rounded

    @property
    def _end_s(self) -> float:
        after = self.first_frame + self.num_frames
        if after < self._offsets[-1] or self.videos[-1].timestamps is None:
            return float(self.times_s(self.num_frames, self.num_frames + 1)[0])
        return float(sum(video.duration_s for video in self.videos))

    def with_frames_found(self, num_frames: int) -> Recording:
        """Return the recording as it turned out to be: with ``num_frames`` frames."""
        return dataclasses.replace(self, num_frames=num_frames)


def open_recording(
    files: tuple[Path, ...],
    *,
    start_s: float | None = None,
    stop_s: float | None = None,
    check: Callable[[], None] = lambda: None,
) -> Recording:
    """Read the headers and packets of a recording's files.

    Args:
        files: in order.
        start_s: frames shown before are left out, in seconds from the recording's first frame.
        stop_s: frames shown then or later are left out.
        check: called often; what it raises ends the reading.

    Raises:
        VideoError: a file cannot be read, or no frame is selected.
    """
    videos = tuple(open_video(path, check=check) for path in files)
    give_back_freed_memory()
    num_frames = sum(video.num_frames_expected for video in videos)
    whole = Recording(videos=videos, first_frame=0, num_frames=num_frames)
    if start_s is None and stop_s is None:
        return whole

    def time_s(frame: int) -> float:
        return float(whole.times_s(frame, frame + 1)[0])

    def first_from(seconds: float) -> int:
        return bisect_left(range(num_frames), seconds - 1e-9, key=time_s)

    first = 0 if start_s is None else first_from(start_s)
    stop = num_frames if stop_s is None else first_from(stop_s)
    if first >= stop:
        raise VideoError(
            f"{files[0]}: no frame is shown between --start {start_s or 0:g} and --stop "
            f"{stop_s if stop_s is not None else time_s(num_frames - 1):g} s: it lasts "
            f"{float(sum(video.duration_s for video in videos)):.3f} s"
        )
    return Recording(videos=videos, first_frame=first, num_frames=stop - first)
