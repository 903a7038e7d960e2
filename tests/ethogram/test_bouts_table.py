"""bouts.csv: every bout once, exactly, whatever its label is called."""

import csv
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from tests.ethogram.any_ethogram import any_ethogram
from tests.ethogram.synthetic import make_ethogram

from i3d_client.errors import OutputError
from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.tables.bouts_table import BOUTS_COLUMNS, BOUTS_FILE, write_bouts


def rows_of(folder: Path, ethogram: Ethogram) -> list[dict[str, str]]:
    write_bouts(folder, ethogram)
    with (folder / BOUTS_FILE).open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_row_a_bout(tmp_path: Path) -> None:
    ethogram = make_ethogram(
        [(Status.BEFORE_FIRST, 0.5), ("groom", 1), (Status.LOST, 0.1), ("rest", 2)],
        first_frame=100,
    )
    record = write_bouts(tmp_path, ethogram)
    assert (tmp_path / BOUTS_FILE).read_text().splitlines() == [
        "start_s,stop_s,start_frame,stop_frame,label,duration_s,score",
        "0.500000,1.500000,115,145,groom,1.000000,0.900000",
        "1.600000,3.600000,148,208,rest,2.000000,0.900000",
    ]
    assert record["bytes"] == (tmp_path / BOUTS_FILE).stat().st_size


@given(any_ethogram())
def test_bouts_and_what_lies_between_them_add_up_to_the_microsecond(
    tmp_path_factory: pytest.TempPathFactory, ethogram: Ethogram
) -> None:
    rows = rows_of(tmp_path_factory.mktemp("bouts"), ethogram)
    unscored = int(ethogram.durations_us[ethogram.codes == UNSCORED].sum())
    scored = sum((Decimal(row["duration_s"]) for row in rows), Decimal(0))
    assert scored * 1_000_000 + unscored == ethogram.duration_us
    at_us, gaps = int(ethogram.times_us[0]), 0
    for row in rows:
        start_us, stop_us = (int(Decimal(row[name]) * 1_000_000) for name in ("start_s", "stop_s"))
        assert stop_us - start_us == Decimal(row["duration_s"]) * 1_000_000
        assert start_us >= at_us
        gaps, at_us = gaps + start_us - at_us, stop_us
    assert gaps + int(ethogram.times_us[-1]) - at_us == unscored


LABELS = ("rest, quiet", 'the "moonwalk"', "=cmd()", "<script>", "füttern/essen")


def test_any_label_is_read_back_as_it_is(tmp_path: Path) -> None:
    ethogram = make_ethogram([(label, 1) for label in LABELS], labels=LABELS)
    write_bouts(tmp_path, ethogram)
    table = pd.read_csv(tmp_path / BOUTS_FILE)
    assert table.columns.tolist() == list(BOUTS_COLUMNS)
    assert table["label"].tolist() == list(LABELS)


def test_a_table_longer_than_is_held_at_once(tmp_path: Path) -> None:
    ethogram = make_ethogram([(("rest", "walk")[number % 2], 0.1) for number in range(9000)])
    rows = rows_of(tmp_path, ethogram)
    assert [row["start_frame"] for row in rows] == [str(3 * number) for number in range(9000)]


def test_what_cannot_be_written_is_one_clear_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"bouts\.csv"):
        write_bouts(tmp_path / "absent", make_ethogram([("rest", 1)]))
    assert list(tmp_path.iterdir()) == []
