"""DeepEthogram's CSV files, read as DeepEthogram reads them: by pandas, ``index_col=0``."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram, write_recording

from i3d_client.errors import OutputError
from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats import deepethogram_csv
from i3d_ethogram.formats.deepethogram_csv import deepethogram_files, write_deepethogram
from i3d_ethogram.reading import read_ethogram


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, index_col=0)


def test_it_is_what_pandas_would_have_written(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, lost_frames=[300])
    ethogram = read_ethogram(tmp_path, folder.name)
    write_deepethogram(folder, ethogram)
    path = folder / "mouse_labels.csv"
    table = read(path)
    assert path.read_text() == table.to_csv()
    assert table.columns.tolist() == ["background", *HOMECAGE9]
    assert table.index.tolist() == list(range(900))
    frames = pd.read_csv(folder / "frames.csv")
    scored = frames["status"] == "scored"
    assert (table[~scored] == -1).all(axis=None)
    assert (~scored).sum() == 15 + 16
    assert (table[scored]["background"] == 0).all()
    assert table[scored].idxmax(axis=1).tolist() == frames["label"][scored].tolist()
    assert (table[scored].sum(axis=1) == 1).all()


def test_rows_are_the_video_s_frames_where_a_part_was_classified(tmp_path: Path) -> None:
    ethogram = make_ethogram([("eat", 1.0), ("rest", 1.0)], first_frame=40)
    ethogram = with_videos(ethogram, {"path": "/v/cage 1.mp4", "frames": 120})
    write_deepethogram(tmp_path, ethogram)
    table = read(tmp_path / "cage 1_labels.csv")
    assert len(table) == 120
    assert np.flatnonzero(table["eat"] == 1).tolist() == list(range(40, 70))
    assert np.flatnonzero(table["rest"] == 1).tolist() == list(range(70, 100))
    assert (table[:40] == -1).all(axis=None)
    assert (table[100:] == -1).all(axis=None)


def test_each_video_of_a_recording_has_a_file_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deepethogram_csv, "_ROWS", 7)
    ethogram = make_ethogram([("eat", 1.0), (Status.LOST, 0.5), ("rest", 1.0)])
    videos = [{"path": f"/{n}/rec.mp4", "frames": frames} for n, frames in enumerate((20, 30, 25))]
    ethogram = with_videos(ethogram, *videos)
    write_deepethogram(tmp_path, ethogram)
    assert deepethogram_files(ethogram) == [
        "rec_labels.csv",
        "rec-2_labels.csv",
        "rec-3_labels.csv",
    ]
    tables = [read(tmp_path / name) for name in deepethogram_files(ethogram)]
    assert [table.index.tolist() for table in tables] == [
        list(range(20)),
        list(range(30)),
        list(range(25)),
    ]
    whole = pd.concat(tables, ignore_index=True)
    assert whole["eat"].tolist() == [1] * 30 + [-1] * 15 + [0] * 30
    assert whole["rest"].tolist() == [0] * 30 + [-1] * 15 + [1] * 30


def test_a_model_that_knows_background_has_it_first_and_once(tmp_path: Path) -> None:
    labels = ("eat", "none", "rest", "background")
    bouts = [("eat", 1.0), ("none", 1.0), ("rest", 1.0), ("background", 1.0)]
    write_deepethogram(tmp_path, make_ethogram(bouts, labels=labels))
    table = read(tmp_path / "mouse_labels.csv")
    assert table.columns.tolist() == ["background", "eat", "rest"]
    assert table["background"].tolist() == [0] * 30 + [1] * 30 + [0] * 30 + [1] * 30
    assert table["eat"].tolist() == [1] * 30 + [0] * 90
    assert table["rest"].tolist() == [0] * 60 + [1] * 30 + [0] * 30


def test_labels_are_quoted_where_they_must_be(tmp_path: Path) -> None:
    labels = ('say "hi", then', "walk / run", "größer", "=cmd()")
    write_deepethogram(tmp_path, make_ethogram([("größer", 5.0)], labels=labels))
    assert read(tmp_path / "mouse_labels.csv").columns.tolist() == ["background", *labels]


def test_nothing_is_left_where_it_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mouse_labels.csv").mkdir()
    with pytest.raises(OutputError, match="mouse_labels"):
        write_deepethogram(tmp_path, make_ethogram([("eat", 1.0)]))
    assert [path.name for path in tmp_path.iterdir()] == ["mouse_labels.csv"]


def with_videos(ethogram: Ethogram, *videos: dict[str, object]) -> Ethogram:
    first = ethogram.run["videos"][0]
    return replace(ethogram, run={**ethogram.run, "videos": [{**first, **v} for v in videos]})
