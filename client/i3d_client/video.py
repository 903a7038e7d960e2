"""One video file: its frames, numbered and timed by presentation.

A first pass over the packets, without decoding, gives every picture's presentation timestamp and
the key frames. So the number of frames and their times are known before decoding begins, a picture
that cannot be decoded leaves a gap in its place instead of moving all later frames forward by one,
and a ``Stretch`` of a file can be decoded alone, from the key frame before it.

Where that index cannot be trusted (timestamps missing, doubled or, as in AVI, not in order of
presentation), frames are counted in the order in which the decoder gives them and timed by the
frame rate; ``Video.warnings`` says so.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Self

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from i3d_client.errors import VideoError
from i3d_client.timestamps import TimestampCollector, Timestamps

_PROBED_FRAMES = 32
_CHECKED_EVERY = 1000
_REORDERED_S = 2  # more than a decoder's order and a player's differ by
_ENTRIES = 3  # key frames to try before the start of the file
_ROTATIONS = (0, 90, 180, 270)


@dataclass(frozen=True, kw_only=True)
class Video:
    """What is known of a video before any of it is decoded, but for its first pictures.

    Attributes:
        path: the file.
        codec, pixel_format: FFmpeg's names.
        width, height: of a stored picture in pixels, before it is turned.
        rotation: degrees counter-clockwise by which a picture is to be turned: 0, 90, 180, 270.
        fps: average frames per second, as the header says.
        num_frames_from_header: None if the container does not say.
        num_frames_expected: pictures that the packets hold and a player shows.
        num_frames_hidden: pictures that the file's edit list keeps a player from showing; they
            are not frames of the video.
        timestamps: ``num_frames_expected`` presentation timestamps in units of ``time_base``; None
            if they cannot be trusted.
        key_timestamps: those of the key frames; none if they cannot be trusted, and of the first
            alone if a decoder cannot enter at others, as where the intra refresh of a live encoder
            stands in for them.
        time_base: seconds.
        cut_short: why the file seems to end before its end; None if it does not.
        warnings: what the user should know.

    """

    path: Path
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation: int
    fps: Fraction
    num_frames_from_header: int | None
    num_frames_expected: int
    num_frames_hidden: int
    timestamps: Timestamps | None
    key_timestamps: Timestamps
    time_base: Fraction
    cut_short: str | None
    warnings: tuple[str, ...]

    @property
    def first_timestamp_s(self) -> float:
        """The first picture's timestamp in the container, seconds; times count from it."""
        return 0.0 if self.timestamps is None else float(self.timestamps[0] * self.time_base)

    def times_s(self, first: int, stop: int) -> NDArray[np.float64]:
        """Return when frames ``[first, stop)`` are shown, in seconds from frame 0: float64."""
        if self.timestamps is None:
            ticks, unit = np.arange(first, stop), 1 / self.fps
        else:
            ticks, unit = self.timestamps[first:stop] - self.timestamps[0], self.time_base
        times: NDArray[np.float64] = ticks * unit.numerator / unit.denominator
        return times

    @property
    def duration_s(self) -> Fraction:
        """From the first picture to the end of the last, which is shown for 1 / fps."""
        if self.timestamps is None:
            return self.num_frames_expected / self.fps
        ticks = self.timestamps[-1] - self.timestamps[0]
        return ticks * self.time_base + 1 / self.fps

    @property
    def key_frames(self) -> NDArray[np.int64]:
        """Numbers of the frames where a decoder may enter, increasing.

        Frame 0 alone if the timestamps cannot be trusted.
        """
        if self.timestamps is None:
            return np.zeros(1, np.int64)
        return np.unique(self.timestamps.places(self.key_timestamps))

    def stretch(self, first: int = 0, stop: int | None = None) -> Stretch:
        """Describe frames ``[first, stop)`` to a decoder; None is the end of the file."""
        timestamps: NDArray[np.int64] | None = None
        entries: tuple[int, ...] = ()
        num_frames = None if stop is None else stop - first
        if self.timestamps is not None:
            timestamps = self.timestamps[first:stop]
            num_frames = len(timestamps)
            before = self.key_timestamps.count_to(int(timestamps[0]))
            # The first key frame is entered from the start of the file, without seeking.
            nearest = self.key_timestamps[max(1, before - _ENTRIES) : before]
            entries = tuple(nearest[::-1].tolist())
        return Stretch(
            path=self.path,
            width=self.width,
            height=self.height,
            rotation=self.rotation,
            first=first,
            num_frames=num_frames,
            timestamps=timestamps,
            entries=entries,
        )


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Consecutive frames of one file, and how a decoder comes to them.

    Attributes:
        path, width, height, rotation: as in ``Video``.
        first: number of the first frame in the file.
        num_frames: None if they end where the file does.
        timestamps: (num_frames,) int64; None if frames are to be counted from the file's start.
        entries: timestamps of key frames from which these frames can be decoded, best first; the
            start of the file comes after them.
    """

    path: Path
    width: int
    height: int
    rotation: int
    first: int
    num_frames: int | None
    timestamps: NDArray[np.int64] | None
    entries: tuple[int, ...]


@dataclass(kw_only=True)
class DecodeCounts:
    """Filled while frames are decoded.

    Attributes:
        first: number of the first frame that is counted.
        decoded, lost: frames so far.
        lost_frames: numbers of the lost.
    """

    first: int = 0
    decoded: int = 0
    lost: int = 0
    lost_frames: list[int] = field(default_factory=list)

    @property
    def num_frames(self) -> int:
        """Frames so far, decoded or not."""
        return self.decoded + self.lost

    def counted(self, frames: Iterable[av.VideoFrame | None]) -> Iterator[av.VideoFrame | None]:
        """Pass frames on and count them."""
        for frame in frames:
            if frame is None:
                self.lost_frames.append(self.first + self.num_frames)
                self.lost += 1
            else:
                self.decoded += 1
            yield frame


def open_video(path: Path, *, check: Callable[[], None] = lambda: None) -> Video:
    """Read a video's header and packets and decode its first pictures.

    Args:
        path: of the file.
        check: called often while packets are read; what it raises ends the reading.

    Raises:
        VideoError: the file is not there, cannot be read, or holds no picture.

    """
    _check_file(path)
    with _container(path) as container:
        stream = _video_stream(container, path)
        packets = _read_packets(container, stream, check)
        rate = stream.average_rate or stream.guessed_rate
        time_base = stream.time_base or Fraction(1, 1000)
        header = stream.frames or None
    if not packets.count:
        raise VideoError(f"{path}: the video stream holds no picture")
    first = _probe(path)
    timestamps = packets.trusted_timestamps(first)
    if rate is None and timestamps is not None and len(timestamps) > 1:
        rate = (len(timestamps) - 1) / ((timestamps[-1] - timestamps[0]) * time_base)
    if rate is None:
        raise VideoError(f"{path}: neither usable timestamps nor a frame rate: remux the file")
    keys = packets.key_timestamps.finish() or Timestamps()
    if timestamps is not None and not _can_be_entered(path, keys):
        keys = Timestamps(keys[:1])
    return Video(
        path=path,
        codec=first[0].codec,
        pixel_format=first[0].pixel_format,
        width=first[0].width,
        height=first[0].height,
        rotation=_rotation(first[0].rotation, path),
        fps=Fraction(rate),
        num_frames_from_header=header,
        num_frames_expected=packets.count,
        num_frames_hidden=packets.hidden,
        timestamps=timestamps,
        key_timestamps=keys,
        time_base=time_base,
        cut_short=packets.cut_short(header),
        warnings=_warnings(packets, None if timestamps is not None else rate),
    )


def _warnings(packets: _Packets, untrusted_rate: Fraction | None) -> tuple[str, ...]:
    warnings = []
    if packets.hidden:
        warnings.append(
            f"{packets.hidden} pictures are hidden by the file's edit list, as they are from a "
            "player, and are not counted"
        )
    if untrusted_rate is not None:
        warnings.append(
            "timestamps are missing, doubled or not in order of presentation: frames are counted "
            f"as they are decoded and timed at {float(untrusted_rate):.6g} frames/s"
        )
    return tuple(warnings)


def decode(
    video: Video, counts: DecodeCounts, *, codec_threads: int = 0
) -> Iterator[av.VideoFrame | None]:
    """Decode every frame of a video in order; None stands for one that cannot be decoded.

    Args:
        video: as ``open_video`` described it.
        counts: filled on the way.
        codec_threads: threads of the decoder; 0 takes the cores that this process may use but
            one, which is left for scaling pictures and sending them.

    Raises:
        VideoError: as ``Reader.frames``.

    """
    with Reader(codec_threads=codec_threads or _spare_cores()) as reader:
        yield from counts.counted(reader.frames(video.stretch()))


class Reader:
    """Decodes stretches; a file stays open from one to the next. For one thread at a time.

    Args:
        codec_threads: threads of the decoder.
    """

    def __init__(self, *, codec_threads: int = 1) -> None:
        self._codec_threads = codec_threads
        self._path: Path | None = None
        self._container: av.container.InputContainer | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._path = self._container = None

    def frames(self, stretch: Stretch) -> Iterator[av.VideoFrame | None]:
        """Yield the frames of a stretch; None stands for one that cannot be decoded.

        A decoder enters at a key frame if the first picture that it gives is that key frame's; in
        an open group of pictures, or where the container cannot find it, it need not be. Then an
        earlier one is tried, and last the start of the file.

        Raises:
            VideoError: the file cannot be read, holds a picture of another size, or one whose
                timestamp no packet announced.
        """
        if stretch.timestamps is None:
            stop = None if stretch.num_frames is None else stretch.first + stretch.num_frames
            frames: Iterator[av.VideoFrame | None] = itertools.islice(
                self._from_start(stretch.path), stretch.first, stop
            )
        else:
            entered = (self._entered(stretch.path, entry) for entry in stretch.entries)
            found = next((frames for frames in entered if frames is not None), None)
            frames = _by_timestamp(
                stretch, stretch.timestamps, found or self._from_start(stretch.path)
            )
        for number, frame in enumerate(frames, start=stretch.first):
            if frame is not None and (frame.width, frame.height) != (stretch.width, stretch.height):
                raise VideoError(
                    f"{stretch.path}: the picture size changes from {stretch.width}×"
                    f"{stretch.height} to {frame.width}×{frame.height} at frame {number}: split "
                    "the file there"
                )
            yield frame

    def can_enter(self, path: Path, entry: int) -> bool:
        """Whether the first picture from a key frame on is that key frame's."""
        return self._entered(path, entry) is not None

    def _open(self, path: Path) -> tuple[av.container.InputContainer, VideoStream]:
        if self._container is None or self._path != path:
            self.close()
            self._path, self._container = path, _container(path)
            codec = _video_stream(self._container, path).codec_context
            codec.thread_count = self._codec_threads
            codec.thread_type = "AUTO" if self._codec_threads > 1 else "NONE"
        return self._container, _video_stream(self._container, path)

    def _from_start(self, path: Path) -> Iterator[av.VideoFrame | None]:
        self.close()
        container, stream = self._open(path)
        return _frames_or_gaps(container.demux(stream))

    def _entered(self, path: Path, entry: int) -> Iterator[av.VideoFrame | None] | None:
        # Some containers, such as MPEG-TS, are searched by decoding timestamps, which come before
        # those of presentation: then the key frame's packet is found from earlier on alone.
        from_there = self._entered_from(path, entry, early_s=0)
        return from_there or self._entered_from(path, entry, early_s=_REORDERED_S)

    def _entered_from(
        self, path: Path, entry: int, *, early_s: int
    ) -> Iterator[av.VideoFrame | None] | None:
        container, stream = self._open(path)
        early = round(early_s / (stream.time_base or Fraction(1, 1000)))
        try:
            container.seek(entry - early, stream=stream)
        except av.error.FFmpegError:
            return None
        frames = _frames_or_gaps(_from_packet(container.demux(stream), entry))
        for frame in frames:
            if frame is not None and frame.pts is not None and frame.pts >= entry:
                return itertools.chain([frame], frames) if frame.pts == entry else None
        return None


