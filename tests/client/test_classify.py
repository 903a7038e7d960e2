"""``i3d classify`` as a user runs it: its files, its messages, its exit status."""

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.client.conftest import NUMBER_MODELS
from tests.client.fault_server import fault_server
from tests.client.runs import asked, wait_until
from tests.client.test_video import damage
from tests.conftest import MakeVideo

from i3d_bench.overlap import CONTRACT as SIMULATED
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator

I3D = [sys.executable, "-m", "i3d_client"]


def i3d(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*I3D, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, **environment},
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_tables_say_which_window_labels_which_frame_and_when(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video = make_video(50, rate=25, b_frames=2)
    out = tmp_path / "out"
    done = i3d(
        "classify", "--no-report", video, "--server", server, "--model", "overlapping", "--out", out
    )
    assert (done.returncode, done.stderr) == (
        0,
        f"frames go to {server} by shared memory\n"
        f"warning: {video}: 25 frames/s, but the model was trained at 30: movements look slower "
        "or faster to it than they are\n",
    )
    assert f"{video}: 38 of 50 frames scored" in done.stdout
    frames = rows(out / video.name / "frames.csv")
    assert [int(row["frame"]) for row in frames] == list(range(50))
    assert [float(row["time_s"]) for row in frames] == [round(n / 25, 6) for n in range(50)]
    # T = 16, stride 4: the first window labels its last 4 frames; 12 frames before are unscored.
    assert [row["label"] == "" for row in frames] == [True] * 12 + [False] * 38
    windows = rows(out / video.name / "windows.csv")
    ranges = [(int(row["start_frame"]), int(row["stop_frame"])) for row in windows]
    assert ranges == [(start, start + 16) for start in (*range(0, 33, 4), 34)]
    assert list(windows[0])[:6] == [
        "start_frame", "stop_frame", "label", "score", "label_1", "score_1"
    ]  # fmt: skip
    assert list(windows[0])[-2:] == ["label_5", "score_5"]
    run = json.loads((out / video.name / "run.json").read_text())
    assert run["complete"] is True
    assert run["frames"] == {
        "first": 0,
        "from_header": 50,
        "in_file": 50,
        "hidden": 0,
        "decoded": 50,
        "lost": 0,
        "given_up": 0,
        "scored": 38,
        "unscored": 12,
        "padded": 0,
    }
    contract = json.loads(NUMBER_MODELS["overlapping"].to_json())
    assert run["model"]["contract"] == contract
    assert run["model"]["build"]["precision"] == "fp32"
    assert run["run"]["frames_per_s"] > 0


def test_a_video_shorter_than_a_window_says_so(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video = make_video(5)
    done = i3d(
        "classify",
        "--no-report",
        video,
        "--server",
        server,
        "--model",
        "overlapping",
        "--out",
        tmp_path / "o",
    )
    assert done.returncode == 0
    assert "5 frames are fewer than a window of 16" in done.stderr
    assert all(row["label"] for row in rows(tmp_path / "o" / video.name / "frames.csv"))
    run = json.loads((tmp_path / "o" / video.name / "run.json").read_text())
    assert run["frames"]["padded"] == 11


def test_bad_videos_fail_alone_and_the_others_are_done(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    good = make_video(40)
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    cut = make_video(90, name="cut.mp4")
    cut.write_bytes(cut.read_bytes()[:2000])
    absent = tmp_path / "absent.mp4"
    out = tmp_path / "out"
    videos = [text, cut, absent, good]
    done = i3d(
        "classify",
        "--no-report",
        *videos,
        "--server",
        server,
        "--model",
        "back_to_back",
        "--out",
        out,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    for video, says in ((text, "not a video"), (cut, "interrupted"), (absent, "no such file")):
        assert any(str(video) in line and says in line for line in done.stderr.splitlines())
    assert "3 of 4 videos failed or are incomplete" in done.stderr
    assert [path.name for path in out.iterdir()] == [good.name]
    assert (out / good.name / "run.json").is_file()


def test_lost_frames_are_counted_and_the_status_says_incomplete(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video = make_video(60, codec="mjpeg", name="x.mov", pixel_format="yuvj420p")
    damage(video, packets={20})
    out = tmp_path / "out"
    done = i3d(
        "classify",
        "--no-report",
        video,
        "--server",
        server,
        "--model",
        "back_to_back",
        "--out",
        out,
    )
    assert done.returncode == 1
    assert "1 of 60 frames cannot be decoded (20)" in done.stderr
    frames = rows(out / video.name / "frames.csv")
    assert [row["frame"] for row in frames] == [str(n) for n in range(60)]
    assert [n for n, row in enumerate(frames) if not row["label"]] == list(range(16, 32))
    run = json.loads((out / video.name / "run.json").read_text())
    assert (run["complete"], run["frames"]["lost"]) == (False, 1)


def test_a_file_cut_in_the_middle_gives_what_is_there_and_says_it_is_not_all(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video = make_video(200, name="cut.avi", codec="mjpeg", pixel_format="yuvj420p")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    out = tmp_path / "out"
    done = i3d(
        "classify",
        "--no-report",
        video,
        "--server",
        server,
        "--model",
        "back_to_back",
        "--out",
        out,
    )
    assert done.returncode == 1
    assert "cut off: its header says 200 frames" in done.stderr
    assert 0 < len(rows(out / video.name / "frames.csv")) < 200


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "absent"], "no model 'absent'"),
        ([], "serves 4 models"),
        (["--server", "127.0.0.1:9"], "no server answers at 127.0.0.1:9"),
        (["--server", "nonsense"], "expected HOST:PORT"),
    ],
)
def test_a_server_or_model_that_is_not_there(
    make_video: MakeVideo, server: str, tmp_path: Path, arguments: list[str], says: str
) -> None:
    out = tmp_path / "out"
    done = i3d(
        "classify", "--no-report", make_video(20), "--out", out, *arguments, I3D_SERVER=server
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"ready": False}, "not ready"),
        ({"shape": (1, 2, 7)}, r"expected (3, 32)"),
        ({"shape": (0, 3, 32)}, "expected float32 of one segment"),
        ({"carries": False}, "no contract"),
    ],
)
def test_a_server_that_misbehaves(
    make_video: MakeVideo, tmp_path: Path, fault: dict[str, object], says: str
) -> None:
    with fault_server(NUMBER_MODELS["overlapping"], **fault) as address:  # type: ignore[arg-type]
        done = i3d(
            "classify",
            "--no-report",
            make_video(20),
            "--out",
            tmp_path / "out",
            "--server",
            address,
        )
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/*/run.json"))


def test_an_output_folder_that_cannot_be_written(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    out = tmp_path / "file" / "out"
    done = i3d(
        "classify",
        "--no-report",
        make_video(20),
        "--out",
        out,
        "--server",
        server,
        "--model",
        "one_window",
    )
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "--out" in done.stderr


def test_two_videos_of_one_name_are_not_mixed(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    first = make_video(20, name="a.mp4")
    (tmp_path / "b").mkdir()
    second = tmp_path / "b" / "a.mp4"
    second.write_bytes(first.read_bytes())
    out = tmp_path / "out"
    done = i3d(
        "classify",
        "--no-report",
        first,
        second,
        "--out",
        out,
        "--server",
        server,
        "--model",
        "one_window",
    )
    assert done.returncode == 1
    assert f"{first} and {second}" in done.stderr


def test_the_same_command_again_writes_the_same_tables(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video, out = make_video(50), tmp_path / "out"
    tables = []
    for more in ([], ["--overwrite"]):
        i3d(
            "classify",
            "--no-report",
            video,
            "--out",
            out,
            "--server",
            server,
            "--model",
            "every_frame",
            *more,
        )
        folder = out / video.name
        tables.append([(folder / name).read_bytes() for name in ("frames.csv", "windows.csv")])
    assert tables[0] == tables[1]


def test_ctrl_c_ends_within_seconds_and_leaves_no_half_file(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    video, out = make_video(640), tmp_path / "out"
    with simulated_accelerator(contract=SIMULATED, seconds_per_window=0.5) as address:
        process = subprocess.Popen(
            [*I3D, "classify", str(video), "--server", address, "--out", str(out)],
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: asked(address, MODEL_NAME))
        process.send_signal(signal.SIGINT)
        _, messages = process.communicate(timeout=10)
    assert process.returncode == 130
    (said,) = (line for line in messages.splitlines() if line.startswith("interrupted; "))
    assert messages.endswith(f"{said}\n")
    assert said.endswith("the same command goes on from here")
    files = [path.relative_to(out / video.name) for path in out.rglob("*") if path.is_file()]
    assert {path.parts[0] for path in files} <= {".journal"}
    assert not [path for path in files if path.name.endswith(".part")]


def test_models_are_listed_with_what_they_expect(server: str) -> None:
    done = i3d("models", "--server", server)
    assert done.returncode == 0
    assert done.stdout[done.stdout.index("overlapping") :].splitlines() == [
        "overlapping  ready",
        "  openvino, fp32, version 1",
        "  frames of 32 × 32, grey",
        "  windows of 16 frames every 4, 3 a request; label of the last frame",
        "  32 labels: first 0, first 1, first 2, first 3, first 4, …",
    ]


def test_models_without_a_server() -> None:
    done = i3d("models", "--server", "127.0.0.1:9")
    assert (done.returncode, "no server answers" in done.stderr) == (1, True)
