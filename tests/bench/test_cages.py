"""Synthetic cages: the files, their truth, the plan of what an animal does."""

import csv
import hashlib
import subprocess
import sys
from collections import Counter
from pathlib import Path

import av
import numpy as np
import pytest

from i3d_bench.cages import LABELS, Cages, CagesError, write_cages
from i3d_bench.cages.acting import act_bouts
from i3d_bench.cages.animal import random_animal
from i3d_bench.cages.behaviours import FPS, SCHEDULES, Schedule
from i3d_bench.cages.body import bodies_of
from i3d_bench.cages.bouts import Bout, plan_bouts
from i3d_bench.cages.cage import random_cage
from i3d_bench.cages.recording import Film
from i3d_bench.cages.stage import Stage
from i3d_bench.cages.truth import intervals_of
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_ethogram.metadata import read_metadata

FRAMES = 150
ARGUMENTS = {"seed": 3, "frames_per_animal": FRAMES}


def stage_of(number: int) -> Stage:
    rng = np.random.default_rng(number)
    return Stage(cage=random_cage(rng), animal=random_animal(rng))


def planned(number: int, *, schedule: Schedule, num_frames: int) -> tuple[Stage, list[Bout]]:
    stage = stage_of(number)
    rng = np.random.default_rng(number)
    return stage, plan_bouts(stage, SCHEDULES[schedule], num_frames, rng)


def shares(bouts: list[Bout]) -> dict[str, float]:
    frames = Counter[str]()
    for bout in bouts:
        frames[bout.label] += bout.stop - bout.start
    return {label: frames[label] / frames.total() for label in LABELS}


@pytest.fixture(scope="module")
def cages(tmp_path_factory: pytest.TempPathFactory) -> Cages:
    folder = tmp_path_factory.mktemp("cages") / "new"
    return write_cages(folder, animals=2, schedule="balanced", workers=2, **ARGUMENTS)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }


def test_labels_are_in_the_order_of_the_authors_network() -> None:
    assert " ".join(LABELS) == "drink eat groom hang sniff rear rest walk eathand"


def test_a_video_is_what_a_camera_writes(cages: Cages) -> None:
    for video in cages.videos:
        with av.open(str(video)) as container:
            stream = container.streams.video[0]
            pictures = [frame.to_ndarray(format="gray") for frame in container.decode(stream)]
            assert stream.codec_context.name == "h264"
            assert stream.codec_context.pix_fmt == "yuv420p"
            assert stream.average_rate == FPS
        assert len(pictures) == FRAMES
        assert {picture.shape for picture in pictures} == {(480, 640)}


def test_the_encoded_picture_is_the_drawn_one(cages: Cages) -> None:
    film = Film(number=1, seed=3, schedule="balanced", num_frames=FRAMES)
    drawn = [film.picture(frame).astype(float) for frame in range(20)]
    with av.open(str(cages.videos[0])) as container:
        for frame, expected in zip(container.decode(video=0), drawn, strict=False):
            luma = frame.to_ndarray(format="yuv420p")[:480].astype(float)
            assert np.abs((luma - 16) * 255 / 219 - expected).mean() < 4


def test_intervals_and_frames_say_the_same(cages: Cages) -> None:
    annotations = {a.media[0]: a for a in read_annotations(cages.annotations)}
    assert set(annotations) == {video.name for video in cages.videos}
    for video, truth in zip(cages.videos, cages.truth, strict=True):
        with truth.open(newline="") as file:
            frames = [(int(row["frame"]), row["label"]) for row in csv.DictReader(file)]
        assert [number for number, _ in frames] == list(range(FRAMES))
        annotation = annotations[video.name]
        assert annotation.unit == "us"
        said = [""] * FRAMES
        for interval in annotation.intervals:
            first, stop = (round(edge * FPS / 1e6) for edge in (interval.start, interval.stop))
            said[first:stop] = [interval.label] * (stop - first)
        assert said == [label for _, label in frames]


def test_metadata_names_the_animal_of_each_video(cages: Cages) -> None:
    names = [video.name for video in cages.videos]
    matched = read_metadata(cages.metadata).match(names)
    assert [matched.animal(name) for name in names] == ["animal01", "animal02"]


def test_the_same_seed_gives_the_same_files_whatever_the_workers(
    cages: Cages, tmp_path: Path
) -> None:
    write_cages(tmp_path / "again", animals=2, schedule="balanced", workers=1, **ARGUMENTS)
    assert digests(tmp_path / "again") == digests(cages.annotations.parent)


def test_an_animal_is_the_same_whichever_others_are_written(cages: Cages, tmp_path: Path) -> None:
    alone = write_cages(tmp_path, animals=1, first_animal=2, schedule="balanced", **ARGUMENTS)
    assert alone.animals == ("animal02",)
    assert alone.videos[0].read_bytes() == cages.videos[1].read_bytes()
    assert cages.videos[0].read_bytes() != cages.videos[1].read_bytes()


def test_cages_that_are_there_are_not_made_again(cages: Cages) -> None:
    folder = cages.annotations.parent
    before = [video.stat().st_mtime_ns for video in cages.videos]
    assert write_cages(folder, animals=2, schedule="balanced", **ARGUMENTS) == cages
    assert [video.stat().st_mtime_ns for video in cages.videos] == before


