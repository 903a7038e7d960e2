"""Pictures in, segments out: the frames that one request carries.

Works on a stream whose length is not known before its end, holds two segments at most, and
copies a frame twice at most (where two segments overlap).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract

PictureT = TypeVar("PictureT")


class WindowRange(NamedTuple):
    """The frames ``[start, stop)`` of one window.

    In a video shorter than T the stop is the video's end. ``scored`` is False if a frame of the
    window could not be decoded.
    """

    start: int
    stop: int
    scored: bool


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one request carries.

    Attributes:
        frames: (S, height, width, channels), uint8. Rows without a picture repeat the one before.
        windows: those that count, at places 0, 1, … of the request; what the server answers
            beyond them comes from padding and is dropped.
    """

    frames: NDArray[np.uint8]
    windows: tuple[WindowRange, ...]


@dataclass
class _Buffer:
    """Frames ``[first, first + filled)`` of the video, in an array of S rows."""

    first: int
    rows: NDArray[np.uint8]
    filled: int = 0
    lost: list[int] = field(default_factory=list)

    @property
    def stop(self) -> int:
        return self.first + self.filled


def cut_segments(
    pictures: Iterable[PictureT | None],
    *,
    contract: ModelContract,
    convert: Callable[[PictureT, NDArray[np.uint8]], None],
) -> Iterator[Segment]:
    """Cut a stream of pictures into segments, in order; the tail window comes last.

    Args:
        pictures: frame 0, 1, 2, …; None for a picture that could not be decoded.
        contract: gives T, stride, N and the shape of a frame.
        convert: writes a picture into a row, (height, width, channels) uint8.

    """
    cutter = _Cutter(contract)
    for picture in pictures:
        row = cutter.next_row()
        if picture is None:
            cutter.lose_row()
        else:
            convert(picture, row)
            cutter.keep_row()
        if cutter.full:
            yield cutter.full_segment()
    yield from cutter.last_segments()


class _Cutter:
    def __init__(self, contract: ModelContract) -> None:
        self._shape = contract.segment_shape
        self._clip = contract.clip_frames
        self._stride = contract.stride
        self._advance = contract.windows_per_segment * contract.stride
        self._current = self._new_buffer(0)
        self._previous: _Buffer | None = None

    def _new_buffer(self, first: int) -> _Buffer:
        return _Buffer(first=first, rows=np.empty(self._shape, np.uint8))

    @property
    def full(self) -> bool:
        return self._current.filled == self._shape[0]

    def next_row(self) -> NDArray[np.uint8]:
        row: NDArray[np.uint8] = self._current.rows[self._current.filled]
        return row

    def keep_row(self) -> None:
        self._current.filled += 1

    def lose_row(self) -> None:
        buffer = self._current
        buffer.lost.append(buffer.stop)
        buffer.rows[buffer.filled] = buffer.rows[buffer.filled - 1] if buffer.filled else 0
        buffer.filled += 1

    def full_segment(self) -> Segment:
        done = self._current
        segment = self._segment(done, self._regular_starts(done))
        following = self._new_buffer(done.first + self._advance)
        overlap = done.stop - following.first
        if overlap > 0:
            following.rows[:overlap] = done.rows[-overlap:]
            following.filled = overlap
            following.lost = [frame for frame in done.lost if frame >= following.first]
        self._previous, self._current = done, following
        return segment

    def last_segments(self) -> Iterator[Segment]:
        """Yield what is left when the video ends: the short segment, then the tail window."""
        current, stop = self._current, self._current.stop
        if stop == 0:
            return
        if stop < self._clip:
            yield self._segment(current, (0,))
            return
        starts = self._regular_starts(current)
        if starts:
            yield self._segment(current, starts)
            windows_stop = starts[-1] + self._clip
        else:
            windows_stop = self._previous.stop if self._previous else 0
        if windows_stop < stop:
            yield self._tail_segment(stop - self._clip, stop)

    def _regular_starts(self, buffer: _Buffer) -> tuple[int, ...]:
        return tuple(range(buffer.first, buffer.stop - self._clip + 1, self._stride))

    def _tail_segment(self, start: int, stop: int) -> Segment:
        tail = self._new_buffer(start)
        for source in (self._previous, self._current):
            if source is None:
                continue
            first, last = max(start, source.first), min(stop, source.stop)
            if first < last:
                rows = source.rows[first - source.first : last - source.first]
                tail.rows[first - start : last - start] = rows
                tail.lost += [f for f in source.lost if first <= f < last and f not in tail.lost]
        tail.filled = stop - start
        return self._segment(tail, (start,))

    def _segment(self, buffer: _Buffer, starts: tuple[int, ...]) -> Segment:
        if buffer.filled < len(buffer.rows):
            buffer.rows[buffer.filled :] = buffer.rows[buffer.filled - 1]
        lost = np.asarray(buffer.lost, np.int64)
        windows = []
        for start in starts:
            stop = min(start + self._clip, buffer.stop)
            windows.append(WindowRange(start, stop, not ((lost >= start) & (lost < stop)).any()))
        return Segment(frames=buffer.rows, windows=tuple(windows))