def _from_packet(
    packets: Iterator[av.Packet[VideoStream]], entry: int
) -> Iterator[av.Packet[VideoStream]]:
    """Pass packets on from the key frame's; none if its place has been passed."""
    for packet in packets:
        if packet.pts == entry and packet.is_keyframe:
            yield packet
            break
        if packet.dts is not None and packet.dts > entry:
            return
    yield from packets


def _can_be_entered(path: Path, keys: Timestamps) -> bool:
    """Whether a decoder can enter at one of a few key frames after the first."""
    later = len(keys) - 1
    tried = {keys[1 + later * part // 4] for part in (1, 2, 3)} if later > 0 else set()
    with Reader() as reader:
        return any(reader.can_enter(path, entry) for entry in sorted(tried))


def _spare_cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) - 1)


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise VideoError(f"{path}: is a folder; name the video files in it")
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise VideoError(f"{path}: the file is empty (0 bytes)")
    except FileNotFoundError as error:
        raise VideoError(f"{path}: no such file") from error
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}") from error


def _container(path: Path) -> av.container.InputContainer:
    try:
        return av.open(f"file:{path}")
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path}: not a video that can be read ({error.strerror}). If it is an .mp4 or .mov "
            "whose recording or copy was interrupted, its index is missing: copy it again"
        ) from error


