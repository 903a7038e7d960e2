"""A video's segments as the paper's pipelines read them: OpenCV, one frame after another.

For any contract. A frame that two segments share is read once. One thread decodes, so that a
pipeline uses the cores that it says and no others (OpenCV's own choice is one thread a core).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_bench.bench.pacing import Pace
from i3d_client.contract import ModelContract


class SegmentReader:
    """Reads segments in order, from one of them on.

    Args:
        video: a file.
        contract: gives T, stride, N and the geometry.
        num_frames: of the video that count; the last of them pads a segment that is short.
        first_segment: to begin with.
        decoder_threads: of FFmpeg; 0 is OpenCV's own choice.
        frame_s: that a frame takes at least, see ``pacing``; 0 for a real reader.

    Raises:
        RuntimeError: OpenCV cannot open the video.
    """

    def __init__(
        self,
        video: Path,
        contract: ModelContract,
        *,
        num_frames: int,
        first_segment: int = 0,
        decoder_threads: int = 1,
        frame_s: float = 0.0,
    ) -> None:
        self._video = video
        self._pace = Pace(frame_s) if frame_s else None
        self._contract = contract
        self._num_frames = num_frames
        self._advance = contract.windows_per_segment * contract.stride
        self._next = first_segment * self._advance
        self._previous: NDArray[np.uint8] | None = None
        options = [cv2.CAP_PROP_N_THREADS, decoder_threads] if decoder_threads else []
        self._capture = cv2.VideoCapture(str(video), cv2.CAP_FFMPEG, options)
        if not self._capture.isOpened():
            raise RuntimeError(f"{video}: OpenCV cannot open it")
        if self._next:
            self._capture.set(cv2.CAP_PROP_POS_FRAMES, self._next)

    def read(self) -> NDArray[np.uint8]:
        """Return the next segment: (S, height, width, channels) uint8, a new array.

        Raises:
            RuntimeError: OpenCV cannot read a frame of it.
        """
        segment = np.empty(self._contract.segment_shape, np.uint8)
        shared = 0
        if self._previous is not None:
            shared = len(segment) - self._advance
            segment[:shared] = self._previous[self._advance :]
        stop = min(len(segment), self._num_frames - self._next)
        for row in range(shared, stop):
            asked = time.monotonic()
            read, picture = self._capture.read()
            if not read:
                raise RuntimeError(f"{self._video}: OpenCV cannot read frame {self._next + row}")
            to_geometry(picture, segment[row], self._contract)
            if self._pace is not None:
                self._pace.wait(asked)
        segment[stop:] = segment[stop - 1]
        self._next += self._advance
        self._previous = segment
        return segment

    def close(self) -> None:
        """Close the file."""
        self._capture.release()

    def __enter__(self) -> SegmentReader:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def to_geometry(picture: NDArray[Any], out: NDArray[np.uint8], contract: ModelContract) -> None:
    """Bring a picture, (height, width, 3) BGR uint8, to the contract's geometry and colour."""
    scaled = _scaled(picture, contract)
    if contract.colour == "grey":
        out[..., 0] = cv2.cvtColor(scaled, cv2.COLOR_BGR2GRAY)
    else:
        cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB, dst=out)


def _scaled(picture: NDArray[Any], contract: ModelContract) -> NDArray[Any]:
    short_side = contract.resize.short_side
    if short_side is None:
        return cv2.resize(picture, (contract.width, contract.height))
    height, width = picture.shape[:2]
    scale = short_side / min(height, width)
    scaled = cv2.resize(picture, (round(width * scale), round(height * scale)))
    top = (scaled.shape[0] - contract.height) // 2
    left = (scaled.shape[1] - contract.width) // 2
    return scaled[top : top + contract.height, left : left + contract.width]
