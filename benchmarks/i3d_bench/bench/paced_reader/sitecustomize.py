"""Python imports this at its start: frames take a set time in this process (``pacing``)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import av

from i3d_bench.bench.pacing import VARIABLE, paced
from i3d_client.video import Reader, Stretch

_frames = Reader.frames
_FRAME_S = float(os.environ[VARIABLE])


def _paced_frames(self: Reader, stretch: Stretch) -> Iterator[av.VideoFrame | None]:
    return paced(_frames(self, stretch), _FRAME_S)


Reader.frames = _paced_frames  # type: ignore[method-assign]
