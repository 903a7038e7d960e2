"""Profiles of other shapes, and the paper's own: exported, served, classified."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.conftest import MakeVideo
from tritonclient.grpc import InferenceServerClient, InferInput

from i3d_export import cli
from i3d_export.errors import CheckpointError, ExportError
from i3d_export.export import export_models
from i3d_export.profiles import SHIPPED, load_profile
from i3d_server.launcher import serving

ODD_PROFILES = {
    # clip frames, height, width, colour, classes, stride, windows
    "odd_frames": (17, 32, 64, "rgb", 2, 5, 3),
    "many_classes": (24, 64, 32, "grey", 1000, 24, 1),
}


def write_profile(folder: Path, name: str) -> Path:
    frames, height, width, colour, classes, stride, windows = ODD_PROFILES[name]
    labels = [f"class {number}" for number in range(classes)]
    path = folder / f"{name}.toml"
    path.write_text(
        f'profile = "{name}"\nlabels = {json.dumps(labels)}\nheight = {height}\n'
        f'width = {width}\ncolour = "{colour}"\nclip_frames = {frames}\nstride = {stride}\n'
        f'windows_per_segment = {windows}\nlabel_frame = "centre"\ntrained_fps = 25.0\n'
        '[resize]\nrule = "stretch"\n[normalisation]\ndivide_by = 255.0\nadd = 0.0\n'
    )
    return path


@pytest.mark.full_size
def test_odd_shapes_export_and_serve(tmp_path: Path, published: Path) -> None:
    for name in ODD_PROFILES:
        export_models(
            profile=str(write_profile(tmp_path, name)),
            repository=tmp_path / "models",
            name=name,
            checkpoint=published,
            random_head=True,
            on_doubt=lambda _: None,
        )
    with serving(tmp_path / "models") as served:
        client = InferenceServerClient(served.triton.address)
        for name, (frames, height, width, colour, classes, stride, windows) in ODD_PROFILES.items():
            shape = (frames + (windows - 1) * stride, height, width, 3 if colour == "rgb" else 1)
            segment = np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8)
            tensor = InferInput("FRAMES", segment.shape, "UINT8")
            tensor.set_data_from_numpy(segment)
            answer = client.infer(f"{name}_fp32", [tensor]).as_numpy("PROBABILITIES")
            assert answer.shape == (1, windows, classes)
            np.testing.assert_allclose(answer.sum(axis=-1), 1, atol=1e-4)
        client.close()


@pytest.fixture(scope="module")
def homecage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with homecage9 at FP32 and INT8 on the Kinetics network."""
    repository = tmp_path_factory.mktemp("homecage")
    command = CliRunner().invoke(
        cli.export,
        ["homecage9", "--random-head", "--precision", "fp32", "int8", "--repository",
         str(repository)],
    )  # fmt: skip
    assert command.exit_code == 0, command.output
    assert "its labels are NOT what it sees" in command.output
    return repository


@pytest.mark.full_size
def test_an_untrained_network_is_named_and_marked_so(homecage: Path) -> None:
    names = {folder.name for folder in homecage.iterdir()}
    assert names == {"homecage9-untrained_fp32", "homecage9-untrained_int8"}
    build = json.loads((homecage / "homecage9-untrained_int8/1/build.json").read_text())
    assert "untrained" in build["head"]
    record = json.loads(
        (homecage / "homecage9-untrained_int8/1/verification.openvino.json").read_text()
    )
    assert record["verdict"] in {"insufficient evidence", "passed"}
    assert record["figures"]["windows"] >= 100


@pytest.mark.full_size
def test_homecage9_is_classified_with_no_option_but_its_name(
    homecage: Path, make_video: MakeVideo, tmp_path: Path
) -> None:
    video = make_video(70, rate=30, width=320, height=240)
    model = "homecage9-untrained_int8"
    with serving(homecage) as served:
        done = subprocess.run(
            [sys.executable, "-m", "i3d_client", "classify", str(video), "--model", model,
             "--server", served.triton.address, "--out", "results"],
            capture_output=True, text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (run_file,) = tmp_path.rglob("run.json")
    run = json.loads(run_file.read_text())
    contract = run["model"]["contract"]
    assert tuple(contract["labels"]) == load_profile("homecage9").contract.labels
    assert (contract["label_frame"], contract["windows_per_segment"]) == ("last", 32)
    assert run["model"]["precision"] == "int8"
    assert run["model"]["build"]["head"].startswith("random")
    assert run["frames"]["scored"] == 70 - 15
    with (run_file.parent / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    labels = [row["label"] for row in rows]
    assert len(labels) == 70
    assert not any(labels[:15])  # before the first window's last frame
    assert set(labels[15:]) <= set(contract["labels"])


def test_homecage9_has_no_weights_of_its_own(tmp_path: Path, published: Path) -> None:
    with pytest.raises(ExportError, match=r"no published weights: pass --checkpoint FILE, or --ra"):
        export_models(profile="homecage9", repository=tmp_path)
    with pytest.raises(CheckpointError, match="400 classes, the profile 9 labels"):
        export_models(profile="homecage9", repository=tmp_path, checkpoint=published)


def test_labels_must_be_as_many_as_the_checkpoints_classes(tmp_path: Path, published: Path) -> None:
    shutil.copy(SHIPPED / "kinetics400_labels.txt", tmp_path / "labels.txt")
    with (tmp_path / "labels.txt").open("a") as file:
        file.write("one more\n")
    with pytest.raises(CheckpointError, match="400 classes, the profile 401 labels"):
        export_models(
            profile="kinetics400", repository=tmp_path, checkpoint=published,
            labels=tmp_path / "labels.txt",
        )  # fmt: skip
