"""A run that was ended in the middle is given again: it goes on, and nothing is mixed or lost."""

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.runs import (
    FixedServer,
    Run,
    asked,
    classify,
    frames_before,
    i3d_classify,
    interrupted,
    lives,
    registered,
    running,
    segments_in,
    spans_in,
    tables,
    wait_until,
    workers_of,
)
from tests.conftest import write_video

from i3d_client.journal import OutputLock

pytestmark = pytest.mark.faults

FRAMES = 600
ADVANCE = 8
MODEL = "slow"


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "mouse 1.mp4", FRAMES, gop=25, b_frames=2)


@pytest.fixture(scope="module")
def undisturbed(
    video: Path, slow_server: FixedServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    run = again(video, slow_server, out)
    assert not run.problems
    return tables(out)


def again(
    video: Path, server: FixedServer, out: Path, run: Run | None = None, **options: object
) -> Run:
    given = {"model": MODEL, "workers": 2, "in_flight": 2, "span_frames": 64, **options}
    return classify([video], server=server.address, out=out, run=run, **given)  # type: ignore[arg-type]


def begun(video: Path, server: FixedServer, out: Path, **options: object) -> int:
    """Do about a third, and return how many segments are in the journal."""
    run = again(video, server, out, interrupted(after_frames=200), **options)
    assert [outcome.state for outcome in run.outcomes] == ["interrupted"]
    assert not tables(out)
    done = segments_in(out)
    assert 0 < done < FRAMES // ADVANCE - 5
    return done


@pytest.fixture
def out(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "out"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGHUP, 130), (signal.SIGKILL, -9)],
)
def test_the_same_command_goes_on_after_a_signal(
    video: Path,
    undisturbed: dict[str, bytes],
    slow_server: FixedServer,
    tmp_path: Path,
    number: signal.Signals,
    status: int,
) -> None:
    out = tmp_path / "out"
    options = ["--server", slow_server.address, "--model", MODEL, "--workers", "2"]
    options += ["--in-flight", "2", "--span-frames", "64"]
    with running(video, "--out", out, *options) as process:
        wait_until(lambda: len(spans_in(out)) >= 2)
        workers = workers_of(process.pid)
        sent = time.monotonic()
        process.send_signal(number)
        process.wait(10)
        assert time.monotonic() - sent < 6
        wait_until(lambda: not any(map(lives, workers)), within_s=3)
        if number != signal.SIGKILL:
            assert not registered(slow_server.address)
            assert process.stderr is not None
            said = re.search(
                r"\ninterrupted; (\d+) frames of what was begun are kept; "
                r"the same command goes on from here\n$",
                process.stderr.read(),
            )
            assert said is not None
            assert int(said[1]) == segments_in(out) * ADVANCE
        assert process.returncode == status
    time.sleep(0.3)  # what a killed client had in flight is answered, and counted
    done, before = segments_in(out), asked(slow_server.address, MODEL)
    run = again(video, slow_server, out)
    assert [outcome.state for outcome in run.outcomes] == ["resumed"]
    assert tables(out) == undisturbed
    grid = FRAMES - 16 + 1
    assert asked(slow_server.address, MODEL) - before == -(-grid // ADVANCE) - done
    assert abs(frames_before(out / video.name) - done * ADVANCE) < ADVANCE
    assert not registered(slow_server.address)
    assert not spans_in(out)


def test_without_timestamps_it_goes_on_in_one_pass(
    slow_server: FixedServer, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "n.avi", FRAMES, b_frames=2)
    again(video, slow_server, tmp_path / "whole")
    done = begun(video, slow_server, tmp_path / "out")
    before = asked(slow_server.address, MODEL)
    run = again(video, slow_server, tmp_path / "out")
    assert [outcome.state for outcome in run.outcomes] == ["resumed"]
    assert tables(tmp_path / "out") == tables(tmp_path / "whole")
    # Where the recording ends is only known once it is decoded: the last span is done again.
    assert asked(slow_server.address, MODEL) - before < FRAMES // ADVANCE - done + 12


def flip_a_byte(video: Path) -> None:
    content = bytearray(video.read_bytes())
    content[len(content) // 2] ^= 1
    video.write_bytes(content)


def add_a_byte(video: Path) -> None:
    video.write_bytes(video.read_bytes() + b"\0")


@pytest.mark.parametrize("finished", [False, True])
def test_what_is_of_another_run_is_never_mixed(
    video: Path,
    undisturbed: dict[str, bytes],
    slow_server: FixedServer,
    out: Path,
    tmp_path: Path,
    finished: bool,
) -> None:
    given = tmp_path / video.name
    shutil.copy(video, given)
    if finished:
        again(given, slow_server, out)
    else:
        begun(given, slow_server, out)
    kept = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    size = given.stat().st_size
    for change, says in (
        (flip_a_byte, f"the video is another one: of the same size, {size} bytes, with other"),
        (add_a_byte, f"the video is another one: it had {size} bytes, has {size + 1}"),
    ):
        change(given)
        run = again(given, slow_server, out)
        assert says in run.problems
        shutil.copy(video, given)
    for options, says in (
        ({"model": "small_queue"}, 'model name was "slow", is "small_queue"'),
        ({"start_s": 1.5}, "start s was not given, is 1.5"),
        ({"stop_s": 9.0}, "stop s was not given, is 9.0"),
    ):
        run = again(given, slow_server, out, **options)
        assert says in run.problems
        assert "--overwrite" in run.problems
        assert [outcome.state for outcome in run.outcomes] == ["failed"]
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == kept
    run = again(given, slow_server, out)
    assert [outcome.state for outcome in run.outcomes] == ["skipped" if finished else "resumed"]
    assert tables(out) == undisturbed


def test_overwrite_begins_anew(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, out: Path
) -> None:
    begun(video, slow_server, out, start_s=1.0)
    run = again(video, slow_server, out, overwrite=True)
    assert [outcome.state for outcome in run.outcomes] == ["done"]
    assert tables(out) == undisturbed


def test_the_refusal_is_exit_status_1(video: Path, slow_server: FixedServer, out: Path) -> None:
    begun(video, slow_server, out)
    options = ["--server", slow_server.address, "--model", MODEL, "--out", out]
    done = i3d_classify(video, *options, "--start", 2)
    assert done.returncode == 1
    assert "holds a part of another run: start s was not given, is 2.0" in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_tables_are_made_again(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, out: Path
) -> None:
    again(video, slow_server, out)
    before = asked(slow_server.address, MODEL)
    (out / video.name / ".journal").mkdir()  # as after a kill right behind the last file
    assert [o.state for o in again(video, slow_server, out).outcomes] == ["skipped"]
    assert asked(slow_server.address, MODEL) == before
    assert not (out / video.name / ".journal").exists()
    table = out / video.name / "frames.csv"
    table.write_bytes(table.read_bytes().replace(b"first", b"FIRST", 1))
    run = again(video, slow_server, out)
    assert "frames.csv: expected the SHA-256" in run.warnings
    assert tables(out) == undisturbed


def test_a_damaged_journal_is_not_believed(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, out: Path
) -> None:
    begun(video, slow_server, out)
    spans = spans_in(out)
    spans[0].write_bytes(spans[0].read_bytes()[:500])
    flipped = bytearray(spans[1].read_bytes())
    flipped[len(flipped) // 2] ^= 1
    spans[1].write_bytes(flipped)
    spans[-1].with_name("000000070-000000072.npz").write_bytes(b"garbage")
    spans[-1].with_name("no numbers.npz").write_bytes(b"")
    run = again(video, slow_server, out)
    assert "4 files of the journal were damaged" in run.warnings
    assert tables(out) == undisturbed


def test_a_journal_that_does_not_say_what_it_is_of_is_not_used(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, out: Path
) -> None:
    begun(video, slow_server, out)
    (out / video.name / ".journal" / "run.json").write_text('{"input": [')
    run = again(video, slow_server, out)
    assert [outcome.state for outcome in run.outcomes] == ["done"]
    assert tables(out) == undisturbed


def test_one_run_at_a_time_writes_to_a_folder(
    video: Path, slow_server: FixedServer, out: Path
) -> None:
    options = ["--server", slow_server.address, "--model", MODEL, "--out", out]
    with OutputLock(out):
        done = i3d_classify(video, *options)
        assert done.returncode == 1
        assert "another run is writing there (process " in done.stderr
    (out / ".i3d-lock").write_text("process 1 on nowhere\n")  # as a killed one leaves it
    assert i3d_classify(video, *options).returncode == 0
    run = json.loads((out / video.name / "run.json").read_text())
    assert run["complete"]
    assert not (out / ".i3d-lock").exists()
