"""Numbers on the command line that are numbers: click's own takes ``nan`` and ``inf``."""

from __future__ import annotations

import math
from typing import Any

import click

MOST_SECONDS = 1e9
"""Of an option that is a moment of a recording: 31 years, and whole microseconds in 64 bits."""


class FiniteFloat(click.FloatRange):
    """A finite number in a range."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the number; end with a usage error where it is none."""
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return float(super().convert(number, param, ctx))


MOMENT_S = FiniteFloat(-MOST_SECONDS, MOST_SECONDS)
