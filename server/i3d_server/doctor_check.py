"""One check of ``i3d doctor``: a line that says what was looked at, what there is, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from i3d_server.releases import Judgement


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what.
        status: ``ok``; ``warning``: it may work all the same, or cannot be said; ``problem``: the
            stack will not start, or not be safe.
        says: what there is.
        advice: what to do; empty if nothing.
    """

    name: str
    status: Judgement
    says: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" → {self.advice}" if self.advice else ""
        return f"{self.status:<8} {self.name:<18} {self.says}{advice}"
