"""BORIS' tables of events: aggregated, and tabular of old and new versions.

Columns go by their names, which BORIS 7 to 9 keep while it adds others around them (read in
``export_observation.py`` of 8.27.4 and in the files of its tests). An event's time is the
observation's clock: it includes the observation's time offset, and counts on through the files of
an observation of several.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation, Interval, LeftOut
from i3d_ethogram.annotations.annotation_text import Header, Row, Table, microseconds

NO_SUBJECT = "No focal subject"
TO_ANNOTATE = "to annotate"
"""Marks a stretch to look at, as ``i3d suggest`` writes it: no behaviour, and of no subject."""
_STARTS, _STOPS = "START", "STOP"


@dataclass(frozen=True, kw_only=True)
class Event:
    """A point in time at which a behaviour starts, stops, or happens."""

    time_us: int
    subject: str
    label: str
    modifiers: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """Which observation of a file, and which subject's events; None is all, or the only one."""

    observation: str | None = None
    subject: str | None = None


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is the same in all events of an observation."""

    file: Path
    kind: str
    name: str
    media: tuple[str, ...] = ()
    media_lengths_us: tuple[int, ...] = ()
    fps: float | None = None
    time_offset_us: int = 0
    labels: tuple[str, ...] = ()


def is_aggregated(header: Header) -> bool:
    """Whether it is the header of aggregated events: one row from start to stop."""
    return {"behavior", "start (s)", "stop (s)"} <= set(header)


def is_tabular(header: Header) -> bool:
    """Whether it is the header of tabular events: one row a start, a stop or a point."""
    columns = set(header)
    return {"time", "behavior"} <= columns and bool({"status", "behavior type"} & columns)


def read_aggregated(table: Table, file: Path, *, chosen: Chosen) -> list[Annotation]:
    """Return an annotation for each chosen observation of a table of aggregated events.

    Raises:
        InputError: a cell is not what its column says, or an observation has several
            subjects and none is chosen.
    """
    annotations = []
    for name, rows in _by_observation(table.rows).items():
        if chosen.observation not in (None, name):
            continue
        observation = _observation(name, rows[0], file, kind="BORIS aggregated events")
        left_out: Counter[LeftOut] = Counter()
        intervals = []
        for row in _of_subject(rows, chosen.subject, observation):
            start, stop = row.time_us("start (s)"), row.time_us("stop (s)")
            if row.text("behavior type").upper() == "POINT":
                left_out[LeftOut.POINT] += 1
            elif start is None or stop is None:
                left_out[LeftOut.NO_START if start is None else LeftOut.NO_STOP] += 1
            elif stop < start:
                raise row.error(f"stops at {stop / 1e6:g} s, before it starts at {start / 1e6:g} s")
            elif stop == start:
                left_out[LeftOut.EMPTY] += 1
            else:
                intervals.append(Interval(label=_label(row), start=start, stop=stop))
        if intervals or left_out.total():
            annotations.append(annotation_of(observation, intervals, left_out))
    return annotations


def read_tabular(table: Table, file: Path, *, chosen: Chosen) -> list[Annotation]:
    """Return an annotation for each chosen observation of a table of tabular events.

    Raises:
        InputError: as of ``read_aggregated``.
    """
    status = "status" if "status" in _lower(table.header) else "behavior type"
    annotations = []
    for name, rows in _by_observation(table.rows).items():
        observation = _observation(name, rows[0], file, kind="BORIS tabular events")
        if table.preamble:
            observation = _from_preamble(table.preamble, observation)
        if chosen.observation not in (None, observation.name):
            continue
        events = [
            Event(
                time_us=_time_us(row),
                subject=row.text("subject"),
                label=_label(row),
                modifiers="|".join(row.text(name) for name in row.cells if "modifier" in name),
                status=row.text(status).upper(),
            )
            for row in _of_subject(rows, chosen.subject, observation)
        ]
        intervals, left_out = paired(events)
        if intervals or left_out.total():
            annotations.append(annotation_of(observation, intervals, left_out))
    return annotations


def paired(events: Iterable[Event]) -> tuple[list[Interval], Counter[LeftOut]]:
    """Pair each start with the next stop of the same subject, behaviour and modifiers.

    A start that another start follows is left out, and so is a stop before which nothing started.
    """
    intervals: list[Interval] = []
    left_out: Counter[LeftOut] = Counter()
    open_since: dict[tuple[str, str, str], int] = {}
    for event in sorted(events, key=lambda event: event.time_us):
        key = (event.subject, event.label, event.modifiers)
        if event.status == _STARTS:
            left_out[LeftOut.NO_STOP] += key in open_since
            open_since[key] = event.time_us
        elif event.status != _STOPS:
            left_out[LeftOut.POINT] += 1
        elif key not in open_since:
            left_out[LeftOut.NO_START] += 1
        elif (start := open_since.pop(key)) == event.time_us:
            left_out[LeftOut.EMPTY] += 1
        else:
            intervals.append(Interval(label=event.label, start=start, stop=event.time_us))
    left_out[LeftOut.NO_STOP] += len(open_since)
    return intervals, left_out


def annotation_of(
    observation: Observation, intervals: Iterable[Interval], left_out: Counter[LeftOut]
) -> Annotation:
    """Return an observation as an annotation; its time offset is taken off."""
    shifted = sorted(
        (
            Interval(
                label=interval.label,
                start=interval.start - observation.time_offset_us,
                stop=interval.stop - observation.time_offset_us,
            )
            for interval in intervals
        ),
        key=lambda interval: interval.start,
    )
    occurring = dict.fromkeys((*observation.labels, *(interval.label for interval in shifted)))
    return Annotation(
        file=observation.file,
        kind=observation.kind,
        observation=observation.name,
        media=observation.media,
        media_lengths_us=observation.media_lengths_us,
        fps=observation.fps,
        unit="us",
        intervals=tuple(shifted),
        labels=tuple(occurring),
        left_out={reason: count for reason, count in left_out.items() if count},
    )


def subject_of(
    found: Iterable[tuple[str, str]], wanted: str | None, observation: Observation
) -> str:
    """Return the one subject whose events are to be read.

    In an observation of stretches to annotate, which names no subject, that is whoever was
    annotated there, if nobody was named.

    Args:
        found: subject and behaviour of each event.
        wanted: the subject that was asked for.
        observation: for the message.

    Raises:
        InputError: there are several, and none is wanted.
    """
    behaviours = {(subject or NO_SUBJECT, label) for subject, label in found}
    subjects = sorted({subject for subject, label in behaviours if label != TO_ANNOTATE})
    is_marked = any(label == TO_ANNOTATE for _, label in behaviours)
    if wanted is None and len(subjects) > 1:
        listed = ", ".join(repr(printable(subject)) for subject in subjects)
        raise InputError(
            f"{printable(observation.file)}, observation {printable(observation.name)!r}: expected "
            f"events of one subject, got those of {listed}. Choose one with --subject"
        )
    if wanted is None or (is_marked and subjects == [NO_SUBJECT]):
        return subjects[0] if subjects else NO_SUBJECT
    return wanted


def is_of_subject(subject: str, label: str, *, wanted: str) -> bool:
    """Whether an event is the wanted subject's, or a mark, which is of no subject."""
    return label == TO_ANNOTATE or (subject or NO_SUBJECT) == wanted


