"""What BORIS would have exported, and what its readers make of it.

The two texts were written by BORIS 8.27.4 itself, whose ``export_aggregated_events`` and
``export_tabular_events`` were given the same bouts; the description, and in the
second one the duration, are filled in here.
"""

import csv
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from tests.ethogram.any_ethogram import any_ethogram
from tests.ethogram.synthetic import make_ethogram

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.smoothing import Smoothing
from i3d_ethogram.tables.boris_events import BORIS_FILE, write_boris_events
from i3d_ethogram.tables.boris_tabular import TABULAR_FILE, write_boris_tabular

DESCRIPTION = "Labelled by homecage9_fp32 version 1 (i3d-triton), not smoothed"
AGGREGATED = (
    "Observation id\tObservation date\tDescription\tObservation type\tSource\tTime offset (s)\t"
    "Coding duration\tMedia duration (s)\tFPS (frame/s)\tSubject\t"
    "Observation duration by subject by observation\tBehavior\tBehavioral category\t"
    "Behavior type\tStart (s)\tStop (s)\tDuration (s)\tMedia file name\tImage index start\t"
    "Image index stop\tImage file path start\tImage file path stop\tComment start\tComment stop\r\n"
    "cage 1/mouse.mp4\t2026-01-05 10:00:00\tDESCRIPTION\tMedia file\t"
    "player #1:/videos/cage 1/mouse.mp4\t0.0\t4.800\t4.800\t30.000\tNo focal subject\t4.2\trest\t"
    "Not defined\tSTATE\t0.500\t1.500\t1.000\t/videos/cage 1/mouse.mp4\t15\t45\t\t\tscore 0.900\t"
    "\r\n"
    "cage 1/mouse.mp4\t2026-01-05 10:00:00\tDESCRIPTION\tMedia file\t"
    "player #1:/videos/cage 1/mouse.mp4\t0.0\t4.800\t4.800\t30.000\tNo focal subject\t4.2\tgroom\t"
    "Not defined\tSTATE\t1.500\t4.000\t2.500\t/videos/cage 1/mouse.mp4\t45\t120\t\t\tscore 0.900\t"
    "\r\n"
    "cage 1/mouse.mp4\t2026-01-05 10:00:00\tDESCRIPTION\tMedia file\t"
    "player #1:/videos/cage 1/mouse.mp4\t0.0\t4.800\t4.800\t30.000\tNo focal subject\t4.2\trest\t"
    "Not defined\tSTATE\t4.100\t4.800\t0.700\t/videos/cage 1/mouse.mp4\t123\t144\t\t\tscore 0.900\t"
    "\r\n"
)
TABULAR_HEADER = (
    "Observation id,Observation date,Description,Observation duration,Observation type,Source,"
    "Time offset (s),Media duration (s),FPS,Subject,Behavior,Behavioral category,Behavior type,"
    "Time,Media file name,Image index,Image file path,Comment"
)
TABULAR_SAME = (
    'cage 1/mouse.mp4,2026-01-05 10:00:00,"DESCRIPTION",4.800,Media file(s),'
    "player #1:/videos/cage 1/mouse.mp4,0.0,4.800,30.000,"
)
TABULAR_EVENTS = (
    ",rest,,START,0.500,/videos/cage 1/mouse.mp4,15,NA,score 0.900",
    ",rest,,STOP,1.500,/videos/cage 1/mouse.mp4,45,NA,",
    ",groom,,START,1.500,/videos/cage 1/mouse.mp4,45,NA,score 0.900",
    ",groom,,STOP,4.000,/videos/cage 1/mouse.mp4,120,NA,",
    ",rest,,START,4.100,/videos/cage 1/mouse.mp4,123,NA,score 0.900",
    ",rest,,STOP,4.800,/videos/cage 1/mouse.mp4,144,NA,",
)


def three_bouts() -> Ethogram:
    return make_ethogram(
        [
            (Status.BEFORE_FIRST, 0.5),
            ("rest", 1),
            ("groom", 2.5),
            (Status.LOST, 0.1),
            ("rest", 0.7),
        ],
        name="cage 1/mouse.mp4",
        recorded_at=datetime(2026, 1, 5, 10),
    )


def test_aggregated_events_are_those_that_boris_writes(tmp_path: Path) -> None:
    write_boris_events(tmp_path, three_bouts())
    text = (tmp_path / BORIS_FILE).read_bytes().decode()
    assert text == AGGREGATED.replace("DESCRIPTION", DESCRIPTION)


def test_tabular_events_are_those_that_boris_writes(tmp_path: Path) -> None:
    write_boris_tabular(tmp_path, three_bouts())
    rows = [TABULAR_SAME.replace("DESCRIPTION", DESCRIPTION) + event for event in TABULAR_EVENTS]
    assert (tmp_path / TABULAR_FILE).read_text() == "\n".join([TABULAR_HEADER, *rows, ""])


