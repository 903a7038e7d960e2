"""``overlay.mp4``: the video with its labels in it, for people to look at.

Every frame of the recording is there once and is shown when, and as long as, it was: ticks of the
source's own time base are counted from the first frame that is shown, so nothing is rounded, and a
variable rate stays one. Several videos, whose time bases may differ, are timed in µs. A frame that
cannot be decoded keeps its place; the picture before it stands there. There is no sound.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from i3d_client.durable import complete_path
from i3d_client.errors import OutputError, VideoError
from i3d_client.printable import printable
from i3d_client.recording import Recording
from i3d_client.scores_file import Scores
from i3d_client.video import Reader, open_video
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.formats.overlay_picture import OverlayPicture
from i3d_ethogram.formats.planes import Planes
from i3d_ethogram.formats.video_files import find_video

OVERLAY_FILE = "overlay.mp4"
_MICROSECOND = Fraction(1, 1_000_000)
_KEY_FRAME_EVERY_S = 2  # a player can go to these at once
_DECODER_THREADS = 2
_OPTIONS = {"preset": "veryfast", "crf": "23"}


def write_overlay(
    folder: Path,
    ethogram: Ethogram,
    scores: Scores,
    *,
    videos: Path | None = None,
    start_s: float | None = None,
    stop_s: float | None = None,
) -> None:
    """Write ``overlay.mp4`` into ``folder``: H.264, as large as the video, sides made even.

    Args:
        folder: the recording's.
        ethogram: its labels.
        scores: its probabilities.
        videos: folder in which to look for videos that have moved.
        start_s: frames shown before are left out, in seconds from the recording's first frame.
        stop_s: frames shown then or later are left out.

    Raises:
        MissingExtraError: matplotlib is not installed.
        VideoError: a video is not there any more or cannot be read, or no frame is selected.
        OutputError: it cannot be written; nothing is left of it.
    """
    recording = _open(ethogram, videos)
    shown = _selected(ethogram, recording, start_s, stop_s)
    ticks = _Ticks(recording, shown)
    if len({_size(video) for video in recording.videos}) > 1:
        raise VideoError(
            f"{printable(ethogram.name)}: its videos differ in size, and a video has one: no "
            f"{OVERLAY_FILE} can be made of them"
        )
    width, height = _size(recording.videos[0])
    try:
        with (
            complete_path(folder / OVERLAY_FILE) as path,
            av.open(f"file:{path}", "w", options={"movflags": "+faststart"}) as container,
        ):
            stream = container.add_stream("libx264", rate=recording.fps, options=dict(_OPTIONS))
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            _encode(container, stream, ticks, _pictures(ethogram, scores, recording, shown))
    except av.error.FFmpegError as error:
        raise OutputError(f"{printable(folder / OVERLAY_FILE)}: {error.strerror}") from error


def _open(ethogram: Ethogram, videos: Path | None) -> Recording:
    files = tuple(
        open_video(find_video(recorded, videos=videos)) for recorded in ethogram.run["videos"]
    )
    first, stop = int(ethogram.first_frames[0]), int(ethogram.first_frames[-1])
    return Recording(videos=files, first_frame=first, num_frames=stop - first)


def _selected(
    ethogram: Ethogram, recording: Recording, start_s: float | None, stop_s: float | None
) -> range:
    """Return the frames to show, counted from the first that was classified."""
    every = range(recording.num_frames)

    def time_us(frame: int) -> int:
        return int(recording.times_us(frame, frame + 1)[0])

    first = 0 if start_s is None else bisect_left(every, round(start_s * 1e6), key=time_us)
    stop = len(every) if stop_s is None else bisect_left(every, round(stop_s * 1e6), key=time_us)
    if first >= stop:
        raise VideoError(
            f"{printable(ethogram.name)}: no frame was classified between {start_s or 0:g} and "
            f"{ethogram.times_us[-1] / 1e6 if stop_s is None else stop_s:g} s: the results go from "
            f"{ethogram.times_us[0] / 1e6:g} to {ethogram.times_us[-1] / 1e6:g} s"
        )
    return range(first, stop)


def _size(video: Any) -> tuple[int, int]:
    """Return width and height of what is shown: turned, and even."""
    sides = (video.width + video.width % 2, video.height + video.height % 2)
    return sides if video.rotation % 180 == 0 else (sides[1], sides[0])


class _Ticks:
    """When each frame is shown, in units of ``time_base`` from the first one."""

    def __init__(self, recording: Recording, shown: range) -> None:
        self._recording, self._shown = recording, shown
        (video, *others) = recording.videos
        self._video = video
        self._exact = not others and video.time_base.denominator <= 10 * _MICROSECOND.denominator
        if self._exact:
            self.time_base = 1 / video.fps if video.timestamps is None else video.time_base
        else:
            self.time_base = _MICROSECOND
        self._origin = self._tick(shown.start)

    def __getitem__(self, place: int) -> int:
        return self._tick(self._shown.start + place) - self._origin

    def duration(self, place: int) -> int:
        """Return how long frame ``place`` is shown."""
        after = self._shown.start + place + 1
        if self._exact and self._recording.first_frame + after >= self._video.num_frames_expected:
            return max(1, round(1 / self._video.fps / self.time_base))
        return self._tick(after) - self._tick(after - 1)

    def _tick(self, frame: int) -> int:
        if not self._exact:
            return int(self._recording.times_us(frame, frame + 1)[0])
        number = self._recording.first_frame + frame
        timestamps = self._video.timestamps
        return number if timestamps is None else timestamps[number]


@dataclass(frozen=True)
class _Colours:
    """How a frame says that its colours are to be read."""

    space: int
    primaries: int
    transfer: int

    @classmethod
    def of(cls, frame: av.VideoFrame) -> _Colours:
        return cls(int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))


def _pictures(
    ethogram: Ethogram, scores: Scores, recording: Recording, shown: range
) -> Iterator[tuple[av.VideoFrame, _Colours]]:
    """Yield the pictures of the frames ``shown`` with what is drawn on them."""
    before: av.VideoFrame | None = None
    painter: OverlayPicture | None = None
    labels = _labels(ethogram, scores, shown)
    for (time_us, run, score), (frame, rotation) in zip(
        labels, _frames(recording, shown), strict=True
    ):
        before = frame = frame or before or _black(recording)
        planes = Planes(frame, rotation=rotation)
        if painter is None:
            painter = OverlayPicture(ethogram, width=planes.width, height=planes.height)
        painter.draw(planes, time_us=time_us, score=score, run=run)
        yield planes.frame(), _Colours.of(frame)


def _frames(recording: Recording, shown: range) -> Iterator[tuple[av.VideoFrame | None, int]]:
    with Reader(codec_threads=_DECODER_THREADS) as reader:
        for stretch in recording.stretches(shown.start, shown.stop):
            for frame in reader.frames(stretch):
                yield frame, stretch.rotation


def _black(recording: Recording) -> av.VideoFrame:
    video = recording.videos[0]
    black = np.zeros((video.height, video.width), np.uint8)
    return av.VideoFrame.from_ndarray(black, format="gray")


def _labels(ethogram: Ethogram, scores: Scores, shown: range) -> Iterator[tuple[int, int, float]]:
    """Yield of each frame its time in µs, its run, and the probability of its label."""
    first, stop = (scores.first_frame + frame for frame in (shown.start, shown.stop))
    for batch in scores.batches():
        begin = max(first - batch.first_frame, 0)
        end = min(stop - batch.first_frame, len(batch.statuses))
        if begin >= end:
            continue
        frames = batch.first_frame + np.arange(begin, end)
        runs = np.searchsorted(ethogram.first_frames, frames, side="right") - 1
        codes = np.where(ethogram.codes[runs] == UNSCORED, 0, ethogram.codes[runs])
        of_label = batch.probabilities[np.arange(begin, end), codes]
        times = batch.times_us[begin:end]
        yield from zip(times.tolist(), runs.tolist(), of_label.tolist(), strict=True)


def _encode(
    container: av.container.OutputContainer,
    stream: VideoStream,
    ticks: _Ticks,
    pictures: Iterator[tuple[av.VideoFrame, _Colours]],
) -> None:
    codec = stream.codec_context
    codec.time_base = ticks.time_base
    codec.max_b_frames = 0  # no frame is stored before one that is shown earlier: times stay plain
    codec.gop_size = max(1, round(_KEY_FRAME_EVERY_S * float(stream.average_rate or 30)))
    durations: deque[int] = deque()
    for place, (picture, colours) in enumerate(pictures):
        if place == 0:
            codec.color_range = ColorRange.MPEG
            codec.colorspace = colours.space
            codec.color_primaries = colours.primaries
            codec.color_trc = colours.transfer
        picture.pts, picture.time_base = ticks[place], ticks.time_base
        durations.append(ticks.duration(place))
        _put(container, stream.encode(picture), durations)
    _put(container, stream.encode(), durations)


def _put(
    container: av.container.OutputContainer,
    packets: list[av.Packet[VideoStream]],
    durations: deque[int],
) -> None:
    """Write packets, which come in the order of the frames. The encoder drops how long they last.

    An MP4 file has no other word for how long the last one does.
    """
    for packet in packets:
        packet.duration = durations.popleft()
        container.mux(packet)
