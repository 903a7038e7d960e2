"""Why a frame has a label, or has none."""

from __future__ import annotations

from enum import IntEnum


class Status(IntEnum):
    """Of a frame; its lower-case name is what tables say."""

    SCORED = 0
    """A window labels it."""
    BEFORE_FIRST = 1
    """No window labels it: with ``label_frame: last``, those before the first window's last ones."""
    LOST = 2
    """It could not be decoded."""
    NEAR_LOST = 3
    """Every window that would label it contains a frame that could not be decoded."""
    GIVEN_UP = 4
    """It lies in a span that was given up: the workers that decoded it died."""


STATUS_NAMES = tuple(status.name.lower() for status in Status)
