"""When a recording began: given once, or read from the names of the files.

Strict, since a wrong hour shifts a whole day of behaviour against light and dark: a date without a
time, or one that no calendar has, is an error and never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePath

from i3d_client.errors import InputError
from i3d_client.printable import printable

# What each directive of datetime.strptime may stand for in a name.
_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{1,2}",
    "b": r"[^\W\d_]+",
    "B": r"[^\W\d_]+",
    "d": r"\d{1,2}",
    "j": r"\d{1,3}",
    "H": r"\d{1,2}",
    "I": r"\d{1,2}",
    "p": r"[AaPp][Mm]",
    "M": r"\d{1,2}",
    "S": r"\d{1,2}",
    "f": r"\d{1,6}",
    "z": r"(?:[+-]\d{2}:?\d{2}|Z)",
    "%": "%",
}
_EXAMPLE = "2026-11-25T14:30:00, or a pattern such as %Y-%m-%d_%H-%M-%S"


@dataclass(frozen=True)
class RecordedAt:
    """A moment, or a pattern that finds one in a name.

    Attributes:
        moment: of every recording; None if there is a pattern.
        pattern: as of ``datetime.strptime``; None if there is a moment.
    """

    moment: datetime | None = None
    pattern: str | None = None

    @classmethod
    def parse(cls, text: str) -> RecordedAt:
        """Read an ISO 8601 date and time, or a pattern, which is what has a ``%`` in it.

        Raises:
            InputError: it is neither, or does not say the day and the hour.
        """
        if "%" in text:
            _expression(text)
            return cls(pattern=text)
        if _is_date(text):
            raise InputError(f"recorded at {text!r}: has no time of day; expected {_EXAMPLE}")
        try:
            return cls(moment=datetime.fromisoformat(text))
        except ValueError as error:
            raise InputError(f"recorded at {text!r}: {error}; expected {_EXAMPLE}") from error

    def of(self, name: str) -> datetime:
        """Return when the recording of this name began.

        A pattern may fit anywhere in the last part of the name, the file's own; if there is a ``/``
        in the pattern, anywhere in the whole. The first place where it fits counts. Digits are not
        cut: ``%H`` does not fit inside ``2026``.

        Args:
            name: of the recording's folder, relative to the folder of all results.

        Raises:
            InputError: the pattern does not fit, or fits what is not a date and time.
        """
        if self.pattern is None:
            assert self.moment is not None  # noqa: S101 - one of the two is there
            return self.moment
        searched = name if "/" in self.pattern else PurePath(name).name
        found = _expression(self.pattern).search(searched)
        where = f"{printable(name)}: recorded at {self.pattern!r}"
        if found is None:
            raise InputError(
                f"{where}: the pattern does not fit anywhere in this name. Correct it, rename the "
                "file, or leave it out: hours then count from the first frame"
            )
        try:
            return datetime.strptime(found[0], self.pattern)
        except ValueError as error:
            raise InputError(f"{where}: {found[0]!r} is not a date and time: {error}") from error


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _expression(pattern: str) -> re.Pattern[str]:
    """Return what finds a pattern in a name.

    Raises:
        InputError: a directive is not known, or the day or the hour is not in it.
    """
    parts = re.split(r"%(.?)", pattern, flags=re.DOTALL)
    texts, directives = parts[0::2], parts[1::2]
    for directive in directives:
        if directive not in _DIRECTIVES:
            known = " ".join(f"%{known}" for known in _DIRECTIVES)
            raise InputError(
                f"recorded at {pattern!r}: unknown directive %{directive}; known are {known}"
            )
    twice = sorted({f"%{known}" for known in directives if directives.count(known) > 1} - {"%%"})
    if twice:
        raise InputError(f"recorded at {pattern!r}: {', '.join(twice)} is in it twice")
    _require_day_and_hour(pattern, set(directives))
    wanted = re.escape(texts[0])
    for directive, text in zip(directives, texts[1:], strict=True):
        wanted += _DIRECTIVES[directive] + re.escape(text)
    return re.compile(rf"(?<!\d){wanted}(?!\d)")


def _require_day_and_hour(pattern: str, directives: set[str]) -> None:
    year = directives & {"Y", "y"}
    day = "j" in directives or ("d" in directives and directives & {"m", "b", "B"})
    hour = "H" in directives or {"I", "p"} <= directives
    for there, what in ((year, "year"), (day, "month and day"), (hour, "hour")):
        if not there:
            raise InputError(
                f"recorded at {pattern!r}: does not say the {what}; expected a pattern such as "
                "%Y-%m-%d_%H-%M-%S"
            )
