"""Pictures in, segments out: the frames that one request carries.

Works on a stream whose length is not known before its end, holds two segments at most, and
copies a frame twice at most (where two segments overlap).

Segments lie in ``Buffers``, a fixed set that is used again and again: who takes a segment gives it
back. So a decoder that is ahead waits for whoever holds the segments, and memory is bounded by
their number.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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


class BuffersClosedError(Exception):
    """The segments are no longer wanted: decoding is to end."""


class Buffers:
    """Memory for segments, handed out and given back. For any threads.

    Args:
        memory: arrays of (S, height, width, channels) uint8, C-contiguous. ``SPARE`` more than
            the segments that are wanted outside at a time.
    """

    SPARE = 3  # being filled, the one before it, and one that waits to be taken

    @classmethod
    def for_segments(cls, contract: ModelContract, count: int) -> Buffers:
        """Return buffers for ``count`` segments outside at a time, in this process's memory."""
        shape = contract.segment_shape
        return cls([np.empty(shape, np.uint8) for _ in range(count + cls.SPARE)])

    def __init__(self, memory: Sequence[NDArray[np.uint8]]) -> None:
        self._memory = memory
        self._free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for number in range(len(memory)):
            self._free.put(number)

    def take(self) -> Buffer:
        """Wait for a free buffer.

        Raises:
            BuffersClosedError: they were closed.
        """
        asked_ns = time.monotonic_ns()
        number = self._free.get()
        if number is None:
            self.close()  # for who else waits
            raise BuffersClosedError
        taken_ns = time.monotonic_ns()
        return Buffer(self, number, self._memory[number], asked_ns, taken_ns)

    def close(self) -> None:
        """Let everyone who waits for a buffer go."""
        self._free.put(None)

    def _give_back(self, number: int) -> None:
        self._free.put(number)


class Buffer:
    """One segment's memory, until everyone who holds it has released it.

    Attributes:
        number: its place among the buffers.
        rows: (S, height, width, channels) uint8.
        asked_ns, taken_ns: when it was asked for, and when it was free; ``time.monotonic_ns``.
    """

    def __init__(
        self, owner: Buffers, number: int, rows: NDArray[np.uint8], asked_ns: int, taken_ns: int
    ) -> None:
        self.number = number
        self.rows = rows
        self.asked_ns = asked_ns
        self.taken_ns = taken_ns
        self._owner = owner
        self._holders = 1
        self._lock = threading.Lock()

    def hold(self) -> None:
        """Have it for one holder more."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Have it for one holder less; the last gives it back."""
        with self._lock:
            self._holders -= 1
            free = self._holders == 0
        if free:
            self._owner._give_back(self.number)


@dataclass(frozen=True, kw_only=True)
class Segment:
    """What one request carries. Release it once it is answered.

    Attributes:
        number: its place in the recording, from 0.
        buffer: holds the frames. Rows without a picture repeat the one before.
        windows: those that count, at places 0, 1, … of the request; what the server answers
            beyond them comes from padding and is dropped. The tail window is a segment of its
            own, with the number of the last.
    """

    number: int
    buffer: Buffer
    windows: tuple[WindowRange, ...]

    @property
    def frames(self) -> NDArray[np.uint8]:
        """(S, height, width, channels), uint8."""
        return self.buffer.rows

    def release(self) -> None:
        """Let its memory be used again."""
        self.buffer.release()


@dataclass
class _Filling:
    """Frames ``[first, first + filled)`` of the recording, in a buffer of S rows."""

    first: int
    buffer: Buffer
    filled: int = 0
    lost: list[int] = field(default_factory=list)

    @property
    def rows(self) -> NDArray[np.uint8]:
        return self.buffer.rows

    @property
    def stop(self) -> int:
        return self.first + self.filled


def cut_segments(
    pictures: Iterable[PictureT | None],
    *,
    contract: ModelContract,
    convert: Callable[[PictureT, NDArray[np.uint8]], None],
    buffers: Buffers,
    first_segment: int = 0,
) -> Iterator[Segment]:
    """Cut a stream of pictures into segments, in order; the tail window comes last.

    Args:
        pictures: the frames of ``first_segment`` and on; None for one that could not be decoded.
            Where they end before the recording does, they end with a segment's last frame.
        contract: gives T, stride, N and the shape of a frame.
        convert: writes a picture into a row, (height, width, channels) uint8.
        buffers: where segments lie, ``Buffers.SPARE`` at least.
        first_segment: number of the first segment.

    """
    cutter = _Cutter(contract, buffers, first_segment)
    try:
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
    finally:
        cutter.close()