@given(any_ethogram())
def test_a_user_of_pandas_finds_each_bout(
    tmp_path_factory: pytest.TempPathFactory, ethogram: Ethogram
) -> None:
    folder = tmp_path_factory.mktemp("boris")
    write_boris_events(folder, ethogram)
    table = pd.read_csv(folder / BORIS_FILE, sep="\t", parse_dates=["Observation date"])
    scored = ethogram.scored
    assert table["Behavior"].tolist() == [ethogram.labels[code] for code in ethogram.codes[scored]]
    starts, stops = ethogram.times_us[:-1][scored] / 1e6, ethogram.times_us[1:][scored] / 1e6
    assert np.allclose(table["Start (s)"].astype(float), starts, rtol=0, atol=0.000501)
    assert np.allclose(table["Stop (s)"].astype(float), stops, rtol=0, atol=0.000501)
    lengths = table["Stop (s)"].astype(float) - table["Start (s)"].astype(float)
    assert np.allclose(table["Duration (s)"].astype(float), lengths, rtol=0, atol=1e-6)
    assert (table["Start (s)"].astype(float).diff().dropna() >= 0).all()
    if ethogram.recorded_at is not None and len(table):
        assert table["Observation date"][0] == ethogram.recorded_at.replace(microsecond=0)


def test_simba_finds_as_many_starts_as_stops_of_each_behaviour_in_frames(tmp_path: Path) -> None:
    write_boris_tabular(tmp_path, three_bouts())
    table = pd.read_csv(tmp_path / TABULAR_FILE)
    assert {"Time", "Media file name", "Behavior", "Behavior type"} <= set(table.columns)
    assert pd.to_numeric(table["Time"]).notna().all()
    assert float(table["FPS"].iloc[0]) == 30
    assert [Path(name).stem for name in table["Media file name"].unique()] == ["mouse"]
    rest = table[table["Behavior"] == "rest"]
    starts = rest[rest["Behavior type"] == "START"]["Image index"].tolist()
    stops = rest[rest["Behavior type"] == "STOP"]["Image index"].tolist()
    assert (starts, stops) == ([15, 123], [45, 144])


def joined(name: str = "rec1.mp4+1 more") -> Ethogram:
    ethogram = make_ethogram([("rest", 3), ("groom", 2), ("walk", 5)], name=name)
    video = ethogram.run["videos"][0]
    videos = [
        {**video, "path": "/videos/rec1.mp4", "frames": 100},
        {**video, "path": "/videos/rec2.mp4", "frames": 200, "fps": 25.0},
    ]
    return replace(ethogram, run={**ethogram.run, "videos": videos})


def test_a_recording_of_several_files(tmp_path: Path) -> None:
    write_boris_events(tmp_path, joined())
    table = pd.read_csv(tmp_path / BORIS_FILE, sep="\t")
    assert table["Source"][0] == "player #1:/videos/rec1.mp4;/videos/rec2.mp4"
    assert table["FPS (frame/s)"][0] == "30.000;25.000"
    assert table["Media duration (s)"][0] == "3.333;8.000"
    files = [Path(name).name for name in table["Media file name"]]
    assert files == ["rec1.mp4", "rec1.mp4", "rec2.mp4"]
    assert table["Image index start"].tolist() == [0, 90, 50]
    assert table["Image index stop"].tolist() == [90, 150, 200]


def test_any_name_and_label_is_read_back_and_nothing_else_is_taken_for_a_cell(
    tmp_path: Path,
) -> None:
    labels = ("rest", 'the "moonwalk", twice', "=cmd()", "füttern/essen")
    ethogram = make_ethogram(
        [(label, 1) for label in labels], labels=labels, name="a\tb\n\udcff/<script>.mp4"
    )
    for write, name, delimiter in (
        (write_boris_events, BORIS_FILE, "\t"),
        (write_boris_tabular, TABULAR_FILE, ","),
    ):
        write(tmp_path, ethogram)
        with (tmp_path / name).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        assert list(dict.fromkeys(row["Behavior"] for row in rows)) == list(labels)
        assert {row["Observation id"] for row in rows} == {r"a\tb\n\xff/<script>.mp4"}
        assert all(None not in row and None not in row.values() for row in rows)


def test_smoothing_and_an_unknown_begin_are_said(tmp_path: Path) -> None:
    ethogram = replace(joined(), smoothing=Smoothing(median_frames=5))
    write_boris_events(tmp_path, ethogram)
    table = pd.read_csv(tmp_path / BORIS_FILE, sep="\t")
    assert table["Description"][0].endswith("(i3d-triton), smoothed")
    assert table["Observation date"].isna().all()
