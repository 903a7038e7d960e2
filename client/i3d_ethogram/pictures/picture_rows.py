"""Which behaviours a picture shows, in which colours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from i3d_client.printable import printable
from i3d_ethogram.colours import OTHER_COLOUR, UNSCORED_COLOUR, colours_of
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.statistics import budget_us

MOST_LABELS = 12


@dataclass(frozen=True, kw_only=True)
class PictureRow:
    """A behaviour, or what a picture shows together.

    Attributes:
        name: shown; in one line, not too long.
        codes: indices of labels, or ``UNSCORED``.
        colour: ``#rrggbb``.
        time_us: that it takes in all.
        percent: the same, of the recording's duration.
    """

    name: str
    codes: tuple[int, ...]
    colour: str
    time_us: int
    percent: str


def rows_of(ethogram: Ethogram) -> list[PictureRow]:
    """Return a picture's rows, the unscored frames last.

    Up to 12 labels: all, in the contract's order. Of more: those that occur, the longest first; if
    they are more than 12, the rest of them together.
    """
    time_us, unscored_us = budget_us(ethogram)
    labels = ethogram.labels
    chosen, others = list(range(len(labels))), list[int]()
    if len(labels) > MOST_LABELS:
        longest = np.argsort(-time_us, kind="stable")
        occurring = [int(code) for code in longest if time_us[code]]
        chosen, others = occurring[:MOST_LABELS], occurring[MOST_LABELS:]
    colours = colours_of(labels, shown=[labels[code] for code in chosen])

    def row(name: str, codes: list[int], colour: str, time: int) -> PictureRow:
        return PictureRow(
            name=shortened(printable(name), 40),
            codes=tuple(codes),
            colour=colour,
            time_us=time,
            percent=_percent(time, ethogram.duration_us),
        )

    rows = [row(labels[code], [code], colours[labels[code]], int(time_us[code])) for code in chosen]
    if others:
        name = f"{len(others)} other behaviours" if len(others) > 1 else labels[others[0]]
        rows.append(row(name, others, OTHER_COLOUR, int(time_us[others].sum())))
    return [*rows, row("unscored", [UNSCORED], UNSCORED_COLOUR, unscored_us)]


def shortened(text: str, most: int) -> str:
    """Return a text with what is too much taken from its middle."""
    if len(text) <= most:
        return text
    return f"{text[: most // 2]}…{text[len(text) - (most - most // 2 - 1) :]}"


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the three bytes of ``#rrggbb``."""
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def _percent(part: int, whole: int) -> str:
    percent = 100 * part / whole if whole else 0.0
    return "< 0.1 %" if 0 < percent < 0.05 else f"{percent:.1f} %"
