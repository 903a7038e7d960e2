"""The animal of a recording, in the terms that NWB and its archive, DANDI, ask for.

What is not known is said to be unknown in their own words: sex ``U``, age ``P0D/``, which is any
age. The species is left out: there is no word for an unknown one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from i3d_client.printable import printable

_ID = ("animal", "subject_id", "subject", "mouse")
_AS_THEY_ARE = ("species", "strain", "genotype")
_SEXES = {"m": "M", "male": "M", "f": "F", "female": "F", "o": "O", "other": "O"}
_UNKNOWN_SEX, _ANY_AGE = "U", "P0D/"
_DURATION = r"P(?=\w)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?"  # ISO 8601, of whole days or more
_AGE = re.compile(rf"{_DURATION}(/({_DURATION})?)?")


def subject_of(recording: str, animal: Mapping[str, str]) -> Any:
    """Return the NWB Subject.

    Args:
        recording: its name, which stands in for that of an animal that is not known.
        animal: what is known of it, by the name of the column: ``animal``, ``sex``, ``age`` (ISO
            8601: ``P12W``), ``species`` (``Mus musculus``), ``strain``, ``genotype``. All else, and
            what NWB would not understand, goes into the description.
    """
    from pynwb.file import Subject

    known = {name.strip().lower(): value.strip() for name, value in animal.items() if value.strip()}
    subject_id = _taken(known, _ID)
    sex = _SEXES.get(known.get("sex", "").lower())
    age = known["age"] if _AGE.fullmatch(known.get("age", "")) else None
    understood = {name for name, value in (("sex", sex), ("age", age)) if value is not None}
    fields = {name: known.pop(name) for name in _AS_THEY_ARE if name in known}
    others = [f"{name}: {value}" for name, value in known.items() if name not in understood]
    if subject_id is None:
        others.append("Which animal it is is not known: the id is the recording's name.")
    return Subject(
        subject_id=(subject_id or printable(recording)).replace("/", "_"),
        sex=sex or _UNKNOWN_SEX,
        age=age or _ANY_AGE,
        description="\n".join(others) or "No more is known of it.",
        **fields,
    )


def _taken(known: dict[str, str], names: Sequence[str]) -> str | None:
    """Remove and return the first of ``names`` that is known."""
    for name in names:
        if name in known:
            return known.pop(name)
    return None