class _Cutter:
    def __init__(self, contract: ModelContract, buffers: Buffers, first_segment: int) -> None:
        self._size = contract.segment_frames
        self._clip = contract.clip_frames
        self._stride = contract.stride
        self._advance = contract.windows_per_segment * contract.stride
        self._buffers = buffers
        self._number = first_segment
        self._first = first_segment * self._advance
        self._current: _Filling | None = None
        self._previous: _Filling | None = None

    @property
    def full(self) -> bool:
        return self._current is not None and self._current.filled == self._size

    def next_row(self) -> NDArray[np.uint8]:
        if self._current is None:
            self._current = self._begin()
        row: NDArray[np.uint8] = self._current.rows[self._current.filled]
        return row

    def keep_row(self) -> None:
        assert self._current is not None  # noqa: S101 - next_row came before
        self._current.filled += 1
        if self._previous is not None and self._current.filled >= self._clip:
            self._drop_previous()  # a tail window no longer reaches back into it

    def lose_row(self) -> None:
        filling = self._current
        assert filling is not None  # noqa: S101 - next_row came before
        filling.lost.append(filling.stop)
        filling.rows[filling.filled] = filling.rows[filling.filled - 1] if filling.filled else 0
        self.keep_row()

    def full_segment(self) -> Segment:
        done = self._current
        assert done is not None  # noqa: S101 - it is full
        segment = self._segment(done, self._regular_starts(done))
        self._drop_previous()
        self._previous, self._current = done, None
        self._number += 1
        self._first = done.first + self._advance
        return segment

    def last_segments(self) -> Iterator[Segment]:
        """Yield what is left when the recording ends: the short segment, then the tail window."""
        previous, current = self._previous, self._current
        stop = current.stop if current else previous.stop if previous else 0
        if stop == 0:
            return
        if current is not None and stop < self._clip:
            yield self._segment(current, (0,))
            return
        windows_stop = previous.stop if previous else 0
        if current is not None and (starts := self._regular_starts(current)):
            yield self._segment(current, starts)
            windows_stop = starts[-1] + self._clip
        else:
            self._number -= 1  # the tail window goes with the last segment there was
        if windows_stop < stop:
            yield self._tail_segment(stop - self._clip, stop)

    def close(self) -> None:
        self._drop_previous()
        if self._current is not None:
            self._current.buffer.release()
            self._current = None

    def _begin(self) -> _Filling:
        """Take a buffer, with the frames that the segment shares with the one before it."""
        filling = _Filling(first=self._first, buffer=self._buffers.take())
        done = self._previous
        overlap = 0 if done is None else done.stop - filling.first
        if done is not None and overlap > 0:
            filling.rows[:overlap] = done.rows[-overlap:]
            filling.filled = overlap
            filling.lost = [frame for frame in done.lost if frame >= filling.first]
        return filling

    def _drop_previous(self) -> None:
        if self._previous is not None:
            self._previous.buffer.release()
            self._previous = None

    def _regular_starts(self, filling: _Filling) -> tuple[int, ...]:
        return tuple(range(filling.first, filling.stop - self._clip + 1, self._stride))

    def _tail_segment(self, start: int, stop: int) -> Segment:
        tail = _Filling(first=start, buffer=self._buffers.take())
        for source in (self._previous, self._current):
            if source is None:
                continue
            first, last = max(start, source.first), min(stop, source.stop)
            if first < last:
                rows = source.rows[first - source.first : last - source.first]
                tail.rows[first - start : last - start] = rows
                tail.lost += [f for f in source.lost if first <= f < last and f not in tail.lost]
        tail.filled = stop - start
        segment = self._segment(tail, (start,))
        tail.buffer.release()
        return segment

    def _segment(self, filling: _Filling, starts: tuple[int, ...]) -> Segment:
        if filling.filled < self._size:
            filling.rows[filling.filled :] = filling.rows[filling.filled - 1]
        lost = np.asarray(filling.lost, np.int64)
        windows = []
        for start in starts:
            stop = min(start + self._clip, filling.stop)
            windows.append(WindowRange(start, stop, not ((lost >= start) & (lost < stop)).any()))
        filling.buffer.hold()
        return Segment(number=self._number, buffer=filling.buffer, windows=tuple(windows))
