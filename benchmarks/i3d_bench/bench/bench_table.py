"""A table that is shown as Markdown and as HTML, and how its numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

NOTHING = "–"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells as text; the first column names the row.

    Attributes:
        title: one line above it.
        notes: sentences below it that a reader needs to judge it.
        words: columns, besides the first, that hold words and not numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [row for row in self.rows if len(row) != len(self.columns)]
        if wrong:
            raise ValueError(f"{self.title}: expected {len(self.columns)} cells, got {wrong[0]}")

    def is_words(self, column: str) -> bool:
        """Say whether a column holds words."""
        return column == self.columns[0] or column in self.words

    def markdown(self) -> str:
        """Return the table and its notes; the title is the caller's to place."""
        if not self.rows:
            return "Nothing of this was measured."
        lines = [
            _line(self.columns),
            "|"
            + "|".join("---" if self.is_words(column) else "---:" for column in self.columns)
            + "|",
            *(_line(row) for row in self.rows),
        ]
        if self.notes:
            lines += ["", one_line(" ".join(self.notes))]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(one_line(cell).replace("|", "\\|") for cell in cells) + " |"


def one_line(text: str) -> str:
    """Write text on one line of Markdown, in which it starts no element of HTML."""
    return " ".join(text.replace("<", "&lt;").split())


def seconds_text(seconds: float) -> str:
    """Write seconds with three digits or all whole ones: ``0.512 s``, ``41.3 s``, ``2,246 s``."""
    return f"{digits_text(seconds)} s"


def digits_text(number: float) -> str:
    """Write a number with three digits, or all of its whole ones."""
    if number >= 100:
        return f"{number:,.0f}"
    decimals = 1 if number >= 10 else 2 if number >= 1 else 3 if number else 0
    return f"{number:.{decimals}f}"


def money_text(amount: float) -> str:
    """Write an amount with two decimals, or more of them if it is small."""
    return f"{amount:,.2f}" if amount >= 0.1 else f"{amount:.2g}"


def share_text(share: float | None) -> str:
    """Write a share of 1 as percent."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def percent_text(percent: float | None) -> str:
    """Write percent as whole ones."""
    return NOTHING if percent is None else f"{percent:.0f} %"
