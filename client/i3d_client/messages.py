"""What the parent and its workers tell each other.

Pickled by ``multiprocessing.connection``, on a socket pair between two processes of one program:
nothing comes from outside.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from i3d_client.access import Access
from i3d_client.errors import I3dError
from i3d_client.priority import Priority
from i3d_client.spans import SpanResult
from i3d_client.trace import TraceEvent
from i3d_client.transport import Transport
from i3d_client.triton import Model
from i3d_client.video import Stretch

PARENT_DECIDES = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
"""Signals that a worker ignores: its parent gets them as well, and says ``Stop``."""

# From the parent.


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The first message: what every task has in common.

    Attributes:
        name: of the worker.
        access: how to reach the server; paths of keys, never keys.
        model: as the run began with it.
        in_flight: requests of this worker at a time, at most.
        transport, priority, give_up_after_s, features: as in ``Inference``.
        traced: whether to record what happens when.
    """

    name: str
    access: Access
    model: Model
    in_flight: int
    transport: Transport
    priority: Priority | None
    give_up_after_s: float
    features: bool
    traced: bool


@dataclass(frozen=True, kw_only=True)
class Task:
    """A span to classify.

    Attributes:
        stretches: its frames, with those that its last segment shares with the next span.
        first_segment: of the span.
        stop_segment: None if the span ends with the recording.
        report_segments: a result is sent at latest after so many segments.
        codec_threads: of the decoder.
    """

    stretches: tuple[Stretch, ...]
    first_segment: int
    stop_segment: int | None
    report_segments: int
    codec_threads: int


@dataclass(frozen=True)
class Stop:
    """End: let what is in flight be answered, report it, drop the rest."""


# From the worker.


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The worker can take tasks."""

    transport: Transport


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Frames of the oldest task that are classified and not yet reported."""

    frames: int


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a part of the oldest task, from where the part before it ended."""

    span: SpanResult
    trace: list[TraceEvent]


@dataclass(frozen=True)
class Decoded:
    """Nothing of the newest task is left to decode: the next one may be given."""


@dataclass(frozen=True)
class Done:
    """The oldest task is done, or as much of it as there was time for after ``Stop``."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """The oldest task cannot be done: a ``VideoError`` concerns its video alone.

    Any other ``error`` ends the worker.
    """

    error: I3dError


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """The server is away, and why; None: it is back."""

    message: str | None
