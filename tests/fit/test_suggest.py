"""What to annotate next, from results of ``i3d classify``."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.ethogram.synthetic import HOMECAGE9, write_recording

from i3d_client.cli import i3d
from i3d_client.errors import InputError, ResultError
from i3d_client.scores_file import SCORES_FILE
from i3d_ethogram.annotations.annotation_boris import TO_ANNOTATE, Chosen
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_fit.suggest import suggest_from_results
from i3d_fit.suggested_stretches import divided_at_stretches


def margins(folder: Path) -> np.ndarray:
    with np.load(folder / SCORES_FILE) as arrays:
        best = np.sort(arrays["probabilities"], axis=1)
    return best[:, -1] - best[:, -2]


def observations(path: Path) -> dict:
    return dict(json.loads(path.read_bytes())["observations"])


def test_the_least_sure_window_comes_first(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "out", num_frames=3000)
    found, _ = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=3)
    least = int(margins(folder).argmin())
    assert found[0].margin == pytest.approx(float(margins(folder)[least]))
    assert found[0].start_frame <= least < found[0].stop_frame
    assert len(found) == 3


def test_recordings_share_the_count(tmp_path: Path) -> None:
    for place in range(3):
        write_recording(tmp_path / "out", f"day{place}/mouse.mp4", num_frames=3000, seed=place)
    found, path = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=6)
    names = [one.recording for one in found]
    assert {names.count(name) for name in names} == {2}
    assert len(observations(path)) == 3


def test_the_project_is_read_as_it_was_written(tmp_path: Path) -> None:
    video = tmp_path / "videos" / "mouse.mp4"
    write_recording(tmp_path / "out", video=video, num_frames=3000)
    found, path = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=5)
    (annotation,) = read_annotations(path)
    assert annotation.media == ("videos/mouse.mp4",)
    assert annotation.fps == 30
    read = [(one.start, one.stop) for one in annotation.intervals]
    assert read == sorted((round(one.start_s * 1e6), round(one.stop_s * 1e6)) for one in found)
    assert {one.label for one in annotation.intervals} == {TO_ANNOTATE}
    behaviours = json.loads(path.read_bytes())["behaviors_conf"].values()
    assert [one["code"] for one in behaviours] == [*HOMECAGE9, TO_ANNOTATE]
    assert len({one["key"] for one in behaviours}) == 10


def test_frames_count_from_the_recordings_first_one(tmp_path: Path) -> None:
    times_us = np.arange(3001, dtype=np.int64) * 33_333 + 600 * 33_333
    write_recording(tmp_path / "out", num_frames=3000, first_frame=600, times_us=times_us)
    found, path = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=5)
    for one in found:
        assert one.start_frame * 33_333 == round(one.start_s * 1e6)
    (observation,) = observations(path).values()
    assert [event[5] for event in observation["events"][::2]] == sorted(
        one.start_frame for one in found
    )


def test_frames_that_were_not_scored_are_not_suggested(tmp_path: Path) -> None:
    write_recording(tmp_path / "out", num_frames=900, lost_frames=range(100, 800))
    found, _ = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=50)
    assert found
    assert all(one.stop_frame <= 100 or one.start_frame >= 800 for one in found)


def test_the_folder_of_one_recording_will_do(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "out", num_frames=900)
    found, _ = suggest_from_results(folder, out=tmp_path / "next.boris", count=2)
    assert {one.recording for one in found} == {folder.name}


def test_models_of_different_labels_are_not_compared(tmp_path: Path) -> None:
    write_recording(tmp_path / "out", "a.mp4")
    write_recording(tmp_path / "out", "b.mp4", labels=("rest", "walk"))
    with pytest.raises(ResultError, match=r"b\.mp4 and a\.mp4: expected .* the same labels"):
        suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=2)


def test_damaged_results_are_an_error(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "out")
    (folder / SCORES_FILE).write_bytes(b"nothing")
    with pytest.raises(ResultError, match="cannot be used"):
        suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=2)


def test_a_project_in_which_somebody_annotated_is_never_written_over(tmp_path: Path) -> None:
    write_recording(tmp_path / "out", num_frames=3000)
    out = tmp_path / "next.boris"
    assert suggest_from_results(tmp_path / "out", out=out, count=2)[1] == out
    assert suggest_from_results(tmp_path / "out", out=out, count=3)[1] == out
    project = json.loads(out.read_bytes())
    (observation,) = project["observations"].values()
    observation["events"].append([1.0, "", "rest", "", "", 30])
    out.write_text(json.dumps(project))
    _, second = suggest_from_results(tmp_path / "out", out=out, count=3)
    assert second == tmp_path / "next-2.boris"
    assert second.with_suffix(".csv").is_file()
    assert json.loads(out.read_bytes()) == project


def test_what_is_not_ours_is_never_written_over(tmp_path: Path) -> None:
    """A project of somebody's in which nothing is coded yet, and a table beside."""
    write_recording(tmp_path / "out", num_frames=3000)
    suggest_from_results(tmp_path / "out", out=tmp_path / "ours.boris", count=2)
    project = json.loads((tmp_path / "ours.boris").read_bytes())
    behaviours = project["behaviors_conf"]
    project["behaviors_conf"] = {
        key: one for key, one in behaviours.items() if one["code"] != TO_ANNOTATE
    }
    for observation in project["observations"].values():
        observation["events"] = []
    (tmp_path / "theirs.boris").write_text(json.dumps(project))
    (tmp_path / "notes.csv").write_text("my notes\n")
    for name in ("theirs", "notes"):
        _, written = suggest_from_results(tmp_path / "out", out=tmp_path / f"{name}.boris", count=2)
        assert written == tmp_path / f"{name}-2.boris"
    assert json.loads((tmp_path / "theirs.boris").read_bytes()) == project
    assert (tmp_path / "notes.csv").read_text() == "my notes\n"


