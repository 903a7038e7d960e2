"""One run of a pipeline: what it was asked, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.subject import Subject
from i3d_client.access import Access

REQUEST = "request"
LOAD = "load"


class Interval(NamedTuple):
    """Something that took a while, on a row of the timeline.

    Attributes:
        row: such as ``worker 1``; requests have no row of their own: "".
        what: ``load``, ``decode``, ``send``, ``request`` …
        start_ns, stop_ns: CLOCK_MONOTONIC, as ``time.monotonic_ns``.
    """

    row: str
    what: str
    start_ns: int
    stop_ns: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a pipeline is to do.

    Attributes:
        subject: the windows.
        access: the server.
        model: its name there.
        cores: that the client is held to.
        batch_segments: that a synchronous pipeline awaits at a time.
        request_segments: that one of its requests carries, as many as the server takes.
        traced: whether to record intervals.
        readers: that load at a time, or workers; None is one a core. ``synchronous`` has one.
        frame_s: that a reader takes for a frame at least, see ``pacing``; 0 for real readers.
    """

    subject: Subject
    access: Access
    model: str
    cores: int
    batch_segments: int
    request_segments: int
    traced: bool = False
    readers: int | None = None
    frame_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        begun_ns: when it began, ``time.monotonic_ns``.
        seconds: from then to its end.
        processor_s: that the client's processes and threads computed.
        probabilities: (windows, classes) float32, in the video's order.
        start_s: of ``seconds``, what it took before the work began, and to end after it.
        intervals: if it was traced.
    """

    begun_ns: int
    seconds: float
    processor_s: float
    probabilities: NDArray[np.float32]
    start_s: float = 0.0
    intervals: list[Interval] = field(default_factory=list)
