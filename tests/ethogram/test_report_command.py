"""``i3d classify`` ends with results; ``i3d report`` makes them again without server and video."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import MakeVideo, write_video
from tests.ethogram.synthetic import write_recording

from i3d_bench.number_network import number_contract, write_number_model
from i3d_client.journal import OutputLock
from i3d_server.launcher import embedded_server

RECORDING_FILES = {
    "boris.tsv",
    "boris_tabular.csv",
    "bouts.csv",
    "ethogram.png",
    "ethogram.svg",
    "frames.csv",
    "hourly.csv",
    "report.json",
    "run.json",
    "scores.npz",
    "windows.csv",
}
EXPERIMENT_FILES = {
    "bout_statistics.csv",
    "report.html",
    "report.json",
    "summary.csv",
    "time_budget.csv",
    "transitions.csv",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    repository = tmp_path_factory.mktemp("numbers")
    write_number_model(repository, "numbers", number_contract(clip_frames=16, stride=4, windows=3))
    with embedded_server(repository=repository) as address:
        yield address


def i3d(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "i3d_client", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, **environment},
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def files_of(folder: Path) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def microseconds(text: str) -> int:
    seconds, _, rest = text.partition(".")
    assert len(rest) == 6
    return int(seconds) * 1_000_000 + int(rest)


def check_sums(folder: Path, out: Path, duration_us: int) -> None:
    """Seconds by class and unscored ones are the duration, to the µs, in every table."""
    frames = rows(folder / "frames.csv")
    last_us = microseconds(frames[-1]["time_s"])
    assert last_us < duration_us
    hours = rows(folder / "hourly.csv")
    fixed = ("hour", "clock", "start_s", "stop_s", "total")
    for hour in hours:
        parts = sum(microseconds(value) for key, value in hour.items() if key not in fixed)
        assert parts == microseconds(hour["total"])
    assert sum(microseconds(hour["total"]) for hour in hours) == duration_us
    unscored = sum(microseconds(hour["unscored"]) for hour in hours)
    bouts = rows(folder / "bouts.csv")
    assert sum(microseconds(bout["duration_s"]) for bout in bouts) + unscored == duration_us
    own = [row for row in rows(out / "summary.csv") if row["recording"] == folder.name]
    words = ("recording", "hour", "clock", "model", "smoothing")
    for row in own:
        parts = sum(microseconds(row[key]) for key in row if key not in (*words, "total"))
        assert parts == microseconds(row["total"])
    assert sum(microseconds(row["total"]) for row in own) == duration_us
    assert sum(microseconds(row["unscored"]) for row in own) == unscored
    budget = [row for row in rows(out / "time_budget.csv") if row["recording"] == folder.name]
    assert sum(microseconds(row["seconds"]) for row in budget) == duration_us


VARIABLE = np.cumsum([0, *([33, 34, 100, 17] * 20), 1, 1, 1]).tolist()


@pytest.mark.parametrize(
    ("options", "duration_us"),
    [
        ({"rate": 30}, 2_000_000),
        ({"rate": Fraction(30000, 1001)}, 2_002_000),
        ({"rate": 25}, 2_400_000),
        ({"ticks": VARIABLE, "time_base": Fraction(1, 1000)}, None),
    ],
)
def test_a_video_becomes_results_whose_seconds_add_up(
    tmp_path: Path, server: str, options: dict[str, object], duration_us: int | None
) -> None:
    number = 60 if duration_us else len(VARIABLE)
    video = write_video(tmp_path / "mouse.mp4", number, **options)  # type: ignore[arg-type]
    out = tmp_path / "out"
    done = i3d("classify", video, "--server", server, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"→ {out / 'report.html'}" in done.stderr
    folder = out / video.name
    assert {path.name for path in folder.iterdir()} == RECORDING_FILES
    assert {path.name for path in out.iterdir() if path.is_file()} == EXPERIMENT_FILES
    with np.load(folder / "scores.npz") as scores:
        end_us = int(scores["times_us"][-1])
    if duration_us is not None:
        # Containers keep times in ticks of their own.
        assert abs(end_us - duration_us) < 1_000
    check_sums(folder, out, end_us)


def test_a_report_is_made_again_without_server_and_video(tmp_path: Path, server: str) -> None:
    video = write_video(tmp_path / "m1_2026-11-25_07-59-59.mp4", 120)
    out = tmp_path / "out"
    first = i3d("classify", video, "--server", server, "--out", out, "--no-report")
    assert first.returncode == 0
    answers = {"frames.csv", "run.json", "scores.npz", "windows.csv"}
    assert {path.name for path in (out / video.name).iterdir()} == answers
    video.unlink()
    pattern = ("--recorded-at", "%Y-%m-%d_%H-%M-%S")
    again = i3d("report", out, *pattern)
    assert (again.returncode, again.stderr) == (0, f"→ {out / 'report.html'}\n")
    hours = rows(out / video.name / "hourly.csv")
    assert [hour["clock"] for hour in hours] == ["2026-11-25T07:00:00", "2026-11-25T08:00:00"]
    assert [hour["total"] for hour in hours] == ["1.000000", "3.000000"]
    before = files_of(out)
    assert i3d("report", out, *pattern).returncode == 0
    after = files_of(out)
    assert {name for name in before if before[name] != after[name]} <= {"report.html"}


def test_what_was_asked_for_once_agrees_with_the_tables_after_other_smoothing(
    tmp_path: Path,
) -> None:
    write_recording(tmp_path, bouts=[("rest", 10), ("walk", 0.1), ("rest", 30)])
    assert i3d("report", tmp_path, "--format", "boris-project").returncode == 0
    folder = tmp_path / "mouse.mp4"
    labels = [bout["label"] for bout in rows(folder / "bouts.csv")]
    assert labels == ["rest", "walk", "rest"]
    done = i3d("report", tmp_path, "--smoothing", "authors")
    assert done.returncode == 0
    assert [bout["label"] for bout in rows(folder / "bouts.csv")] == ["rest"]
    assert "walk" not in json.dumps(
        json.loads((folder / "review.boris").read_text())["observations"]
    )
    document = json.loads((folder / "report.json").read_text())
    smoothing = {"merge_bouts_frames": 3, "merge_label_frames": {"rest": 150}}
    assert {str(made["made_of"]["smoothing"]) for made in document["made"].values()} == {
        str(smoothing)
    }


def test_results_of_different_models_are_said_at_the_top(tmp_path: Path) -> None:
    write_recording(tmp_path, "a.mp4")
    write_recording(tmp_path, "b.mp4", model_name="homecage9_int8")
    done = i3d("report", tmp_path)
    assert done.returncode == 0
    assert "warning: recordings differ in their models" in done.stderr
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("<main") :]
    assert body.index("Do not compare them as they stand") < body.index('<h2 id="overview-title">')


def test_a_recording_that_cannot_be_used_leaves_the_others_alone(tmp_path: Path) -> None:
    write_recording(tmp_path, "a.mp4")
    write_recording(tmp_path, "b.mp4")
    path = tmp_path / "a.mp4" / "scores.npz"
    path.write_bytes(path.read_bytes()[:-200])
    done = i3d("report", tmp_path)
    assert done.returncode == 1
    assert f"error: {path}: cannot be used" in done.stderr
    assert {row["recording"] for row in rows(tmp_path / "summary.csv")} == {"b.mp4"}
    assert (tmp_path / "b.mp4" / "ethogram.png").exists()


def test_two_reports_at_a_time_are_not_mixed(tmp_path: Path) -> None:
    write_recording(tmp_path)
    with OutputLock(tmp_path, name=".i3d-report-lock"):
        done = i3d("report", tmp_path)
    assert done.returncode == 1
    assert "another run is writing there" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recorded-at", "yesterday"], "recorded at 'yesterday'"),
        (["--recorded-at", "%Y-%m-%d_%H-%M"], "the pattern does not fit"),
        (["--metadata", "animals.csv"], "animals.csv"),
    ],
)
def test_what_a_report_cannot_use_is_refused_before_anything_is_classified(
    tmp_path: Path, make_video: MakeVideo, arguments: list[str], message: str
) -> None:
    out = tmp_path / "out"
    done = i3d("classify", make_video(20), "--server", "localhost:1", "--out", out, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert not out.exists()


def test_one_moment_is_not_that_of_two_recordings(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_recording(tmp_path, name)
    done = i3d("report", tmp_path, "--recorded-at", "2026-11-25T08:00")
    assert done.returncode == 1
    assert "is one moment, and there are 2 recordings" in done.stderr


def test_without_the_extra_there_are_tables_and_a_word_about_the_rest(
    tmp_path: Path, server: str
) -> None:
    """As on a machine where matplotlib is not installed."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'matplotlib' else find(name, *more)\n"
    )
    video = write_video(tmp_path / "mouse.mp4", 60)
    out = tmp_path / "out"
    hidden = str(tmp_path / "hidden")
    done = i3d("classify", video, "--server", server, "--out", out, PYTHONPATH=hidden)
    assert done.returncode == 0
    assert "pip install 'i3d-triton[report]'" in done.stderr
    assert (out / "mouse.mp4" / "bouts.csv").exists()
    assert (out / "summary.csv").exists()
    assert not (out / "report.html").exists()
    again = i3d("report", out, PYTHONPATH=hidden)
    assert again.returncode == 1
    assert "pip install 'i3d-triton[report]'" in again.stderr


