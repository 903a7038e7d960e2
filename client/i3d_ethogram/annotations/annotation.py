"""What a person says happens in a recording, whatever file it comes from.

Files differ in what they say beside that. Behaviours that overlap, events without a duration and
starts without a stop are kept out of the intervals or in them by one rule each, and counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal


class LeftOut(StrEnum):
    """Why an event of a file is in no interval."""

    POINT = "point events, which have no duration"
    NO_STOP = "starts without a stop"
    NO_START = "stops without a start"
    EMPTY = "events that last no time"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A behaviour during ``[start, stop)``: µs of the annotation's clock, or numbers of frames."""

    label: str
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """One recording as one person described it.

    Attributes:
        file: where it was read.
        kind: of file, for people.
        observation: its name in the file; empty if the file holds one that has none.
        media: the videos that it is of, as the file names them; empty if it does not.
        media_lengths_us: how long each of them is; empty if the file does not say.
        fps: of the first of them; None if the file does not say.
        unit: of the intervals.
        intervals: in the order of their starts.
        labels: all behaviours that the person could have annotated, as far as the file says.
        left_out: events of the file that are in no interval, by reason.
        read_as: the encoding, if it is not UTF-8.
        looked_at: stretches ``[start, stop)`` of frames that a file with a row a frame says
            something of, be it that nothing happens; empty if the file is of events.
    """

    file: Path
    kind: str
    unit: Literal["us", "frames"]
    intervals: tuple[Interval, ...]
    labels: tuple[str, ...]
    observation: str = ""
    media: tuple[str, ...] = ()
    media_lengths_us: tuple[int, ...] = ()
    fps: float | None = None
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)
    read_as: str | None = None
    looked_at: tuple[tuple[int, int], ...] = ()

    @property
    def media_names(self) -> tuple[str, ...]:
        """The videos' names without their folders, whichever system wrote the paths."""
        return tuple(re.split(r"[/\\]", path)[-1] for path in self.media)
