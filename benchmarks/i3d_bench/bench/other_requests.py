"""Requests of other clients during a run: the server's own count, beside what the run asked for.

How busy a device was is the server's word for all its clients. A run that shared the server has a
time of its own only in part, and no share of the device that could be told, so both are said.
"""

from __future__ import annotations

import time

from i3d_bench.bench.server_view import ServerView

# The server counts a request a little after it has answered it.
_SETTLES_S = 0.02
_LATEST_S = 1.0


class OtherRequests:
    """Counts from when it is made.

    Args:
        view: of the server.
        own_segments: that the run is going to ask for.
    """

    def __init__(self, view: ServerView, *, own_segments: int) -> None:
        self._view = view
        self._own = own_segments
        time.sleep(_SETTLES_S)
        self._before = view.segments_answered()

    def segments(self) -> int | None:
        """Return how many segments others were answered; None if that is not to be seen.

        Below 0 the server has counted fewer than the run asked for, so its count says nothing.
        """
        if self._before is None:
            return None
        latest = time.monotonic() + _LATEST_S
        while (now := self._view.segments_answered()) is not None:
            others = now - self._before - self._own
            if others >= 0 or time.monotonic() > latest:
                return others
            time.sleep(_SETTLES_S)
        return None
