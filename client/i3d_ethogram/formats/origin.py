"""Where an ethogram comes from, for files that carry it with them."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from i3d_client.printable import printable
from i3d_ethogram.ethogram import Ethogram


def written_by() -> str:
    """Return the name and version of what writes a file."""
    return f"i3d-triton {version('i3d-triton')}"


def origin_of(ethogram: Ethogram) -> dict[str, Any]:
    """Return plain values: the recording, what smoothed it, and all that run.json says."""
    recorded_at = ethogram.recorded_at
    return {
        "written_by": written_by(),
        "recording": printable(ethogram.name),
        "recorded_at": None if recorded_at is None else recorded_at.isoformat(),
        "smoothing": ethogram.smoothing.as_document(),
        "run": dict(ethogram.run),
    }
