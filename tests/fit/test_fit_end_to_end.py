"""From annotated videos to served models in one command: the published network, the real Triton."""

import csv
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from tests.fit.fits import (
    BOUT,
    FRAMES,
    PROFILE,
    annotated,
    bouts,
    write_annotations,
    write_behaviours,
)

from i3d_export.profiles import load_profile
from i3d_export.stage_cache import cache_folder


@dataclass(frozen=True)
class Lab:
    """A folder in which commands are typed, and what the first of them wrote."""

    folder: Path
    cache: Path
    document: dict

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return typed(self.folder, self.cache, *arguments)


def typed(folder: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "i3d_client", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, "I3D_CACHE": str(cache)},
    )


FIT = (
    *("fit", "--videos", "mouse1.mp4", "mouse2.mp4", "mouse3.mp4"),
    *("--annotations", "annotations.csv", "--profile", "tiny.toml", "--repository", "models"),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder, cache = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("cache")
    downloads = cache_folder() / "downloads"
    downloads.mkdir(parents=True, exist_ok=True)
    (cache / "downloads").symlink_to(downloads)
    (folder / "tiny.toml").write_text(PROFILE.replace("stride = 8", "stride = 2"))
    for seed in range(1, 5):
        write_behaviours(folder / f"mouse{seed}.mp4", seed=seed)
    rows = [row for seed in (1, 2, 3) for row in annotated(f"mouse{seed}.mp4", seed=seed)]
    write_annotations(folder / "annotations.csv", rows)
    done = typed(folder, cache, *FIT, "--out", "mine")
    assert done.returncode == 0, done.stderr
    document = json.loads((folder / "mine" / "fit.json").read_text())
    assert done.stdout.rstrip().endswith(
        "next: i3d classify VIDEO… --embedded --model mine_int8 --out results --repository models"
    )
    return Lab(folder=folder, cache=cache, document=document)


def test_a_model_of_each_precision_is_placed_with_proof(lab: Lab) -> None:
    assert [model["name"] for model in lab.document["models"]] == ["mine_fp32", "mine_int8"]
    (judged,) = lab.document["judged"]
    assert judged["model"] == "mine_int8"
    assert judged["figures"]["accuracy"]["classes"] == 3
    assert not judged["forced"]
    for name in ("mine_fp32", "mine_int8"):
        labels = (lab.folder / "models" / name / "labels.txt").read_text().split()
        assert labels == lab.document["labels"]
    page = (lab.folder / "mine" / "report.html").read_text()
    assert "mine_int8" in page
    assert "None was exported." not in page


def test_features_come_from_the_profiles_own_network(lab: Lab) -> None:
    model = lab.document["features"]["model"]
    assert model["name"].endswith("_int8")
    assert model["contract"]["stride"] == 8
    assert lab.document["measures"]["balanced_accuracy"] > 0.7


@pytest.mark.parametrize("model", ["mine_fp32", "mine_int8"])
def test_the_served_model_tells_the_behaviours_of_a_new_video_apart(lab: Lab, model: str) -> None:
    done = lab.run(
        *("classify", "mouse4.mp4", "--embedded", "--repository", "models", "--model", model),
        *("--out", f"results_{model}", "--no-report"),
    )
    assert done.returncode == 0, done.stderr
    with (lab.folder / f"results_{model}" / "mouse4.mp4" / "frames.csv").open() as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    truth = np.repeat(bouts(4), BOUT)
    assert len(labels) == len(truth) == FRAMES
    assert np.mean([label == true for label, true in zip(labels, truth, strict=True)]) > 0.6


def test_a_second_fit_is_one_of_seconds(lab: Lab) -> None:
    started = time.monotonic()
    done = lab.run(*FIT, "--out", "again", "--rename", "flicker=moving", "--no-export")
    assert done.returncode == 0, done.stderr
    document = json.loads((lab.folder / "again" / "fit.json").read_text())
    assert document["labels"] == ["moving", "still"]
    assert document["features"]["frames_now"] == 0
    assert time.monotonic() - started < 60


def test_features_of_some_videos_anew_go_with_those_of_the_others(lab: Lab) -> None:
    given = ["--annotations", "annotations.csv", "--profile", "tiny.toml", "--no-export"]
    some = ["fit", "--videos", "mouse1.mp4", "mouse2.mp4", *given, "--out", "some"]
    done = lab.run(*some, "--features-anew")
    assert done.returncode == 0, done.stderr
    assert "features of mouse1.mp4" in done.stderr
    done = lab.run(*FIT, "--out", "all", "--no-export")
    assert done.returncode == 0, done.stderr
    assert "features of" not in done.stderr


def test_the_profile_is_one_that_export_takes(lab: Lab) -> None:
    profile = load_profile(str(lab.folder / "mine.toml"))
    assert profile.contract.stride == 2
    assert profile.head is not None