def _video_stream(container: av.container.InputContainer, path: Path) -> VideoStream:
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic:
            return stream
    kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "none"
    raise VideoError(f"{path}: holds no video stream (streams: {kinds})")


@dataclass
class _Packets:
    """The pictures of a stream as its packets announce them."""

    timestamps: TimestampCollector = field(default_factory=TimestampCollector)
    key_timestamps: TimestampCollector = field(default_factory=TimestampCollector)
    count: int = 0
    hidden: int = 0
    ended_by: str | None = None
    in_order: bool = True
    _last_dts: int | None = None

    def add(self, packet: av.Packet[VideoStream]) -> None:
        self.count += 1
        if packet.pts is None:
            self.in_order = False
        else:
            self.timestamps.add(packet.pts)
            if packet.is_keyframe:
                self.key_timestamps.add(packet.pts)
        if packet.dts is not None:
            if self._last_dts is not None and packet.dts < self._last_dts:
                self.in_order = False
            self._last_dts = packet.dts

    def trusted_timestamps(self, first: list[_FirstFrame]) -> Timestamps | None:
        """Return the timestamps in order of presentation, or None if they cannot be trusted."""
        if not self.in_order:
            return None
        timestamps = self.timestamps.finish()
        return timestamps if timestamps is not None and _agree(first, timestamps) else None

    def cut_short(self, header: int | None) -> str | None:
        """Say why the file seems to end early, or None."""
        if header is not None and self.count + self.hidden < header:
            return f"its header says {header} frames, but only {self.count} are in the file"
        return self.ended_by