def _of_subject(rows: Sequence[Row], subject: str | None, observation: Observation) -> list[Row]:
    wanted = subject_of(((row.text("subject"), _label(row)) for row in rows), subject, observation)
    return [row for row in rows if is_of_subject(row.text("subject"), _label(row), wanted=wanted)]


def _by_observation(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.text("observation id")].append(row)
    return found


def _observation(name: str, row: Row, file: Path, *, kind: str) -> Observation:
    source = row.text("source") or row.text("media file") or row.text("media file path")
    durations = row.text("media duration (s)").split("|")[0].split(";")
    return Observation(
        file=file,
        kind=kind,
        name=name,
        media=_first_player(source) or _first_player(row.text("media file name")),
        media_lengths_us=tuple(
            microseconds(text, row.error) for text in durations if text not in ("", "NA")
        ),
        fps=_fps(row.text("fps (frame/s)") or row.text("fps")),
        time_offset_us=row.time_us("time offset (s)") or 0,
    )


def _from_preamble(preamble: Iterable[Sequence[str]], observation: Observation) -> Observation:
    """Add what older versions write above the table."""
    said = {cells[0].strip().lower(): cells[1].strip() for cells in preamble if len(cells) > 1}

    def error(problem: str) -> InputError:
        return InputError(f"{printable(observation.file)}, above its table: {problem}")

    offset = said.get("time offset (s)", "")
    return Observation(
        file=observation.file,
        kind=observation.kind,
        name=observation.name or said.get("observation id", ""),
        media=observation.media,
        media_lengths_us=observation.media_lengths_us,
        fps=observation.fps,
        time_offset_us=microseconds(offset, error) if offset else observation.time_offset_us,
    )


def _first_player(source: str) -> tuple[str, ...]:
    """Return the files of the first of several players that show one scene."""
    if source in ("", "NA", "Not found"):
        return ()
    files = source.split("|player #")[0]
    if files.startswith("player #"):
        files = files.partition(":")[2]
    return tuple(file.strip() for file in files.split(";") if file.strip())


def _fps(text: str) -> float | None:
    first = text.split("|")[0].split(";")[0].replace(",", ".")
    try:
        return float(first) or None
    except ValueError:
        return None


def _label(row: Row) -> str:
    if not (label := row.text("behavior")):
        raise row.error("expected a behaviour in the column Behavior, got none")
    return label


def _time_us(row: Row) -> int:
    time = row.time_us("time")
    if time is None:
        raise row.error("expected a time in the column Time, got none")
    return time


def _lower(header: Header) -> set[str]:
    return {name.strip().lower() for name in header}