@pytest.mark.parametrize(
    ("subject", "wanted"), [("", None), ("", "m1"), ("m1", None), ("m1", "m1")]
)
def test_stretches_are_of_no_subject(tmp_path: Path, subject: str, wanted: str | None) -> None:
    write_recording(tmp_path / "out", num_frames=3000)
    found, path = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=2)
    project = json.loads(path.read_bytes())
    (observation,) = project["observations"].values()
    for one in found:
        observation["events"] += [
            [at, subject, "rest", "", "", 0] for at in (one.start_s + 0.1, one.start_s + 0.2)
        ]
    path.write_text(json.dumps(project))
    (annotation,) = read_annotations(path, chosen=Chosen(subject=wanted))
    parts = divided_at_stretches([annotation])
    assert [[one.label for one in part.intervals] for part in parts] == [["rest"], ["rest"]]


def test_of_several_subjects_one_is_chosen_among_stretches_too(tmp_path: Path) -> None:
    write_recording(tmp_path / "out", num_frames=3000)
    _, path = suggest_from_results(tmp_path / "out", out=tmp_path / "next.boris", count=1)
    project = json.loads(path.read_bytes())
    (observation,) = project["observations"].values()
    for subject, label in (("m1", "rest"), ("m2", "groom")):
        observation["events"] += [[at, subject, label, "", "", 0] for at in (1.0, 2.0)]
    path.write_text(json.dumps(project))
    with pytest.raises(InputError, match="got those of 'm1', 'm2'"):
        read_annotations(path)
    (annotation,) = read_annotations(path, chosen=Chosen(subject="m2"))
    assert {one.label for one in annotation.intervals} == {TO_ANNOTATE, "groom"}


def test_the_command_writes_beside_the_results(tmp_path: Path) -> None:
    write_recording(tmp_path / "out", num_frames=6000)
    done = CliRunner().invoke(i3d, ["suggest", str(tmp_path / "out"), "--count", "12"])
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "suggestions.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["rank"] for row in table] == [str(rank) for rank in range(1, len(table) + 1)]
    assert f"{table[0]['first']} or {table[0]['second']}? margin" in done.output
    assert done.output.endswith(
        f"→ {tmp_path / 'out' / 'suggestions.boris'}\n→ {tmp_path / 'out' / 'suggestions.csv'}\n"
    )


def test_a_project_has_the_suffix_that_boris_opens(tmp_path: Path) -> None:
    write_recording(tmp_path / "out")
    arguments = ["suggest", str(tmp_path / "out"), "--out", str(tmp_path / "next.csv")]
    done = CliRunner().invoke(i3d, arguments)
    assert "expected a name that ends in .boris" in str(done.exception)