def test_a_folder_of_other_cages_is_refused(cages: Cages) -> None:
    with pytest.raises(CagesError, match="Name another folder"):
        write_cages(cages.annotations.parent, animals=3, schedule="balanced", **ARGUMENTS)


@pytest.mark.parametrize(
    "wrong", [{"animals": 0}, {"frames_per_animal": 0}, {"seed": -1}, {"schedule": "daily"}]
)
def test_arguments_out_of_range_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    arguments = {"animals": 1, "schedule": "balanced", **ARGUMENTS, **wrong}
    with pytest.raises(CagesError, match=next(iter(wrong))):
        write_cages(tmp_path / "new", **arguments)
    assert not (tmp_path / "new").exists()


def test_the_command_writes_them(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "i3d_bench.cages", str(tmp_path), "--animals", "1"]
    said = subprocess.run([*command, "--frames", "20"], check=True, capture_output=True, text=True)
    assert "1 videos" in said.stdout
    other = subprocess.run([*command, "--frames", "30"], capture_output=True, text=True)
    assert other.returncode == 1
    assert "Name another folder" in other.stderr
    assert "Traceback" not in other.stderr


@pytest.mark.parametrize("number", range(6))
@pytest.mark.parametrize("schedule", ["balanced", "natural"])
def test_bouts_follow_each_other_from_the_first_frame_to_the_last(
    number: int, schedule: Schedule
) -> None:
    _, bouts = planned(number, schedule=schedule, num_frames=4000)
    assert [bout.start for bout in bouts] == [0, *(bout.stop for bout in bouts[:-1])]
    assert bouts[-1].stop == 4000
    assert all(bout.stop - bout.start >= 15 for bout in bouts[:-1])


def test_a_balanced_schedule_gives_each_behaviour_a_ninth() -> None:
    found = [
        shares(planned(number, schedule="balanced", num_frames=6000)[1]) for number in range(12)
    ]
    for label in LABELS:
        of_animals = [share[label] for share in found]
        assert np.mean(of_animals) == pytest.approx(1 / 9, abs=0.03), label
        assert min(of_animals) > 0.05, label
        assert max(of_animals) < 0.19, label


def test_balanced_bouts_last_one_to_six_seconds() -> None:
    _, bouts = planned(1, schedule="balanced", num_frames=20_000)
    lengths = [(bout.stop - bout.start) / FPS for bout in bouts[:-1] if bout.label != "walk"]
    assert min(lengths) >= 1
    assert max(lengths) <= 7  # what is left of a quota is added to a bout
    assert np.std(lengths) > 1


def test_a_natural_schedule_has_the_laboratorys_shares() -> None:
    found = shares(planned(2, schedule="natural", num_frames=60 * 60 * FPS)[1])
    total = sum(timing.share for timing in SCHEDULES["natural"].values())
    for label, timing in SCHEDULES["natural"].items():
        assert found[label] == pytest.approx(timing.share / total, abs=0.02), label
    assert found["rest"] > 0.35 > found["sniff"] > found["eat"] > found["walk"] > 0.01


def test_a_natural_rest_takes_minutes_and_a_drink_seconds() -> None:
    _, bouts = planned(2, schedule="natural", num_frames=60 * 60 * FPS)
    of = {
        label: np.median([b.stop - b.start for b in bouts if b.label == label]) / FPS
        for label in ("rest", "drink")
    }
    assert of["rest"] > 60
    assert 2 <= of["drink"] <= 10


@pytest.mark.parametrize("number", range(4))
def test_an_animal_never_jumps_across_its_cage(number: int) -> None:
    stage, bouts = planned(number, schedule="balanced", num_frames=4000)
    bodies = bodies_of(act_bouts(bouts, stage, np.random.default_rng(number)), stage)
    middle = bodies.torso.mean(axis=1)
    assert np.hypot(*np.diff(middle, axis=0).T).max() < 45


@pytest.mark.parametrize("number", range(4))
def test_an_animal_stays_in_its_cage(number: int) -> None:
    stage, bouts = planned(number, schedule="balanced", num_frames=4000)
    bodies = bodies_of(act_bouts(bouts, stage, np.random.default_rng(number)), stage)
    paws = bodies.legs[:, :, 2]
    ends = np.concatenate([bodies.torso, bodies.head, paws], axis=1)
    assert ends[..., 0].min() > stage.cage.left
    assert ends[..., 0].max() < stage.cage.right
    assert ends[..., 1].max() < stage.cage.floor + 15


def test_animals_and_their_cages_differ() -> None:
    stages = [stage_of(number) for number in range(8)]
    for values in (
        [stage.animal.scale for stage in stages],
        [stage.animal.level for stage in stages],
        [stage.animal.tempo for stage in stages],
        [stage.cage.spout[0] for stage in stages],
    ):
        assert len(set(values)) == 8
        assert np.ptp(values) > 0.02 * np.mean(values)


def test_neighbours_of_one_label_are_one_interval() -> None:
    labels = np.array([7, 7, 7, 2, 2, 7], np.int8)
    assert intervals_of(labels) == [(0, 3, "walk"), (3, 5, "groom"), (5, 6, "walk")]
