"""What a device costs for an hour. No price is known here: who measures says it, with its source.

A file of prices (``i3d bench --prices FILE.toml``) names where each comes from and of which day it
is, since what a cloud asks changes::

    [[price]]
    name = "what the table calls it"
    per_device_hour = 1.25
    currency = "EUR"
    date = 2026-11-25
    source = "where it can be looked up"

The one price in this code is the paper's, which stands beside the paper's own costs and is never
applied to a run.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from i3d_client.errors import InputError
from i3d_client.printable import printable

_KEYS = ("name", "per_device_hour", "currency", "date", "source")


@dataclass(frozen=True, kw_only=True)
class Price:
    """The price of a device, with the machine that it is in, for an hour.

    Attributes:
        name: as shown.
        per_device_hour: in ``currency``.
        currency: such as ``USD``; "" if it was not said.
        date: that the price is of, ISO 8601; None if it is not known.
        source: where it comes from.
    """

    name: str
    per_device_hour: float
    currency: str
    date: str | None
    source: str


PAPER_PRICE = Price(
    name="the paper's V100",
    per_device_hour=1.50,
    currency="USD",
    date=None,
    source="Govindarajan, Kakodkar, Serre: A practitioner's guide to improve the logistics of "
    "spatiotemporal deep neural networks for animal behavior analysis",
)


def price_entry(*, per_device_hour: float | None, prices: Path | None) -> dict[str, Any] | None:
    """Return what ``bench.json`` keeps as ``price``: None if no price was given.

    The first price of a file is the one; the file's others are kept with it, as ``others``.

    Args:
        per_device_hour: a number that was given as it is (``--price``).
        prices: a file of named prices (``--prices``).

    Raises:
        InputError: both were given, or the file cannot be used.
    """
    if per_device_hour is not None and prices is not None:
        raise InputError("expected --price or --prices, got both: leave one out")
    if prices is not None:
        first, *others = read_prices(prices)
        return {**asdict(first), "others": [asdict(price) for price in others]}
    if per_device_hour is None:
        return None
    given = Price(
        name="--price",
        per_device_hour=per_device_hour,
        currency="",
        date=None,
        source="given on the command line",
    )
    return asdict(given)


def prices_of(entry: Mapping[str, Any] | None) -> tuple[Price, ...]:
    """Return the prices that ``price_entry`` made an entry of.

    Raises:
        KeyError: one of their parts is missing.
    """
    if entry is None:
        return ()
    entries = (entry, *entry.get("others", ()))
    return tuple(
        Price(
            name=str(one["name"]),
            per_device_hour=float(one["per_device_hour"]),
            currency=one["currency"] or "",
            date=one["date"],
            source=str(one["source"]),
        )
        for one in entries
    )


def read_prices(path: Path) -> tuple[Price, ...]:
    """Read a file of named prices.

    Raises:
        InputError: it cannot be read, has no price, or a price that is not whole.
    """
    try:
        document = tomllib.loads(path.read_text())
    except OSError as error:
        raise InputError(f"{printable(path)}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{printable(path)}: not TOML: {error}") from error
    entries = document.pop("price", None)
    if document or not isinstance(entries, list) or not entries:
        got = ", ".join(document) or "none"
        raise InputError(f"{printable(path)}: expected tables [[price]] and no more, got {got}")
    prices = tuple(
        _price(entry, where=f"{printable(path)}, price {number}")
        for number, entry in enumerate(entries, 1)
    )
    names = [price.name for price in prices]
    if len(set(names)) < len(names):
        raise InputError(f"{printable(path)}: two prices have one name: {', '.join(names)}")
    return prices


def _price(entry: Mapping[str, Any], *, where: str) -> Price:
    if set(entry) != set(_KEYS):
        raise InputError(f"{where}: expected {', '.join(_KEYS)}, got {', '.join(entry) or 'none'}")
    per_device_hour = entry["per_device_hour"]
    is_number = isinstance(per_device_hour, int | float) and not isinstance(per_device_hour, bool)
    if not is_number or not math.isfinite(per_device_hour) or per_device_hour < 0:
        raise InputError(
            f"{where}: per_device_hour: expected a number, 0 or more, got {per_device_hour!r}"
        )
    for key in ("name", "currency", "source"):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise InputError(f"{where}: {key}: expected some text, got {entry[key]!r}")
    return Price(
        name=entry["name"],
        per_device_hour=float(per_device_hour),
        currency=entry["currency"],
        date=_day(entry["date"], where=where),
        source=entry["source"],
    )


def _day(value: Any, *, where: str) -> str:
    try:
        day = value if type(value) is date else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise InputError(
            f"{where}: date: expected a day such as 2026-11-25, got {value!r}"
        ) from None
    return day.isoformat()
