"""How the page writes times and shares."""

from __future__ import annotations


def clock_text(microseconds: int) -> str:
    """Write a time of a recording as ``h:mm:ss.s``, cut off after the tenth.

    Not rounded: a moment that is named must not come after the bout that begins there.
    """
    tenths = microseconds // 100_000
    seconds, tenth = divmod(tenths, 10)
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{tenth}"


def length_text(microseconds: float) -> str:
    """Write a length in the unit that suits it: ``0.23 s``, ``4 min 05 s``, ``3 h 20 min``.

    Rounded to the last digit that is shown.
    """
    seconds = microseconds / 1e6
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def share_text(part: float, whole: float) -> str:
    """Write a part of a whole in per cent; what is not nothing does not look like nothing."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.05:
        return "< 0.1 %"
    return f"{percent:.1f} %"
