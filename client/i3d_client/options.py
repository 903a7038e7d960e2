"""How to reach a server and how to classify: made once at the edge and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3d_client.printable import printable
from i3d_client.priority import Priority
from i3d_client.transport import Transport

if TYPE_CHECKING:
    from i3d_client.access import Access

DEFAULT_IN_FLIGHT = 4
DEFAULT_GIVE_UP_AFTER_S = 600.0
DEFAULT_SPAN_FRAMES = 4096


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to classify.

    Attributes:
        access: how to reach the server.
        model: name on the server; None takes the only one there is.
        out: folder; each recording gets one of its own in it.
        workers: processes that decode.
        in_flight: requests at most between this client and the server; None is 2 a worker.
        start_s, stop_s: classify frames shown in ``[start_s, stop_s)`` alone; seconds from the
            first frame.
        overwrite: begin anew where there are results of another run, or a part of this one.
        give_up_after_s: how long the server may be away.
        span_frames: about how many frames a worker takes at a time.
        transport: ``auto`` takes shared memory with a server on this host.
        priority: of the requests; None leaves it to the model. Answers do not depend on it.
        recorded_at: when the recordings began, as given; kept in run.json for reports.
        features: whether to keep the windows' features, too (``features.npy``).
        temporal_head: file of a last layer that answers in place of the network's, from the
            windows' features; None leaves it to the network.
    """

    access: Access
    model: str | None
    out: Path
    workers: int
    in_flight: int | None = None
    start_s: float | None = None
    stop_s: float | None = None
    overwrite: bool = False
    give_up_after_s: float = DEFAULT_GIVE_UP_AFTER_S
    span_frames: int = DEFAULT_SPAN_FRAMES
    transport: Transport = "auto"
    priority: Priority | None = None
    recorded_at: str | None = None
    features: bool = False
    temporal_head: Path | None = None

    @property
    def needs_features(self) -> bool:
        """Whether the server must send the windows' features."""
        return self.features or self.temporal_head is not None

    def as_given(self) -> dict[str, Any]:
        """Return the options as ``run.json`` has them. Of the credentials, where they are."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        del given["access"]
        credentials = self.access.credentials
        return {
            "server": self.access.server,
            "credentials": None if credentials is None else printable(credentials.folder),
            **given,
            "out": str(self.out),
            "temporal_head": None if self.temporal_head is None else printable(self.temporal_head),
        }
