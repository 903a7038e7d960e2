"""``--dry-run``: what would be classified, and how long earlier runs say it will take."""

import io
import json
from fractions import Fraction
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.conftest import MakeVideo

from i3d_bench.number_network import number_contract
from i3d_client.dry_run import DryRun, PlannedRecording, known_rate, plan, print_dry_run
from i3d_client.errors import VideoError
from i3d_client.inputs import Input
from i3d_client.recording import open_recording

CONTRACT = number_contract(clip_frames=16, stride=4)


def of(*files: Path, name: str = "rec.mp4") -> Input:
    return Input(name=PurePosixPath(name), files=files)


def printed(dry_run: DryRun, out: Path = Path("out"), *, terminal: int | None = None) -> list[str]:
    stream = io.StringIO()
    width = {} if terminal is None else {"width": terminal}
    print_dry_run(
        dry_run, out=out, console=Console(file=stream, force_terminal=terminal is not None, **width)
    )
    return stream.getvalue().splitlines()


def write_run(folder: Path, rate: object, model: str = "m") -> None:
    folder.mkdir(parents=True)
    document = {"model": {"name": model}, "run": {"frames_per_s": rate}}
    (folder / "run.json").write_text(json.dumps(document))


def test_a_recording_is_described_by_its_timestamps_and_its_windows(make_video: MakeVideo) -> None:
    ticks = [*range(25), *range(1000, 1025)]  # a pause of 39 s in the middle
    path = make_video(50, ticks=ticks, time_base=Fraction(1, 25), rate=25, width=192, rotation=90)
    recording = open_recording((path,))
    dry_run = plan([(of(path), recording)], contract=CONTRACT, frames_per_s=100.0)
    (item,) = dry_run.recordings
    assert item.num_frames == 50
    assert item.duration_s == pytest.approx(1024 / 25 + 1 / float(recording.fps))
    assert item.resolutions == ((128, 192),)
    assert item.num_windows == len([*range(0, 33, 4), 34])
    assert dry_run.expected_s == 0.5


def test_files_of_one_recording_are_added_up(make_video: MakeVideo) -> None:
    one = make_video(20, name="1.mp4", rate=25)
    two = make_video(30, name="2.mp4", rate=25, width=192)
    item = of(one, two, name="1.mp4+1 more")
    dry_run = plan([(item, open_recording((one, two)))], contract=CONTRACT, frames_per_s=None)
    (planned,) = dry_run.recordings
    assert (planned.num_frames, planned.num_windows) == (50, 10)
    assert planned.duration_s == pytest.approx(2.0)
    lines = printed(dry_run)
    assert "128 × 128, 192 × 128" in lines[1]
    assert lines[2:5] == ["1.mp4+1 more is, in this order:", f"  {one}", f"  {two}"]


def test_a_file_gets_each_recording_whole_on_one_line(make_video: MakeVideo) -> None:
    video = make_video(50, rate=25)
    long = "cage 3/" + "very long name " * 12 + ".mp4"
    absent = VideoError("k\udce4fig.mp4: no such file")
    dry_run = plan(
        [(of(video, name=long), open_recording((video,))), (of(Path("k\udce4fig.mp4")), absent)],
        contract=CONTRACT,
        frames_per_s=0.01,
    )
    lines = printed(dry_run, Path("out [x]"))
    assert "\x1b" not in "".join(lines)
    assert lines[0].split("\t") == [
        "recording", "files", "frames", "h:mm:ss", "resolution", "fps", "windows", "results"
    ]  # fmt: skip
    assert lines[1].split("\t") == [
        long, "1", "50", "0:00:02.0", "128 × 128", "25", "10", f"out [x]/{long}"
    ]  # fmt: skip
    assert lines[2].split("\t") == ["rec.mp4", "1", *"–––––", "cannot be read"]
    assert lines[3:] == [
        "error: k\\xe4fig.mp4: no such file",
        "2 recordings, 50 frames, 0:00:02.0, 10 windows; 1 cannot be read",
        "expected time: about 1 h 24 min, at the 0.01 frames/s of the runs in out [x]",
    ]


