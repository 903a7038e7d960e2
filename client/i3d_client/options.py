"""How to reach a server and how to classify: made once at the edge and passed down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SERVER = "localhost:8001"
DEFAULT_IN_FLIGHT = 4


def default_server() -> str:
    """Return ``HOST:PORT`` from the environment's ``I3D_SERVER``, else this machine's Triton."""
    return os.environ.get("I3D_SERVER") or DEFAULT_SERVER


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to classify.

    Attributes:
        server: ``HOST:PORT``.
        model: name on the server; None takes the only one there is.
        out: folder; each video gets one of its own in it.
        in_flight: requests at most between this client and the server.
    """

    server: str
    model: str | None
    out: Path
    in_flight: int
