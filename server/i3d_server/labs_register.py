"""``labs.json``: which labs there are, and what follows from it for the gateway's nginx.

Whatever is in the file is checked when it is read: names and caps become nginx text, and someone
may have edited it by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from i3d_server.labs_files import LabsError

VERSION = 1
MOST_IN_FLIGHT = 128
"""The largest number that nginx's limit_conn takes."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,38}[a-z0-9]")
# The first two are folders beside the labs'; the others mean something in nginx's map.
_TAKEN = {"authority", "gateway", "default", "include", "hostnames", "volatile"}
_LAB_KEYS = {"serial", "in_flight", "created", "expires", "revoked"}
_OPTIONAL_KEYS = {"earlier"}  # not in files of before there was `i3d labs renew`


@dataclass(frozen=True, kw_only=True)
class Lab:
    """One lab.

    Attributes:
        name: its certificate's common name.
        serial: its certificate's.
        in_flight: requests that it may have at the gateway at a time.
        created, expires: its certificate's, UTC.
        revoked: when; None if it is not.
        earlier: when each certificate expires that a renewal left valid, by its serial.
    """

    name: str
    serial: int
    in_flight: int
    created: datetime
    expires: datetime
    revoked: datetime | None = None
    earlier: dict[int, datetime] = field(default_factory=dict)

    @property
    def state(self) -> Literal["live", "expired", "revoked"]:
        """Whether a certificate of it is taken."""
        if self.revoked is not None:
            return "revoked"
        last = max([self.expires, *self.earlier.values()])
        return "expired" if last <= datetime.now(UTC) else "live"

    @property
    def earlier_until(self) -> datetime | None:
        """Until when an earlier certificate is taken beside the newest; None if none is."""
        last = max(self.earlier.values(), default=None)
        if self.state != "live" or last is None or last <= datetime.now(UTC):
            return None
        return last


@dataclass(frozen=True)
class Register:
    """All labs, and the certificates that must never be taken again.

    Attributes:
        labs: by name; of a name that was given again, the newest.
        revoked: when each serial was revoked, also those of names that were given again.
    """

    labs: dict[str, Lab] = field(default_factory=dict)
    revoked: dict[int, datetime] = field(default_factory=dict)

    def with_lab(self, lab: Lab) -> Register:
        """Return a register with the lab in its name's place."""
        return replace(self, labs={**self.labs, lab.name: lab})

    def with_revoked(self, name: str, when: datetime) -> Register:
        """Return a register in which the lab's certificates are revoked, also earlier ones."""
        lab = replace(self.labs[name], revoked=when)
        serials = dict.fromkeys([lab.serial, *lab.earlier], when)
        return replace(self.with_lab(lab), revoked={**self.revoked, **serials})

    def to_json(self) -> str:
        """Return the content of ``labs.json``."""
        labs = {
            lab.name: {
                "serial": f"{lab.serial:x}",
                "in_flight": lab.in_flight,
                "created": _written(lab.created),
                "expires": _written(lab.expires),
                "revoked": None if lab.revoked is None else _written(lab.revoked),
                "earlier": {f"{serial:x}": _written(end) for serial, end in lab.earlier.items()},
            }
            for lab in sorted(self.labs.values(), key=lambda lab: lab.name)
        }
        revoked = {f"{serial:x}": _written(when) for serial, when in self.revoked.items()}
        return json.dumps({"version": VERSION, "labs": labs, "revoked": revoked}, indent=2) + "\n"

    @staticmethod
    def from_json(text: str | bytes) -> Register:
        """Read ``labs.json``.

        Raises:
            LabsError: it is not what ``to_json`` writes; the message says where.
        """
        try:
            document = json.loads(text)
            if document.keys() != {"version", "labs", "revoked"}:
                raise ValueError(f"keys: expected version, labs, revoked, got {list(document)}")
            if document["version"] != VERSION:
                raise ValueError(f"version: expected {VERSION}, got {document['version']!r}")
            labs = {name: _lab(name, entry) for name, entry in document["labs"].items()}
            revoked = {int(key, 16): _time(when) for key, when in document["revoked"].items()}
        except (ValueError, TypeError, KeyError, AttributeError, LabsError) as error:
            raise LabsError(f"labs.json is not as `i3d labs` writes it: {error}") from error
        return Register(labs=labs, revoked=revoked)


def check_name(name: str) -> str:
    """Return a lab's name.

    Raises:
        LabsError: it cannot be one.
    """
    if _NAME.fullmatch(name) is None:
        raise LabsError(
            f"name of a lab: expected 2 to 40 of a–z, 0–9 and -, with no - at an end, got {name!r}"
        )
    if name in _TAKEN:
        raise LabsError(f"name of a lab: {name!r} has another meaning here: choose another name")
    return name


def check_in_flight(in_flight: object) -> int:
    """Return a cap on requests in flight.

    Raises:
        LabsError: it is none.
    """
    if type(in_flight) is not int or not 1 <= in_flight <= MOST_IN_FLIGHT:
        raise LabsError(f"requests in flight: expected 1 to {MOST_IN_FLIGHT}, got {in_flight!r}")
    return in_flight


def caps_text(labs: Iterable[Lab]) -> str:
    """Return ``caps.conf``, which nginx includes in ``http``: labs, a key and a zone for every cap.

    A lab whose cap is another has an empty key there, which ``limit_conn`` does not count; so one
    that is not listed, and would have no cap at all, is refused.
    """
    caps: dict[int, list[str]] = {}
    for lab in labs:
        caps.setdefault(lab.in_flight, []).append(lab.name)
    listed = "".join(
        f'    "{name}" yes;\n' for name in sorted(n for names in caps.values() for n in names)
    )
    parts = [
        "# Written by `i3d labs`: do not edit.\n"
        f'map $i3d_lab $i3d_listed {{\n    default "";\n{listed}}}\n'
    ]
    for cap, names in sorted(caps.items()):
        entries = "".join(f'    "{name}" "{name}";\n' for name in sorted(names))
        parts.append(
            f'map $i3d_lab $i3d_cap_{cap} {{\n    default "";\n{entries}}}\n'
            f"limit_conn_zone $i3d_cap_{cap} zone=i3d_cap_{cap}:1m;\n"
        )
    return "".join(parts)


def caps_limits_text(labs: Iterable[Lab]) -> str:
    """Return ``caps_limits.conf``, which nginx includes where requests are limited."""
    caps = sorted({lab.in_flight for lab in labs})
    lines = [f"limit_conn i3d_cap_{cap} {cap};\n" for cap in caps]
    return "".join(["# Written by `i3d labs`: do not edit.\n", *lines])


def _lab(name: str, entry: dict[str, Any]) -> Lab:
    if entry.keys() - _OPTIONAL_KEYS != _LAB_KEYS:
        raise ValueError(f"{name}: expected {sorted(_LAB_KEYS)}, got {sorted(entry)}")
    return Lab(
        name=check_name(name),
        serial=int(entry["serial"], 16),
        in_flight=check_in_flight(entry["in_flight"]),
        created=_time(entry["created"]),
        expires=_time(entry["expires"]),
        revoked=None if entry["revoked"] is None else _time(entry["revoked"]),
        earlier={int(key, 16): _time(end) for key, end in entry.get("earlier", {}).items()},
    )


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    if when.tzinfo is None:
        raise ValueError(f"time without its offset from UTC: {text!r}")
    return when


def _written(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="seconds")