def test_a_terminal_gets_a_table_that_fits_and_loses_no_letter(make_video: MakeVideo) -> None:
    video = make_video(50, rate=25)
    name = "abcdefghijklmnopqrstuvwxyz0123456789" * 3
    dry_run = plan(
        [(of(video, name=name), open_recording((video,)))], contract=None, frames_per_s=None
    )
    lines = printed(dry_run, terminal=110)
    rows = [line for line in lines if line.count("│") == 9]
    assert max(map(len, rows)) <= 110
    letters = "".join(row.split("│")[1].strip() for row in rows)
    assert name in letters


def test_a_file_that_seems_cut_off_is_told(make_video: MakeVideo) -> None:
    path = make_video(200, name="cut.avi", codec="mjpeg", pixel_format="yuvj420p")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    lines = printed(plan([(of(path), open_recording((path,)))], contract=None, frames_per_s=None))
    assert any(f"warning: {path}: the file seems cut off" in line for line in lines)


def test_without_a_contract_or_an_earlier_run_it_says_unknown(make_video: MakeVideo) -> None:
    video = make_video(50)
    dry_run = plan([(of(video), open_recording((video,)))], contract=None, frames_per_s=None)
    assert (dry_run.num_windows, dry_run.expected_s) == (None, None)
    assert printed(dry_run)[-2:] == [
        "1 recording, 50 frames, 0:00:01.7, – windows",
        "expected time: unknown, for out holds no earlier run to go by",
    ]


def test_the_rate_is_the_median_of_earlier_runs_of_the_model(tmp_path: Path) -> None:
    assert known_rate(tmp_path / "absent") is None
    assert known_rate(tmp_path) is None
    for number, rate in enumerate([40.0, 44.0, 1000]):
        write_run(tmp_path / f"cage {number}" / "rec.mp4", rate)
    write_run(tmp_path / "other.mp4", 7.0, model="other")
    assert known_rate(tmp_path, model="m") == 44.0
    assert known_rate(tmp_path, model="other") == 7.0
    assert known_rate(tmp_path, model="absent") is None
    assert known_rate(tmp_path) == 42.0


def test_what_is_no_run_of_ours_does_not_count(tmp_path: Path) -> None:
    for number, rate in enumerate([0, -1, None, "x", float("inf"), float("nan"), []]):
        write_run(tmp_path / str(number), rate)
    for number, data in enumerate([b"[" * 100_000, b"[1]", b"\xff\xfe", b""]):
        (tmp_path / f"file {number}").mkdir()
        (tmp_path / f"file {number}" / "run.json").write_bytes(data)
    (tmp_path / "folder" / "run.json").mkdir(parents=True)
    assert known_rate(tmp_path) is None


@given(
    st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**5)), min_size=1),
    st.floats(0.01, 1e5),
)
def test_totals_are_the_sums(recordings: list[tuple[int, int]], rate: float) -> None:
    planned = tuple(
        PlannedRecording(input=of(Path("x")), num_frames=frames, num_windows=windows)
        for frames, windows in recordings
    )
    failed = PlannedRecording(input=of(Path("y")), problem="no such file")
    dry_run = DryRun(recordings=(*planned, failed), frames_per_s=rate)
    assert dry_run.num_frames == sum(frames for frames, _ in recordings)
    assert dry_run.num_windows == sum(windows for _, windows in recordings)
    assert dry_run.expected_s == pytest.approx(dry_run.num_frames / rate)


@pytest.mark.parametrize(
    ("frames", "says"),
    [(1, "1 s"), (59, "59 s"), (61, "2 min"), (3600, "1 h 0 min"), (3601, "1 h 1 min")],
)
def test_times_are_rounded_up(frames: int, says: str) -> None:
    planned = PlannedRecording(input=of(Path("x")), num_frames=frames, duration_s=59.96)
    lines = printed(DryRun(recordings=(planned,), frames_per_s=1.0))
    assert f"about {says}, at the 1.00 frames/s" in lines[-1]
    assert "0:01:00.0" in lines[1]
