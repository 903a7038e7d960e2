"""What is drawn on each picture of an overlay: the label, its score, the time, and bouts around it.

The bouts run through a strip at the bottom, past a line that is now, each with its name where it is
wide enough: so colours need not be told apart to read it.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from i3d_client.frame_status import STATUS_NAMES
from i3d_ethogram.colours import UNSCORED_COLOUR, colours_of
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.formats.planes import Planes, ycc_of
from i3d_ethogram.formats.text_masks import TextMasks

_STRIP_US = 20_000_000
_DARK, _LIGHT = "#000000", "#ffffff"
_OPACITY = 0.55
_SMALLEST_PX = 9
_LINES_IN_PICTURE = 26


class OverlayPicture:
    """Draws on the pictures of one recording.

    Args:
        ethogram: what they show.
        width, height: of a picture, pixels.
    """

    def __init__(self, ethogram: Ethogram, *, width: int, height: int) -> None:
        self._ethogram = ethogram
        side = min(height, width * 3 // 4)
        self._masks = TextMasks(max(_SMALLEST_PX, side // _LINES_IN_PICTURE))
        self._pad = max(2, self._masks.height // 5)
        self._bar = self._masks.height + 2 * self._pad
        occurring = {ethogram.labels[code] for code in np.unique(ethogram.codes) if code >= 0}
        self._colours = colours_of(ethogram.labels, shown=occurring)

    def draw(self, planes: Planes, *, time_us: int, score: float, run: int) -> None:
        """Draw what is known of the frame that is shown at ``time_us``.

        Args:
            planes: the picture.
            time_us: µs from the recording's first frame.
            score: probability of its label, 0 … 1; of no meaning where it is unscored.
            run: that it belongs to.
        """
        self._draw_top(planes, time_us, score, run)
        self._draw_strip(planes, time_us)

    def _draw_top(self, planes: Planes, time_us: int, score: float, run: int) -> None:
        bar, pad = self._bar, self._pad
        planes.fill(0, 0, planes.width, bar, _DARK, opacity=_OPACITY)
        planes.fill(pad, pad, bar - pad, bar - pad, self._colour(run))
        clock = self._masks.number(self._clock(time_us))
        clock_left = planes.width - pad - clock.shape[1]
        left = bar + pad
        if self._ethogram.codes[run] != UNSCORED:
            number = self._masks.number(f"{score:.2f}")
            planes.write(number, left, pad, _LIGHT, right=clock_left)
            left += number.shape[1] + 2 * pad
        planes.write(self._masks.text(self._name(run)), left, pad, _LIGHT, right=clock_left - pad)
        planes.write(clock, clock_left, pad, _LIGHT, right=planes.width)

    def _draw_strip(self, planes: Planes, time_us: int) -> None:
        ethogram, width = self._ethogram, planes.width
        top, bottom = planes.height - self._bar, planes.height
        planes.fill(0, top, width, bottom, _DARK, opacity=_OPACITY)
        begin_us = time_us - _STRIP_US // 2
        borders = ((ethogram.times_us - begin_us) * width // _STRIP_US).clip(-1, width + 1)
        first = max(0, int(np.searchsorted(borders, 0, side="right")) - 1)
        stop = int(np.searchsorted(borders, width, side="left"))
        for run in range(first, min(stop, len(ethogram.codes))):
            left, right = int(borders[run]), int(borders[run + 1])
            planes.fill(
                left, top + self._pad // 2, right, bottom - self._pad // 2, self._colour(run)
            )
            mask = self._masks.text(self._name(run))
            start = max(left, 0) + self._pad
            if start + mask.shape[1] <= right:
                ink = self._ink(planes, run)
                planes.write(mask, start, top + self._pad, ink, right=right)
        now = width // 2 // 2 * 2
        planes.fill(now - 2, top, now + 4, bottom, _DARK)
        planes.fill(now, top, now + 2, bottom, _LIGHT)

    def _ink(self, planes: Planes, run: int) -> str:
        return _DARK if ycc_of(self._colour(run), bt709=planes.bt709)[0] > 126 else _LIGHT

    def _colour(self, run: int) -> str:
        code = int(self._ethogram.codes[run])
        return UNSCORED_COLOUR if code == UNSCORED else self._colours[self._ethogram.labels[code]]

    def _name(self, run: int) -> str:
        code = int(self._ethogram.codes[run])
        if code != UNSCORED:
            return self._ethogram.labels[code]
        return f"unscored ({STATUS_NAMES[self._ethogram.statuses[run]].replace('_', ' ')})"

    def _clock(self, time_us: int) -> str:
        """Return the time of day if it is known, else hours, minutes and seconds of recording."""
        if self._ethogram.recorded_at is not None:
            now = self._ethogram.recorded_at + timedelta(microseconds=time_us)
            return now.strftime("%Y-%m-%d %H:%M:%S.") + f"{now.microsecond // 1000:03}"
        seconds, rest = divmod(time_us, 1_000_000)
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}.{rest // 1000:03}"
