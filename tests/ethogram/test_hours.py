"""Time per hour: exact sums, exact borders, by the recording's clock or the wall's."""

import csv
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from tests.ethogram.any_ethogram import any_ethogram
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.tables.hours import HOURS_FILE, hours_of, write_hours

HOUR_US = 3_600_000_000


def rows_of(folder: Path, ethogram: Ethogram) -> list[dict[str, str]]:
    write_hours(folder, ethogram)
    with (folder / HOURS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_bout_is_divided_where_an_hour_ends(tmp_path: Path) -> None:
    ethogram = make_ethogram([(Status.BEFORE_FIRST, 0.5), ("groom", 3599), ("rest", 7200.2)])
    rows = rows_of(tmp_path, ethogram)
    groom, rest = ([row[label] for row in rows] for label in ("groom", "rest"))
    assert groom == ["3599.000000", "0.000000", "0.000000"]
    assert rest == ["0.500000", "3600.000000", "3599.700000"]
    assert [row["unscored"] for row in rows] == ["0.500000", "0.000000", "0.000000"]
    assert [row["hour"] for row in rows] == ["0", "1", "2"]
    assert [row["clock"] for row in rows] == ["", "", ""]
    assert [row["start_s"] for row in rows] == ["0.000000", "3600.000000", "7200.000000"]
    assert rows[-1]["stop_s"] == "10799.700000"


def test_hours_are_those_on_the_wall_if_it_is_known_when_the_recording_began(
    tmp_path: Path,
) -> None:
    begun = datetime(2026, 12, 31, 22, 59, 30)
    ethogram = make_ethogram([("groom", 60), ("rest", 3600)], recorded_at=begun)
    rows = rows_of(tmp_path, ethogram)
    assert [row["clock"] for row in rows] == [
        "2026-12-31T22:00:00",
        "2026-12-31T23:00:00",
        "2027-01-01T00:00:00",
    ]
    assert [row["groom"] for row in rows] == ["30.000000", "30.000000", "0.000000"]
    assert [row["rest"] for row in rows] == ["0.000000", "3570.000000", "30.000000"]
    assert [row["stop_s"] for row in rows] == ["30.000000", "3630.000000", "3660.000000"]


def test_a_time_zone_stays(tmp_path: Path) -> None:
    begun = datetime(2026, 1, 1, 0, 30, tzinfo=UTC)
    rows = rows_of(tmp_path, make_ethogram([("rest", 10)], recorded_at=begun))
    assert [row["clock"] for row in rows] == ["2026-01-01T00:00:00+00:00"]


def test_a_recording_that_ends_with_an_hour_has_no_empty_one_after_it() -> None:
    hours = hours_of(make_ethogram([("rest", 7200)], fps=Fraction(25)))
    assert [(hour.number, hour.total_us) for hour in hours] == [(0, HOUR_US), (1, HOUR_US)]


def test_hours_count_from_the_recordings_first_frame_not_the_first_classified_one() -> None:
    whole = make_ethogram([("rest", 3600), ("groom", 3599), ("walk", 2)])
    cut = replace(
        whole,
        first_frames=whole.first_frames[1:],
        times_us=whole.times_us[1:],
        codes=whole.codes[1:],
        statuses=whole.statuses[1:],
        scores=whole.scores[1:],
    )
    hours = hours_of(cut)
    assert [hour.number for hour in hours] == [1, 2]
    assert [hour.start_us for hour in hours] == [HOUR_US, 2 * HOUR_US]
    hours = hours_of(replace(cut, recorded_at=datetime(2026, 1, 1, 8, 30)))
    assert [hour.number for hour in hours] == [1, 2]
    assert [hour.clock for hour in hours] == [datetime(2026, 1, 1, 9), datetime(2026, 1, 1, 10)]
    assert [hour.start_us for hour in hours] == [HOUR_US, 3 * HOUR_US // 2]


@given(any_ethogram())
def test_labels_and_unscored_time_add_up_to_the_microsecond(ethogram: Ethogram) -> None:
    hours = hours_of(ethogram)
    assert sum(hour.total_us for hour in hours) == ethogram.duration_us
    for hour in hours:
        assert int(hour.label_us.sum()) + hour.unscored_us == hour.total_us
        assert 0 < hour.total_us <= HOUR_US
        assert hour.unscored_us >= 0
        assert (hour.label_us >= 0).all()
    label_us = sum((hour.label_us for hour in hours), np.zeros(len(HOMECAGE9), np.int64))
    for code, label in enumerate(HOMECAGE9):
        assert label_us[code] == ethogram.durations_us[ethogram.codes == code].sum(), label
    unscored = ethogram.durations_us[ethogram.codes == UNSCORED].sum()
    assert sum(hour.unscored_us for hour in hours) == unscored


@given(any_ethogram())
def test_hours_follow_one_another_and_begin_on_the_hour(ethogram: Ethogram) -> None:
    hours = hours_of(ethogram)
    edges = [*(hour.start_us for hour in hours), *(hour.stop_us for hour in hours[-1:])]
    assert [hour.stop_us for hour in hours] == edges[1:]
    assert [hour.number for hour in hours] == list(
        range(hours[0].number if hours else 0, (hours[0].number if hours else 0) + len(hours))
    )
    for hour in hours[1:]:
        if ethogram.recorded_at is None:
            assert hour.clock is None
            assert hour.start_us == hour.number * HOUR_US
        else:
            begins = ethogram.recorded_at + timedelta(microseconds=hour.start_us)
            assert hour.clock == begins
            assert (begins.minute, begins.second, begins.microsecond) == (0, 0, 0)


@given(any_ethogram())
def test_the_table_adds_up_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, ethogram: Ethogram
) -> None:
    rows = rows_of(tmp_path_factory.mktemp("hours"), ethogram)
    for row in rows:
        parts = sum((Decimal(row[label]) for label in HOMECAGE9), Decimal(row["unscored"]))
        assert parts == Decimal(row["total"]) == Decimal(row["stop_s"]) - Decimal(row["start_s"])
    total = sum((Decimal(row["total"]) for row in rows), Decimal(0))
    assert total * 1_000_000 == ethogram.duration_us


def test_of_many_labels_those_that_occur_have_a_column(tmp_path: Path) -> None:
    labels = [f"label {number}" for number in range(400)]
    labels[7], labels[300] = 'shaking "hands", twice', "ärgern/ignorieren"
    ethogram = make_ethogram([(labels[300], 2), (labels[7], 3)], labels=labels)
    write_hours(tmp_path, ethogram)
    table = pd.read_csv(tmp_path / HOURS_FILE)
    before, after = ["hour", "clock", "start_s", "stop_s"], ["unscored", "total"]
    assert table.columns.tolist() == [*before, labels[7], labels[300], *after]
    assert table[labels[7]].tolist() == [3.0]


def test_a_label_that_is_called_as_another_column_keeps_apart_from_it(tmp_path: Path) -> None:
    ethogram = make_ethogram([("total", 2), ("rest", 1)], labels=("total", "rest"))
    rows = rows_of(tmp_path, ethogram)
    assert rows[0]["total (label)"] == "2.000000"
    assert rows[0]["total"] == "3.000000"


def test_a_recording_without_frames_has_no_hours(tmp_path: Path) -> None:
    ethogram = make_ethogram([("rest", 1)])
    empty = replace(
        ethogram,
        first_frames=np.zeros(1, np.int64),
        times_us=np.zeros(1, np.int64),
        codes=np.empty(0, np.int16),
        statuses=np.empty(0, np.uint8),
        scores=np.empty(0),
    )
    assert rows_of(tmp_path, empty) == []
