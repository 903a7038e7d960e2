"""Files beside each other never disagree: after other options, failures, kills and moves."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.conftest import write_video
from tests.ethogram.synthetic import write_recording

from i3d_ethogram import recording_files
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.reading import read_ethogram
from i3d_ethogram.recording_files import Wanted, write_recording_files
from i3d_ethogram.smoothing import Smoothing

NAME = "mouse.mp4"
TABLES = ("bouts", "hours", "boris")
MERGED = Smoothing(merge_bouts_frames=70)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_recording(tmp_path, NAME, num_frames=3000)
    return tmp_path


def ethogram(out: Path, smoothing: Smoothing | None = None) -> Ethogram:
    return read_ethogram(out, NAME, smoothing=smoothing or Smoothing())


def write(
    out: Path, *kinds: str, smoothing: Smoothing | None = None, **options: object
) -> list[str]:
    wanted = Wanted(kinds=(*TABLES, *kinds), **options)  # type: ignore[arg-type]
    return write_recording_files(out / NAME, ethogram(out, smoothing), wanted)


def bouts_in(out: Path) -> tuple[int, int]:
    """Return how many bouts the table has, and the Parquet file."""
    frames = pd.read_parquet(out / NAME / "frames.parquet")
    labels = frames["smoothed_label"].astype(str).where(frames["status"] == "scored")
    labels = labels.dropna()
    table = (out / NAME / "bouts.csv").read_text().count("\n") - 1
    return table, int((labels != labels.shift()).sum())


def test_what_was_asked_for_once_follows_the_tables(out: Path) -> None:
    assert write(out, "parquet") == []
    before = bouts_in(out)
    assert write(out, smoothing=MERGED) == []
    after = bouts_in(out)
    assert before[0] == before[1] > after[0] == after[1]


def test_what_is_whole_and_of_the_same_is_not_written_again(out: Path) -> None:
    write(out, "parquet")
    times = {path: path.stat().st_mtime_ns for path in (out / NAME).iterdir()}
    write(out)
    assert times == {path: path.stat().st_mtime_ns for path in (out / NAME).iterdir()}
    (out / NAME / "bouts.csv").unlink()
    write(out)
    assert (out / NAME / "bouts.csv").exists()


def test_after_a_kill_the_same_command_makes_all_agree(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(out, "parquet")

    def killed(*_arguments: object) -> list[str]:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(recording_files._WRITERS, "hours", killed)
        with pytest.raises(KeyboardInterrupt):
            write(out, smoothing=MERGED)
    assert write(out, smoothing=MERGED) == []
    assert bouts_in(out)[0] == bouts_in(out)[1]


def test_one_file_that_cannot_be_written_leaves_the_others_alone(out: Path) -> None:
    write(out, "parquet")
    (out / NAME / "hourly.csv").unlink()
    (out / NAME / "hourly.csv").mkdir()
    (out / NAME / ".hourly.csv.part").mkdir()
    (problem,) = write(out, smoothing=MERGED)
    assert "hourly.csv" in problem
    assert bouts_in(out)[0] == bouts_in(out)[1]
    assert (out / NAME / "boris.tsv").exists()


def test_a_file_that_cannot_follow_is_removed(out: Path, tmp_path: Path) -> None:
    """An overlay of labels of before beside other tables, and no video to make it anew."""
    video = write_video(tmp_path / "v.mp4", 120)
    write_recording(out, NAME, num_frames=120, video=video)
    assert write(out, "overlay", overlay_start_s=1.0, overlay_stop_s=2.0) == []
    overlay = out / NAME / "overlay.mp4"
    assert overlay.exists()
    size = overlay.stat().st_size
    assert write(out, smoothing=MERGED) == []
    assert overlay.stat().st_size < 2 * size, "the part that was asked for, not all of it"
    video.unlink()
    (problem,) = write(out)
    assert "v.mp4" in problem
    assert not overlay.exists()
    assert write(out) == []


def test_nwb_follows_the_table_of_animals(out: Path) -> None:
    from pynwb import NWBHDF5IO

    def sex() -> str:
        with NWBHDF5IO(out / NAME / "ethogram.nwb", "r", load_namespaces=True) as file:
            return str(file.read().subject.sex)

    assert write(out, "nwb", animal={"animal": "m1", "sex": "F"}) == []
    assert sex() == "F"
    assert write(out, animal={"animal": "m1", "sex": "M"}) == []
    assert sex() == "M"


def test_a_project_that_has_moved_finds_its_video_again(out: Path, tmp_path: Path) -> None:
    write(out, "boris-project")
    moved = tmp_path / "a" / "b"
    shutil.copytree(out / NAME, moved / NAME)
    before = (out / NAME / "review.boris").read_text()
    one = read_ethogram(moved, NAME)
    assert write_recording_files(moved / NAME, one, Wanted(kinds=TABLES)) == []
    assert (moved / NAME / "review.boris").read_text() != before


@pytest.mark.parametrize(
    "content", ["", "[", "[" * 200_000, "3", '{"made": 3}', '{"made": {"bouts": 3}}']
)
def test_a_report_json_that_is_not_ours_is_none(out: Path, content: str) -> None:
    (out / NAME / "report.json").write_text(content)
    assert write(out) == []
    assert set(json.loads((out / NAME / "report.json").read_text())["made"]) == set(TABLES)


def test_names_in_a_report_lead_nowhere_else(out: Path) -> None:
    other = out / "other.txt"
    other.write_text("mine")
    write(out, "parquet")
    path = out / NAME / "report.json"
    document = json.loads(path.read_text())
    document["made"]["parquet"] = {"made_of": {}, "files": {"../other.txt": 4}}
    path.write_text(json.dumps(document))
    write(out)
    assert other.read_text() == "mine"


def test_what_a_killed_run_left_of_a_file_goes(out: Path) -> None:
    (out / NAME / ".frames.part.parquet").write_bytes(b"half")
    write(out)
    assert not list((out / NAME).glob(".*"))


@pytest.mark.parametrize("after_s", [1.2, 2.0, 3.0])
def test_a_report_that_is_killed_and_made_again(tmp_path: Path, after_s: float) -> None:
    """The command itself, with its processes, at some moment."""
    for number in range(8):
        write_recording(tmp_path, f"{number}.mp4", num_frames=9000, seed=number)
    command = [sys.executable, "-m", "i3d_client", "report", str(tmp_path), "--format", "parquet"]
    subprocess.run(command, check=True, capture_output=True)
    command += ["--merge-bouts", "70"]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after_s)
    killed.kill()
    killed.wait()
    subprocess.run(command, check=True, capture_output=True)
    for number in range(8):
        folder = tmp_path / f"{number}.mp4"
        frames = pd.read_parquet(folder / "frames.parquet")
        labels = frames["smoothed_label"].astype(str).where(frames["status"] == "scored").dropna()
        bouts = (folder / "bouts.csv").read_text().count("\n") - 1
        assert bouts == int((labels != labels.shift()).sum())
    assert np.all([not list(folder.glob(".*.part*")) for folder in tmp_path.iterdir()])