def _read_packets(
    container: av.container.InputContainer, stream: VideoStream, check: Callable[[], None]
) -> _Packets:
    packets = _Packets()
    try:
        for packet in container.demux(stream):
            if packets.count % _CHECKED_EVERY == 0:
                check()
            if packet.is_discard:  # an edit list hides this picture
                packets.hidden += 1
            elif packet.size:
                packets.add(packet)
    except av.error.FFmpegError as error:
        packets.ended_by = f"reading stopped after {packets.count} frames: {error.strerror}"
    return packets


@dataclass(frozen=True)
class _FirstFrame:
    codec: str
    pixel_format: str
    width: int
    height: int
    rotation: int
    timestamp: int | None


def _probe(path: Path) -> list[_FirstFrame]:
    """Decode the first pictures, to see what they are and whether their timestamps can be used."""
    with _container(path) as container:
        stream = _video_stream(container, path)
        codec = stream.codec_context.name
        decodable = (f for f in _frames_or_gaps(container.demux(stream)) if f is not None)
        frames = [
            _FirstFrame(codec, f.format.name, f.width, f.height, f.rotation, f.pts)
            for f in itertools.islice(decodable, _PROBED_FRAMES)
        ]
    if not frames:
        raise VideoError(f"{path}: no frame of it can be decoded")
    return frames


def _agree(first: list[_FirstFrame], timestamps: Timestamps) -> bool:
    shown = [frame.timestamp for frame in first if frame.timestamp is not None]
    increasing = all(before < after for before, after in itertools.pairwise(shown))
    return len(shown) == len(first) and increasing and all(time in timestamps for time in shown)


def _rotation(degrees: int, path: Path) -> int:
    turned = degrees % 360
    if turned not in _ROTATIONS:
        raise VideoError(f"{path}: is to be turned by {degrees} degrees; only quarters are known")
    return turned


def _frames_or_gaps(
    packets: Iterator[av.Packet[VideoStream]],
) -> Iterator[av.VideoFrame | None]:
    """Yield pictures as the decoder gives them; None where it fails on a packet."""
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            return
        if packet.is_corrupt:  # cut off, or with pieces missing: decoders may make a picture up
            yield None
            continue
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            yield None
            continue
        for frame in frames:
            yield None if frame.is_corrupt else frame


def _by_timestamp(
    stretch: Stretch, timestamps: NDArray[np.int64], frames: Iterator[av.VideoFrame | None]
) -> Iterator[av.VideoFrame | None]:
    """Put each picture in the place of its timestamp, with None in the places left free.

    After damage a decoder may give a picture late, when its place has been passed: it is lost.
    """
    following, num_frames = 0, len(timestamps)
    first, last = int(timestamps[0]), int(timestamps[-1])
    for frame in frames:
        if frame is None:
            continue
        pts = frame.pts
        if pts is not None and pts < first and not following:
            continue
        if pts is not None and pts > last:
            break
        if pts == timestamps[following]:
            place = following
        else:
            place = int(np.searchsorted(timestamps, pts)) if pts is not None else -1
            if pts is not None and (pts < first or timestamps[place] == pts) and place < following:
                continue
            if not following <= place < num_frames or timestamps[place] != pts:
                raise VideoError(
                    f"{stretch.path}: after frame {stretch.first + following - 1} comes a picture "
                    f"with timestamp {pts}, which is not that of a later frame: remux the file"
                )
            yield from itertools.repeat(None, place - following)
        yield frame
        following = place + 1
        if following == num_frames:
            break
    yield from itertools.repeat(None, num_frames - following)
