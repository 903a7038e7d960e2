import csv
import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.ethogram.synthetic import write_recording

from i3d_client.errors import InputError, MissingExtraError, OutputError, ResultError
from i3d_ethogram.compare.compare_cli import compare

BOUTS = [("rest", 10.0), ("groom", 5.0), ("rest", 5.0), ("eat", 10.0)]
FILES = ["agreement.csv", "agreement.png", "agreement_labels.csv", "confusion.csv"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(
        compare, [os.fspath(argument) for argument in arguments], catch_exceptions=False
    )


def intervals(path: Path, *rows: tuple[float, float, str]) -> Path:
    lines = [f'{start},{stop},"{label}"' for start, stop, label in rows]
    path.write_text("\n".join(["start_s,stop_s,label", *lines]) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def case(tmp_path: Path) -> tuple[Path, Path]:
    """A recording's folder, and an annotation: 1 s of 14 s that are compared is wrong."""
    folder = write_recording(tmp_path / "out", num_frames=900, bouts=BOUTS)
    return folder, intervals(tmp_path / "notes.csv", (1, 11, "Rest"), (11, 15, "groom"))


def test_what_is_printed(case):
    answer = run(*case)
    assert answer.exit_code == 0
    assert "mouse.mp4: notes.csv" in answer.output
    # Chance: 10 · 9 + 4 · 5 of 14 · 14.
    chance = 110 / 196
    kappa = (13 / 14 - chance) / (1 - chance)
    assert f"kappa {kappa:.2f}, balanced accuracy 95.0%, accuracy 92.9%" in answer.output
    assert "420 of 900 frames compared; 480 not annotated" in answer.output
    assert "note: taken as the model's labels: Rest as rest" in answer.output
    table = [line.split() for line in answer.output.splitlines()]
    assert ["rest", "10.0", "9.0", "1.00", "0.90", "0.95", "1", "1/1", "1.00"] in table
    assert "rest taken for groom: 30 frames, 10.0% of it" in answer.output


def test_the_tables(case, tmp_path):
    out = tmp_path / "agree" / "ment"
    answer = run(*case, "--out", out, "--tolerance", "0.5")
    assert answer.exit_code == 0
    assert sorted(path.name for path in out.iterdir()) == FILES
    (overall,) = rows_of(out / "agreement.csv")
    assert overall["recording"] == "mouse.mp4"
    assert overall["annotation"] == "notes.csv"
    assert overall["compared_with"] == "model"
    assert (overall["frames"], overall["compared"], overall["unannotated"]) == ("900", "420", "480")
    assert float(overall["accuracy"]) == pytest.approx(13 / 14, abs=1e-6)
    assert overall["tolerance_s"] == "0.500000"
    labels = {row["label"]: row for row in rows_of(out / "agreement_labels.csv")}
    assert len(labels) == 9
    rest = labels["rest"]
    assert (rest["frames_annotated"], rest["frames_predicted"], rest["frames_both"]) == (
        ("300", "270", "270")
    )
    assert (rest["precision"], rest["recall"]) == ("1.000000", "0.900000")
    assert (rest["annotated_s"], rest["difference_s"]) == ("10.000000", "-1.000000")
    assert (rest["bouts_annotated"], rest["bouts_predicted"], rest["bouts_matched"]) == (
        ("1", "1", "1")
    )
    assert labels["groom"]["bouts_matched"] == "0"  # it begins 1 s late
    assert (labels["walk"]["precision"], labels["walk"]["f1"]) == ("", "")
    confusion = {row["annotated"]: row for row in rows_of(out / "confusion.csv")}
    assert confusion["rest"]["groom"] == "30"
    assert sum(int(row[label]) for row in confusion.values() for label in confusion) == 420


def test_bouts_that_are_too_many(tmp_path):
    bouts = [("rest", 10.0), ("groom", 5.0), ("rest", 5.0), ("eat", 5.0), ("rest", 5.0)]
    folder = write_recording(tmp_path / "out", num_frames=900, bouts=bouts)
    run(folder, intervals(tmp_path / "n.csv", (0, 30, "rest")), "--out", tmp_path / "agreement")
    rest = {row["label"]: row for row in rows_of(tmp_path / "agreement" / "agreement_labels.csv")}[
        "rest"
    ]
    assert (rest["bout_precision"], rest["bout_recall"]) == ("0.333333", "1.000000")
    assert rest["bout_f1"] == "0.500000"


def test_several_recordings_have_a_row_together(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_recording(tmp_path / "out", name, num_frames=900, bouts=BOUTS)
        intervals(tmp_path / f"{name}.csv", (1, 11, "rest"))
    out = tmp_path / "agreement"
    run(tmp_path / "out", tmp_path / "a.mp4.csv", tmp_path / "b.mp4.csv", "--out", out)
    rows = rows_of(out / "agreement.csv")
    assert [row["recording"] for row in rows] == ["a.mp4", "b.mp4", "(all)"]
    assert [row["compared"] for row in rows] == ["300", "300", "600"]
    assert len(rows_of(out / "agreement_labels.csv")) == 27


def test_names_that_are_hard_to_write(tmp_path):
    labels = ['say "yes", no', "=1+2", "<b>bold</b>", "$math$ \\frac", "schlafen ü"]
    bouts = [(label, 3.0) for label in labels]
    name = os.fsdecode(b"caf\xe9\n<script>.mp4")
    folder = write_recording(tmp_path / "out", name, labels=labels, bouts=bouts, num_frames=450)
    out = tmp_path / "agreement"
    answer = run(folder, folder / "frames.csv", "--out", out)
    assert answer.exit_code == 0
    assert [row["label"] for row in rows_of(out / "agreement_labels.csv")] == labels
    (overall,) = rows_of(out / "agreement.csv")
    assert overall["recording"] == "caf\\xe9\\n<script>.mp4"
    assert overall["kappa"] == "1.000000"


def test_a_model_of_400_labels_shows_those_that_occur(tmp_path):
    labels = [f"label {number}, with a comma" for number in range(400)]
    bouts = [(labels[number], 1.0) for number in range(0, 400, 10)]
    folder = write_recording(tmp_path / "out", labels=labels, bouts=bouts, num_frames=1200)
    notes = intervals(tmp_path / "notes.csv", *((n, n + 1, labels[10 * n]) for n in range(36)))
    out = tmp_path / "agreement"
    answer = run(folder, notes, "--out", out)
    assert answer.exit_code == 0
    assert len(rows_of(out / "agreement_labels.csv")) == 36
    assert list(rows_of(out / "confusion.csv")[0])[4:] == labels[0:360:10]
    assert "4 labels more" in answer.output


def test_nothing_that_can_be_compared_is_an_error_after_all_is_written(case, tmp_path):
    folder, _ = case
    notes = intervals(tmp_path / "late.csv", (100, 110, "rest"))
    answer = run(folder, notes, "--out", tmp_path / "agreement")
    assert answer.exit_code == 1
    assert "error: no frame could be compared" in answer.output
    assert "0 of 900 frames compared" in answer.output
    assert "1 of 1 events lie wholly outside" in answer.output
    (overall,) = rows_of(tmp_path / "agreement" / "agreement.csv")
    assert overall["kappa"] == ""


def test_smoothing_reaches_the_labels(case, tmp_path):
    run(*case, "--smoothing", "authors", "--out", tmp_path / "agreement")
    (overall,) = rows_of(tmp_path / "agreement" / "agreement.csv")
    assert "'merge_bouts_frames': 3" in overall["smoothing"]


def test_the_picture_is_the_same_each_time(case, tmp_path):
    run(*case, "--out", tmp_path / "one")
    run(*case, "--out", tmp_path / "two")
    picture = (tmp_path / "one" / "agreement.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture == (tmp_path / "two" / "agreement.png").read_bytes()


def test_one_recording_that_can_be_compared_is_enough(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_recording(tmp_path / "out", name, num_frames=900, bouts=BOUTS)
    here = intervals(tmp_path / "a.mp4.csv", (1, 11, "rest"))
    late = intervals(tmp_path / "b.mp4.csv", (100, 110, "rest"))
    assert run(tmp_path / "out", here, late).exit_code == 0
    assert run(tmp_path / "out" / "b.mp4", late).exit_code == 1


@pytest.mark.parametrize("option", ["--start", "--stop", "--tolerance", "--offset"])
@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e300", "-1e300"])
def test_seconds_are_finite(case, option, text):
    answer = run(*case, option, text)
    assert answer.exit_code == 2
    assert f"Invalid value for '{option}'" in answer.output


def test_a_run_json_that_is_not_whole_is_said(case):
    folder, notes = case
    path = folder / "run.json"
    path.write_text(path.read_text().replace('"videos"', '"films"'))
    with pytest.raises(ResultError, match=r"run\.json: videos: expected a list"):
        run(folder, notes)


@pytest.mark.parametrize("text", ["rest", "=rest"])
def test_a_map_that_is_none(case, text):
    answer = run(*case, "--map", text)
    assert answer.exit_code == 2
    assert f"--map {text}: expected ANNOTATED=LABEL" in answer.output


def test_errors_are_of_the_project(case, tmp_path, monkeypatch):
    folder, notes = case
    (tmp_path / "x.txt").write_text("hello\n")
    with pytest.raises(InputError, match=r"x\.txt: of no known kind"):
        run(folder, tmp_path / "x.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        run(folder, notes, "--out", tmp_path / "file" / "below")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"i3d-triton\[report\]"):
        run(folder, notes)
