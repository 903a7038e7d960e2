"""Increasing timestamps, held in about a byte each.

A recording of a day has millions. Held as 64-bit integers, with the copies that sorting makes, they
took more memory than all the rest of a client. Here a block of them is its first, its last, and how
far each one is from the straight line between the two: nothing at all at a constant rate, and one
byte where a container rounds to milliseconds.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

_BLOCK = 4096
_COLLECTED = 16 * _BLOCK
_TYPES = (np.int8, np.int16, np.int32)


class Timestamps:
    """Increasing integers; an index gives an ``int``, a slice an (n,) int64 array.

    Args:
        values: (n,) int64, increasing.
    """

    def __init__(self, values: NDArray[np.int64] | None = None) -> None:
        self._blocks: list[_Block] = []
        self._firsts = array("q")
        self._length = 0
        if values is not None:
            self.extend(values)

    def extend(self, values: NDArray[np.int64]) -> None:
        """Append (n,) int64 that go on increasing; all calls but the last give whole blocks."""
        for start in range(0, len(values), _BLOCK):
            block = _Block.of(values[start : start + _BLOCK])
            self._blocks.append(block)
            self._firsts.append(block.first)
            self._length += block.length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> NDArray[np.int64]: ...
    def __getitem__(self, place: int | slice) -> int | NDArray[np.int64]:
        """Return one, or those of a slice whose step is 1."""
        if isinstance(place, slice):
            start, stop, _step = place.indices(self._length)
            return self._between(start, stop)
        place = range(self._length)[place]
        return int(self._between(place, place + 1)[0])

    def __contains__(self, value: int) -> bool:
        count = self.count_to(value)
        return count > 0 and self[count - 1] == value

    def count_to(self, value: int) -> int:
        """Return how many are ``value`` or less."""
        number = int(np.searchsorted(self._firsts, value, side="right")) - 1
        if number < 0:
            return 0
        inside = self._blocks[number].values()
        return number * _BLOCK + int(np.searchsorted(inside, value, side="right"))

    def places(self, values: Timestamps) -> NDArray[np.int64]:
        """Return where each of ``values`` stands, or would be inserted: (n,) int64."""
        wanted = values[:]
        if not self._length:
            return np.zeros(len(wanted), np.int64)
        cuts = np.searchsorted(wanted, self._firsts).tolist()
        cuts[0] = 0
        places = np.empty(len(wanted), np.int64)
        for number, (start, stop) in enumerate(zip(cuts, [*cuts[1:], len(wanted)], strict=True)):
            if start < stop:
                inside = np.searchsorted(self._blocks[number].values(), wanted[start:stop])
                places[start:stop] = number * _BLOCK + inside
        return places

    def _between(self, start: int, stop: int) -> NDArray[np.int64]:
        if start >= stop:
            return np.empty(0, np.int64)
        first = start // _BLOCK
        parts = [block.values() for block in self._blocks[first : -(-stop // _BLOCK)]]
        values = np.concatenate(parts) if len(parts) > 1 else parts[0]
        return values[start - first * _BLOCK : stop - first * _BLOCK]


@dataclass(frozen=True, slots=True)
class _Block:
    """Up to ``_BLOCK`` timestamps; ``off_line`` is None if all lie on the line."""

    first: int
    last: int
    length: int
    off_line: NDArray[np.signedinteger[Any]] | None

    @classmethod
    def of(cls, values: NDArray[np.int64]) -> _Block:
        first, last = int(values[0]), int(values[-1])
        off_line = values - _line(first, last, len(values))
        return cls(first, last, len(values), _narrowest(off_line))

    def values(self) -> NDArray[np.int64]:
        line = _line(self.first, self.last, self.length)
        return line if self.off_line is None else line + self.off_line


def _line(first: int, last: int, length: int) -> NDArray[np.int64]:
    # Where this overflows it does so in the same way each time, and the sum is right again.
    span = np.array([last], np.int64) - np.array([first], np.int64)
    line: NDArray[np.int64] = first + np.arange(length) * span // max(1, length - 1)
    return line


def _narrowest(values: NDArray[np.int64]) -> NDArray[np.signedinteger[Any]] | None:
    low, high = int(values.min()), int(values.max())
    if low == high == 0:
        return None
    for kind in _TYPES:
        if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values


class TimestampCollector:
    """Brings timestamps into order as they come: in any order, though mostly almost increasing."""

    def __init__(self) -> None:
        self._new = array("q")
        self._left: NDArray[np.int64] = np.empty(0, np.int64)
        self._sorted = Timestamps()
        self._distinct = True

    def add(self, timestamp: int) -> None:
        """Take one."""
        self._new.append(timestamp)
        if len(self._new) >= _COLLECTED:
            self._sort(kept=_BLOCK)

    def finish(self) -> Timestamps | None:
        """Return all in increasing order; None if two of them are equal."""
        self._sort(kept=0)
        return self._sorted if self._distinct else None

    def _sort(self, *, kept: int) -> None:
        """Sort what is new; the last ``kept`` may still have some put between them."""
        values = np.sort(np.concatenate([self._left, _as_array(self._new)]))
        self._new = array("q")
        if not self._distinct or not len(values):
            return
        if len(self._sorted) and values[0] <= self._sorted[-1]:  # far out of order: begin again
            values = np.sort(np.concatenate([self._sorted[:], values]))
            self._sorted = Timestamps()
        self._distinct = bool((values[1:] > values[:-1]).all())
        whole = len(values) if kept == 0 else max(0, len(values) - kept) // _BLOCK * _BLOCK
        self._sorted.extend(values[:whole])
        self._left = values[whole:].copy()


def _as_array(values: Sequence[int]) -> NDArray[np.int64]:
    return np.array(values, np.int64)
