"""Tables of intervals, of a label a frame, and DeepEthogram's of a column a behaviour.

DeepEthogram's labels (``deepethogram/file_io.py`` and ``projects.py`` of jbohnslav/deepethogram):
a CSV of which the first column, without a name, numbers the frames, and each other one is a
behaviour, the first of them ``background``; 1 where it happens, 0 where it does not, −1 where
nobody looked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from i3d_ethogram.annotations.annotation import Annotation, Interval, LeftOut
from i3d_ethogram.annotations.annotation_text import Header, Row, Table

_LABEL = ("label", "behavior", "behaviour")
_VIDEO = ("video", "recording", "file", "media")
_TIMES = (
    ("start_s", "stop_s"),
    ("start_s", "end_s"),
    ("start", "stop"),
    ("start", "end"),
    ("start_time", "stop_time"),
    ("start_time", "end_time"),
    ("onset", "offset"),
)
_FRAMES = (("start_frame", "stop_frame"), ("start_frame", "end_frame"))
_FRAME = ("frame", "frame_number", "frame_index")
_INDEX = ("", "index", "unnamed: 0", *_FRAME)
_LOOKED_AT = "looked at"
_NOBODY_LOOKED = -1


def is_intervals(header: Header) -> bool:
    """Whether it is the header of a table with one row an interval."""
    return _one_of(_LABEL, header) is not None and _start_and_stop(header) is not None


def is_frames(header: Header) -> bool:
    """Whether it is the header of a table with one row a frame."""
    return _one_of(_LABEL, header) is not None and _one_of(_FRAME, header) is not None


def is_columns(header: Header) -> bool:
    """Whether it is the header of a table with one row a frame and one column a behaviour."""
    return len(header) > 1 and header[0] in _INDEX and all(header[1:])


def read_intervals(table: Table, file: Path) -> list[Annotation]:
    """Return an annotation for each video of a table of intervals, ``[start, stop)``.

    Times in seconds go before numbers of frames if there are both. A row without a label is time
    without one: the same as no row.

    Raises:
        InputError: a cell is not what its column says, or an interval stops before it starts.
    """
    header = tuple(name.strip().lower() for name in table.header)
    label, video = _one_of(_LABEL, header) or "", _one_of(_VIDEO, header)
    columns = _start_and_stop(header) or _TIMES[0]
    frames = columns in _FRAMES
    found: dict[str, list[Interval]] = defaultdict(list)
    left_out: dict[str, Counter[LeftOut]] = defaultdict(Counter)
    for row in table.rows:
        name = row.text(video) if video else ""
        start, stop = (_frame(row, c) if frames else row.time_us(c) for c in columns)
        if start is None or stop is None:
            left_out[name][LeftOut.NO_START if start is None else LeftOut.NO_STOP] += 1
        elif stop < start:
            raise row.error(f"stops at {row.text(columns[1])}, before {row.text(columns[0])}")
        elif stop == start:
            left_out[name][LeftOut.EMPTY] += 1
        elif row.text(label):
            found[name].append(Interval(label=row.text(label), start=start, stop=stop))
    return [
        Annotation(
            file=file,
            kind="intervals",
            unit="frames" if frames else "us",
            intervals=tuple(sorted(found[name], key=lambda interval: interval.start)),
            labels=tuple(dict.fromkeys(interval.label for interval in found[name])),
            media=(name,) if name else (),
            left_out=dict(left_out[name]),
        )
        for name in dict.fromkeys((*found, *left_out))
    ]


def read_frames(table: Table, file: Path) -> list[Annotation]:
    """Return an annotation for each video of a table with one row a frame, numbered from 0.

    A frame without a label is one that nobody annotated.

    Raises:
        InputError: a cell is not what its column says, or a frame comes twice or out of order.
    """
    header = tuple(name.strip().lower() for name in table.header)
    label, frame = _one_of(_LABEL, header) or "", _one_of(_FRAME, header) or ""
    video = _one_of(_VIDEO, header)
    found: dict[str, _Runs] = defaultdict(_Runs)
    looked_at: dict[str, _Runs] = defaultdict(_Runs)
    for row in table.rows:
        name = row.text(video) if video else ""
        number = _whole_after(found[name].last, row, row.text(frame))
        found[name].add(number, row.text(label))
        looked_at[name].add(number, _LOOKED_AT)
    return [
        Annotation(
            file=file,
            kind="a label a frame",
            unit="frames",
            intervals=tuple(intervals),
            labels=tuple(dict.fromkeys(interval.label for interval in intervals)),
            media=(name,) if name else (),
            looked_at=looked_at[name].stretches(),
        )
        for name, runs in found.items()
        for intervals in [runs.intervals()]
    ]


def read_columns(table: Table, file: Path) -> list[Annotation]:
    """Return the annotation of DeepEthogram's labels.

    Raises:
        InputError: a cell is neither 0, 1 nor −1, or a frame comes twice or out of order.
    """
    labels = tuple(name.strip() for name in table.header[1:])
    marks = [_Runs() for _ in labels]
    looked_at = _Runs()
    last = -1
    for row in table.rows:
        last = _whole_after(last, row, row.texts[0])
        cells = (*row.texts[1:], *[""] * (len(labels) + 1 - len(row.texts)))
        numbers = [
            _mark(row, cell.strip(), label) for label, cell in zip(labels, cells, strict=True)
        ]
        for label, mark, number in zip(labels, marks, numbers, strict=True):
            mark.add(last, label if number == 1 else "")
        looked_at.add(last, "" if _NOBODY_LOOKED in numbers else _LOOKED_AT)
    intervals = [interval for mark in marks for interval in mark.intervals()]
    if last < 0:
        return []
    return [
        Annotation(
            file=file,
            kind="DeepEthogram labels",
            unit="frames",
            intervals=tuple(sorted(intervals, key=lambda interval: interval.start)),
            labels=labels,
            looked_at=looked_at.stretches(),
        )
    ]


class _Runs:
    """Joins frames that follow one another and have one label; an empty label is none."""

    def __init__(self) -> None:
        self.last = -1
        self._label = ""
        self._start = 0
        self._done: list[Interval] = []

    def add(self, frame: int, label: str) -> None:
        """Add a frame after those before it."""
        if label != self._label or frame != self.last + 1:
            self._end()
            self._label, self._start = label, frame
        self.last = frame

    def _end(self) -> None:
        if self._label:
            self._done.append(Interval(label=self._label, start=self._start, stop=self.last + 1))

    def intervals(self) -> list[Interval]:
        """Return them; nothing can be added after that."""
        self._end()
        self._label = ""
        return self._done

    def stretches(self) -> tuple[tuple[int, int], ...]:
        """Return where they lie; nothing can be added after that."""
        return tuple((interval.start, interval.stop) for interval in self.intervals())


def _one_of(names: Iterable[str], header: Header) -> str | None:
    return next((name for name in names if name in header), None)


def _start_and_stop(header: Header) -> tuple[str, str] | None:
    return next((pair for pair in (*_TIMES, *_FRAMES) if set(pair) <= set(header)), None)


def _frame(row: Row, column: str) -> int | None:
    return _whole(row, row.text(column)) if row.text(column) else None


def _whole_after(last: int, row: Row, text: str) -> int:
    if (number := _whole(row, text)) <= last:
        raise row.error(f"expected a frame after {last}, got {number}")
    return number


def _whole(row: Row, text: str) -> int:
    try:
        number = Decimal(text.strip().replace(",", "."))
        if number == number.to_integral_value() and 0 <= number < 10**12:
            return int(number)
    except InvalidOperation:
        pass
    raise row.error(f"expected a frame's number, from 0, got {text!r}")


def _mark(row: Row, cell: str, label: str) -> float:
    try:
        number = float(cell.replace(",", "."))
    except ValueError:
        number = float("nan")
    if number not in (0, 1, _NOBODY_LOOKED):
        raise row.error(f"{label}: expected 0, 1 or −1, got {cell!r}")
    return number