def test_many_recordings_are_written_side_by_side_as_one_alone_is(tmp_path: Path) -> None:
    names = [f"{number}.mp4" for number in range(7)]
    for name in names:
        write_recording(tmp_path / "all", name, seed=3)
    write_recording(tmp_path / "one", "4.mp4", seed=3)
    (tmp_path / "all" / "2.mp4" / "bouts.csv").mkdir()
    done = i3d("report", tmp_path / "all")
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert "2.mp4/.bouts.csv.part: cannot be written: Is a directory" in line
    assert i3d("report", tmp_path / "one").returncode == 0
    alone = files_of(tmp_path / "one" / "4.mp4")
    assert files_of(tmp_path / "all" / "4.mp4") == alone
    recordings = {row["recording"] for row in rows(tmp_path / "all" / "summary.csv")}
    assert recordings == set(names)


def test_what_was_said_of_the_recordings_holds_until_it_is_forgotten(tmp_path: Path) -> None:
    write_recording(tmp_path, "m1_2026-11-25_07-59-59.mp4", num_frames=120)
    animals = tmp_path / "animals.csv"
    animals.write_text("animal,sex\nm1,f\n")
    told = ("--recorded-at", "%Y-%m-%d_%H-%M-%S", "--metadata", animals)
    assert i3d("report", tmp_path, *told).returncode == 0
    again = i3d("report", tmp_path, "--median-frames", "5")
    assert f"--metadata {animals}, as before" in again.stderr
    assert rows(tmp_path / "summary_by_animal.csv")[0]["clock"] == "2026-11-25T07:00:00"
    assert i3d("report", tmp_path, "--forget").returncode == 0
    assert not (tmp_path / "summary_by_animal.csv").exists()
    assert rows(tmp_path / "summary.csv")[0]["clock"] == ""
    assert "as before" not in i3d("report", tmp_path).stderr


def test_one_mistake_is_said_once_and_nothing_is_written(tmp_path: Path) -> None:
    for name in ("a.mp4", "b_2026-11-25_08.mp4"):
        write_recording(tmp_path, name)
    done = i3d("report", tmp_path, "--recorded-at", "%Y-%m-%d_%H")
    assert done.returncode == 1
    assert done.stderr.count("error") == 1
    assert "a.mp4" in done.stderr
    assert not (tmp_path / "b_2026-11-25_08.mp4" / "bouts.csv").exists()
    done = i3d("report", tmp_path, "--merge-bouts", "swim=3")
    assert done.stderr.count("error") == 1
    assert "(of 2 recordings)" in done.stderr
    done = i3d("report", tmp_path, "--overlay-time", "5", "2")
    assert done.returncode == 1
    assert "expected the start before the stop" in done.stderr


def test_the_page_names_a_recording_that_is_not_in_it(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        write_recording(tmp_path, name)
    (tmp_path / "a.mp4" / "scores.npz").write_bytes(b"")
    assert i3d("report", tmp_path).returncode == 1
    page = (tmp_path / "report.html").read_text()
    body = page[page.index("<main") :]
    assert 0 < body.index("a.mp4/scores.npz") < body.index('<h2 id="overview-title">')
