"""A picture of a video as its planes of light and colour, to be drawn on without leaving them.

A way through RGB and back would change every pixel a little, and takes longer than the drawing.
"""

from __future__ import annotations

from functools import cache

import av
import numpy as np
from av.video.reformatter import ColorRange
from numpy.typing import NDArray

from i3d_ethogram.formats.text_masks import Mask

Ycc = tuple[int, int, int]
"""Light and colour of limited range: 16 … 235, 16 … 240, 16 … 240."""

# Shares of red and blue in light: ITU-R BT.601 and BT.709; the second has FFmpeg's number 1.
_SHARES = {False: (0.299, 0.114), True: (0.2126, 0.0722)}
_BT709 = 1


class Planes:
    """A picture that is drawn on, 4:2:0, of limited range, with even sides.

    Args:
        frame: what is on it; an odd side is made even by doubling its last line.
        rotation: degrees counter-clockwise by which it is turned first: 0, 90, 180, 270.

    Attributes:
        width, height: pixels.
        bt709: by which of the two standards colours are to be read.
    """

    def __init__(self, frame: av.VideoFrame, *, rotation: int) -> None:
        self.bt709 = int(frame.colorspace) == _BT709
        planes = _planes(frame)
        turned = [np.rot90(plane, rotation // 90) for plane in planes]
        self.height, self.width = turned[0].shape
        self._array = np.empty((self.height * 3 // 2, self.width), np.uint8)
        self._luma = self._array[: self.height]
        self._chroma = self._array[self.height :].reshape(2, self.height // 2, self.width // 2)
        self._luma[:] = turned[0]
        self._chroma[0], self._chroma[1] = turned[1], turned[2]

    def frame(self) -> av.VideoFrame:
        """Return the picture, without timestamp."""
        return av.VideoFrame.from_ndarray(self._array, format="yuv420p")

    def fill(
        self, left: int, top: int, right: int, bottom: int, colour: str, *, opacity: float = 1.0
    ) -> None:
        """Cover pixels ``[left, right)`` × ``[top, bottom)``; what lies outside is left out."""
        left, top = max(left, 0), max(top, 0)
        light, *tints = ycc_of(colour, bt709=self.bt709)
        _blend(self._luma[top : max(bottom, 0), left : max(right, 0)], light, opacity)
        halves = slice(top // 2, max(bottom, 0) // 2), slice(left // 2, max(right, 0) // 2)
        for plane, tint in zip(self._chroma, tints, strict=True):
            _blend(plane[halves], tint, opacity)

    def write(self, mask: Mask, left: int, top: int, colour: str, *, right: int) -> None:
        """Write text with its upper left corner there, cut off at ``right``."""
        right = min(right, self.width)
        below = max(0, self.height - top)
        mask = mask[max(0, -top) : below, max(0, -left) : max(0, right - left)]
        left, top = max(left, 0), max(top, 0)
        if not mask.size:
            return
        rows, columns = mask.shape
        light, *tints = ycc_of(colour, bt709=self.bt709)
        _blend(self._luma[top : top + rows, left : left + columns], light, mask)
        small = mask[top % 2 :: 2, left % 2 :: 2]
        top, left = (top + 1) // 2, (left + 1) // 2
        for plane, tint in zip(self._chroma, tints, strict=True):
            part = plane[top : top + small.shape[0], left : left + small.shape[1]]
            _blend(part, tint, small[: part.shape[0], : part.shape[1]])


@cache
def ycc_of(colour: str, *, bt709: bool) -> Ycc:
    """Return a colour ``#rrggbb`` as light and colour."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    of_red, of_blue = _SHARES[bt709]
    light = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    blueness = (blue - light) / (2 - 2 * of_blue)
    redness = (red - light) / (2 - 2 * of_red)
    return round(16 + 219 * light), round(128 + 224 * blueness), round(128 + 224 * redness)


def _blend(part: NDArray[np.uint8], value: int, opacity: float | Mask) -> None:
    if isinstance(opacity, float) and opacity == 1.0:
        part[:] = value
    else:
        part[:] = (part + (value - part.astype(np.float32)) * opacity + 0.5).astype(np.uint8)


def _planes(frame: av.VideoFrame) -> list[NDArray[np.uint8]]:
    picture = frame.reformat(format="yuv420p", dst_color_range=ColorRange.MPEG)
    planes = []
    for plane in picture.planes:
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(lines[:, : plane.width])
    odd = ((0, picture.height % 2), (0, picture.width % 2))
    return [np.pad(planes[0], odd, mode="edge"), planes[1], planes[2]]
