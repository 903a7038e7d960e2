"""Text as small pictures of how much of each pixel it covers.

Drawn once by matplotlib, whose font has most scripts, and kept: a video shows the same few labels
in each of its frames. OpenCV's own text has ASCII alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import MissingExtraError

Mask = NDArray[np.float32]
"""(height, width) float32, 0 … 1."""


class TextMasks:
    """Draws text of one size.

    Args:
        size_px: of the font.

    Attributes:
        height: of every mask, pixels; they share a base line.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """

    def __init__(self, size_px: int) -> None:
        try:
            import matplotlib  # noqa: F401
        except ModuleNotFoundError as error:
            raise MissingExtraError("report", needed_for="--overlay") from error
        self.height = round(size_px * 1.4)
        self._size_px = size_px
        self._kept: dict[str, Mask] = {}

    def text(self, text: str) -> Mask:
        """Return a mask of one line of text, as wide as it is."""
        if text not in self._kept:
            self._kept[text] = self._draw(text)
        return self._kept[text]

    def number(self, text: str) -> Mask:
        """Return a mask of digits and signs, each in a cell of its own: they stay in their place.

        Drawn from single characters, so that not every time of day has to be kept.
        """
        wide = self.text("0").shape[1] + 1
        cells = []
        for character in text:
            width = wide if character.isdigit() else wide // 2 + 1
            glyph = self.text(character)[:, :width]
            left = (width - glyph.shape[1]) // 2
            cells.append(np.pad(glyph, ((0, 0), (left, width - glyph.shape[1] - left))))
        return np.concatenate(cells, axis=1)

    def _draw(self, text: str) -> Mask:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.font_manager import FontProperties

        font = FontProperties(size=self._size_px)  # a point is a pixel at 72 dots an inch
        measure = FigureCanvasAgg(Figure(dpi=72)).get_renderer()
        width = max(2, int(measure.get_text_width_height_descent(text, font, ismath=False)[0]) + 2)
        figure = Figure(figsize=(width / 72, self.height / 72), dpi=72)
        canvas = FigureCanvasAgg(figure)
        figure.text(0, 0.3, text, fontproperties=font, va="baseline", parse_math=False)
        figure.patch.set_alpha(0)
        canvas.draw()
        covered: Mask = np.asarray(canvas.buffer_rgba())[..., 3].astype(np.float32) / 255
        return covered
