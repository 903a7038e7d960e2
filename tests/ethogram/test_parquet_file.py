"""frames.parquet as pandas and polars read it."""

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest
from tests.ethogram.synthetic import HOMECAGE9, frame_times_us, write_recording

from i3d_client.frame_status import STATUS_NAMES
from i3d_client.scores_file import FrameBatch, Scores
from i3d_ethogram.formats import parquet_file
from i3d_ethogram.formats.parquet_file import METADATA_KEY, PARQUET_FILE, write_parquet
from i3d_ethogram.reading import open_scores, read_ethogram
from i3d_ethogram.smoothing import Smoothing

LOST = (400, 401, 640)
FLICKER = [("rest", 3.0), ("rear", 0.1), ("rest", 4.0), ("eat", 0.1), ("groom", 30.0)]


def joined(scores: Scores) -> FrameBatch:
    return parquet_file._joined(list(scores.batches()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_recording(
        tmp_path, bouts=FLICKER, fps=Fraction(30000, 1001), first_frame=50, lost_frames=LOST
    )
    smoothing = Smoothing(merge_bouts_frames=5)
    ethogram = read_ethogram(tmp_path, folder.name, smoothing=smoothing)
    write_parquet(folder, ethogram, open_scores(folder))
    return folder


def test_pandas_reads_what_frames_csv_says(folder: Path) -> None:
    frames = pd.read_parquet(folder / PARQUET_FILE)
    table = pd.read_csv(folder / "frames.csv", keep_default_na=True)
    assert frames["frame"].tolist() == table["frame"].tolist() == list(range(50, 950))
    expected = table["label"].astype(object)
    assert frames["label"].astype(object).fillna("").tolist() == expected.fillna("").tolist()
    assert frames["status"].tolist() == table["status"].tolist()
    np.testing.assert_allclose(frames["score"], table["score"], atol=1e-6)
    for label in HOMECAGE9:
        np.testing.assert_allclose(frames[f"p_{label}"], table[f"p_{label}"], atol=1e-6)
    assert frames["p_rest"].dtype == np.float32
    assert isinstance(frames["label"].dtype, pd.CategoricalDtype)


def test_times_are_those_of_the_recording_to_the_microsecond(folder: Path) -> None:
    frames = pd.read_parquet(folder / PARQUET_FILE)
    times_us = frame_times_us(900, Fraction(30000, 1001))[:-1]
    assert np.array_equal(np.rint(frames["time_s"] * 1e6).astype(np.int64), times_us)
    assert frames["time_s"].tolist() == [us / 1e6 for us in times_us.tolist()]


def test_the_smoothed_label_stands_beside_the_network_s(folder: Path) -> None:
    frames = pd.read_parquet(folder / PARQUET_FILE)
    differs = frames["label"].astype(object) != frames["smoothed_label"].astype(object)
    changed = frames[differs & frames["label"].notna()]
    assert set(changed["label"]) == {"rear", "eat"}
    assert set(changed["smoothed_label"]) == {"rest"}
    assert (frames["smoothed_label"].isna() == frames["label"].isna()).all()


def test_unscored_frames_are_null_in_polars_and_not_zero(folder: Path) -> None:
    frames = pl.read_parquet(folder / PARQUET_FILE)
    unscored = frames.filter(pl.col("status") != "scored")
    assert len(unscored) == 15 + (2 + 15) + (1 + 15)
    for column in ("label", "smoothed_label", "score", "p_rest", "p_eathand"):
        assert unscored[column].null_count() == len(unscored)
        assert frames[column].null_count() == len(unscored)
    assert set(frames["status"].unique().cast(pl.String)) <= set(STATUS_NAMES)
    assert (
        frames.filter(pl.col("frame").is_in([450, 451, 690]))["status"].cast(pl.String).to_list()
        == ["lost"] * 3
    )


def test_it_says_what_made_it(folder: Path) -> None:
    metadata = pq.read_metadata(folder / PARQUET_FILE).metadata
    origin = json.loads(metadata[METADATA_KEY.encode()])
    assert origin["recording"] == "mouse.mp4"
    assert origin["run"]["model"]["name"] == "homecage9_fp32"
    assert origin["smoothing"]["merge_bouts_frames"] == 5
    assert origin["written_by"].startswith("i3d-triton ")


def test_groups_hold_a_bounded_number_of_rows_and_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_recording(tmp_path, num_frames=150_000)
    monkeypatch.setattr(parquet_file, "_ROWS_IN_GROUP", 1)
    scores = open_scores(folder)
    write_parquet(folder, read_ethogram(tmp_path, folder.name), scores)
    metadata = pq.read_metadata(folder / PARQUET_FILE)
    assert metadata.num_row_groups == 3
    assert metadata.num_rows == 150_000
    frames = pd.read_parquet(folder / PARQUET_FILE)
    whole = joined(scores)
    assert frames["frame"].tolist() == list(range(150_000))
    assert np.array_equal(frames["time_s"], whole.times_us[:-1] / 1e6)
    assert np.array_equal(frames["p_sniff"].fillna(0), whole.probabilities[:, 4])


def test_strange_labels_and_names(tmp_path: Path) -> None:
    labels = ('say "hi", then/or', "größer", "=cmd()", *(f"class {n}" for n in range(397)))
    folder = write_recording(
        tmp_path, "a b\n\udce4.mp4", labels=labels, bouts=[("größer", 30.0)], stride=4
    )
    write_parquet(folder, read_ethogram(tmp_path, folder.name), open_scores(folder))
    frames = pd.read_parquet(folder / PARQUET_FILE)
    assert frames["label"].dropna().unique().tolist() == ["größer"]
    assert frames.columns[6:].tolist() == [f"p_{label}" for label in labels]
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_without_pyarrow_it_says_what_to_install(tmp_path: Path) -> None:
    folder = write_recording(tmp_path)
    program = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from pathlib import Path\n"
        "from i3d_client.errors import MissingExtraError\n"
        "from i3d_ethogram.formats.parquet_file import write_parquet\n"
        "from i3d_ethogram.reading import open_scores, read_ethogram\n"
        "out = Path(sys.argv[1])\n"
        "try:\n"
        "    write_parquet(out / 'mouse.mp4', read_ethogram(out, 'mouse.mp4'),"
        " open_scores(out / 'mouse.mp4'))\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "--format parquet needs an extra: pip install 'i3d-triton[parquet]'"
    assert not (folder / PARQUET_FILE).exists()
