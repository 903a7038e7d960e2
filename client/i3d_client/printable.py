"""Text that can be printed or written as JSON anywhere.

A file's name may hold any bytes but ``/`` and NUL. Python keeps those that are not UTF-8 as lone
surrogates, which no UTF-8 stream takes and which strict readers of JSON refuse; a line break or an
escape sequence in a name would spoil a table.
"""

from __future__ import annotations

import json
import math
import os
import unicodedata
from collections.abc import Mapping
from typing import Any

_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}


def printable(name: str | os.PathLike[str]) -> str:
    r"""Return a name with control characters and undecodable bytes as ``\n``, ``\xe4`` and so on.

    For showing alone: different names may look the same.
    """
    return "".join(_escaped(character) for character in os.fspath(name))


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNPRINTABLE:
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how surrogateescape keeps an undecodable byte
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def json_line(document: Mapping[str, Any]) -> str:
    """Return one line of ASCII JSON that every reader takes, whatever the values are.

    Paths become strings; NaN and infinities, which JSON does not have, become null; NumPy's
    numbers become numbers; what JSON does not know becomes its ``str``.
    """
    return json.dumps(_plain(document), allow_nan=False, separators=(",", ":"))


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str | os.PathLike):
        name = os.fspath(value)
        return printable(name if isinstance(name, str) else os.fsdecode(name))
    if isinstance(value, Mapping):
        return {printable(str(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    return printable(str(value))
