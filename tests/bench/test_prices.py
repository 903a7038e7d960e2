"""Prices come from whoever measures, whole, or not at all."""

import json
from pathlib import Path

import pytest

from i3d_bench.bench.prices import price_entry, prices_of, read_prices
from i3d_client.errors import InputError

TWO = """
[[price]]
name = "cloud"
per_device_hour = 1.25
currency = "EUR"
date = 2026-11-25
source = "a list of prices"

[[price]]
name = "our own, written off over 4 years"
per_device_hour = 1
currency = "EUR"
date = "2026-01-02"
source = "the lab's accounts"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return path


def test_a_file_of_prices_goes_through_bench_json(tmp_path: Path) -> None:
    path = write(tmp_path, TWO)
    entry = price_entry(per_device_hour=None, prices=path)
    assert entry is not None
    assert (entry["name"], entry["per_device_hour"], entry["date"]) == ("cloud", 1.25, "2026-11-25")
    assert prices_of(json.loads(json.dumps(entry))) == read_prices(path)
    assert [price.date for price in read_prices(path)] == ["2026-11-25", "2026-01-02"]


def test_a_number_alone_has_no_currency_and_no_date() -> None:
    (price,) = prices_of(price_entry(per_device_hour=1.5, prices=None))
    assert (price.per_device_hour, price.currency, price.date) == (1.5, "", None)


def test_no_price_is_known_here() -> None:
    assert price_entry(per_device_hour=None, prices=None) is None
    assert prices_of(None) == ()


def test_both_ways_at_once_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--price or --prices"):
        price_entry(per_device_hour=1.0, prices=write(tmp_path, TWO))


@pytest.mark.parametrize(
    ("whole", "changed", "message"),
    [
        ('source = "a list of prices"\n', "", "price 1: expected name, per_device_hour"),
        ("date = 2026-11-25\n", "", "price 1: expected name, per_device_hour"),
        ("1.25", "-1", "per_device_hour: expected a number, 0 or more, got -1"),
        ("1.25", "nan", "per_device_hour: expected a number, 0 or more, got nan"),
        ("1.25", "true", "per_device_hour: expected a number, 0 or more, got True"),
        ('"EUR"', '" "', "currency: expected some text"),
        ("2026-11-25", "2026-11-25T08:00:00", "date: expected a day such as 2026-11-25"),
        ("2026-11-25", '"yesterday"', "date: expected a day such as 2026-11-25, got 'yesterday'"),
        ('"cloud"', '"our own, written off over 4 years"', "two prices have one name"),
        ("[[price]]", "[[prices]]", r"expected tables \[\[price\]\] and no more, got prices"),
        ("1.25", ",", "not TOML"),
    ],
)
def test_a_price_that_is_not_whole_is_refused(
    tmp_path: Path, whole: str, changed: str, message: str
) -> None:
    assert whole in TWO
    with pytest.raises(InputError, match=message):
        read_prices(write(tmp_path, TWO.replace(whole, changed, 1)))


def test_a_file_without_prices_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="got none"):
        read_prices(write(tmp_path, ""))
    with pytest.raises(InputError, match="No such file"):
        read_prices(tmp_path / "nothing.toml")
