"""What happens to servers, workers, disks and files in the middle: it goes on, or says what is."""

import asyncio
import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.client.conftest import SLOW
from tests.client.fault_server import fault_server
from tests.client.runs import (
    FixedServer,
    Run,
    asked,
    classify,
    i3d_classify,
    lives,
    registered,
    running,
    spans_in,
    tables,
    wait_until,
    workers_of,
)
from tests.conftest import MakeVideo, write_video
from tests.server.gateway_labs import needs_nginx

from i3d_bench.kills import measure
from i3d_bench.number_network import number_contract, write_number_model
from i3d_client.errors import (
    ModelChangedError,
    OutputError,
    ServerUnavailableError,
    WorkerError,
)
from i3d_client.shared_memory import Region, dead_regions
from i3d_client.triton import Connection
from i3d_server.gateway import running_gateway
from i3d_server.labs import add_lab, init_labs
from i3d_server.region_sweep import sweeping_regions

pytestmark = pytest.mark.faults

FRAMES = 400
GIVEN = {"model": "slow", "workers": 2, "in_flight": 2, "span_frames": 64}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "mouse.mp4", FRAMES, gop=25, b_frames=2)


@pytest.fixture(scope="module")
def undisturbed(
    video: Path, slow_server: FixedServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed")
    again(video, slow_server, out)
    return tables(out)


def again(
    video: Path, server: FixedServer, out: Path, run: Run | None = None, **options: object
) -> Run:
    return classify([video], server=server.address, out=out, run=run, **{**GIVEN, **options})  # type: ignore[arg-type]


@contextlib.contextmanager
def meanwhile(job: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread, and see that it succeeded."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            job()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed, failed


def after_spans(out: Path, job: Callable[[], None], count: int = 2) -> Callable[[], None]:
    def wait_and_do() -> None:
        wait_until(lambda: len(spans_in(out)) >= count)
        job()

    return wait_and_do


@pytest.fixture
def restored(slow_server: FixedServer) -> Iterator[FixedServer]:
    """The slow server; it serves its own models again afterwards."""
    repository = slow_server.repository
    yield slow_server
    slow_server.repository = repository
    slow_server.kill()
    slow_server.start()


@pytest.mark.parametrize("transport", ["grpc", "shared memory"])
def test_a_server_that_is_killed_and_comes_back(
    video: Path,
    undisturbed: dict[str, bytes],
    slow_server: FixedServer,
    tmp_path: Path,
    transport: str,
) -> None:
    def restart() -> None:
        slow_server.kill()
        time.sleep(1.5)
        slow_server.start()

    with meanwhile(after_spans(tmp_path, restart)):
        run = again(video, slow_server, tmp_path, transport=transport)
    assert not run.problems
    assert tables(tmp_path) == undisturbed
    assert [message for message in run.messages if "waiting for the server: " in message]
    assert run.messages[-1] == "the server answers again"
    assert not registered(slow_server.address)


def test_a_model_whose_process_dies(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    def restart() -> None:
        slow_server.kill_stubs()
        slow_server.start()

    with meanwhile(after_spans(tmp_path, restart)):
        run = again(video, slow_server, tmp_path)
    assert not run.problems
    assert tables(tmp_path) == undisturbed


@pytest.mark.parametrize("change", ["build", "contract"])
def test_a_server_that_comes_back_with_another_model(
    video: Path,
    undisturbed: dict[str, bytes],
    restored: FixedServer,
    tmp_path: Path,
    change: str,
) -> None:
    own, other, out = restored.repository, tmp_path / "other", tmp_path / "out"
    contract = number_contract(clip_frames=16, stride=2, windows=4)
    if change == "build":
        write_number_model(other, "slow", SLOW, build="other weights")
    else:
        write_number_model(other, "slow", contract)

    def replace() -> None:
        restored.kill()
        restored.repository = other
        restored.start()

    with meanwhile(after_spans(out, replace)), pytest.raises(ModelChangedError, match="no longer"):
        again(video, restored, out)
    assert spans_in(out)
    refused = again(video, restored, out)
    assert f"model {change}" in refused.problems
    restored.kill()
    restored.repository = own
    restored.start()
    assert [outcome.state for outcome in again(video, restored, out).outcomes] == ["resumed"]
    assert tables(out) == undisturbed


def test_another_model_is_noticed_without_a_request_that_fails(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    with (
        fault_server(SLOW, changes_after=12) as address,
        pytest.raises(ModelChangedError, match="no longer the one"),
    ):
        classify(
            [make_video(FRAMES)],
            server=address,
            model="faulty",
            out=tmp_path / "out",
            span_frames=64,
        )
    kept = [tuple(map(int, path.stem.split("-"))) for path in spans_in(tmp_path / "out")]
    assert all(stop <= 12 for _, stop in kept)


def test_a_queue_that_is_full_or_too_slow(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    before = asked(slow_server.address, "small_queue")
    trace = tmp_path / "trace.json"
    options = ["--model", "small_queue", "--workers", 2, "--in-flight", 8, "--span-frames", 64]
    where = ["--server", slow_server.address, "--out", tmp_path, "--trace", trace]
    run = i3d_classify(video, *options, *where)
    assert run.returncode == 0, run.stderr
    requests = [event for event in json.loads(trace.read_text()) if event["name"] == "infer"]
    answered = asked(slow_server.address, "small_queue") - before
    assert len(requests) > answered  # Triton's statistics do not count what a full queue refuses
    assert tables(tmp_path) == undisturbed


@needs_nginx
@pytest.mark.parametrize(("cap", "refused_by_triton"), [(8, True), (1, False)])
def test_a_full_queue_or_a_cap_behind_the_gateway(
    cap: int,
    refused_by_triton: bool,
    video: Path,
    undisturbed: dict[str, bytes],
    slow_server: FixedServer,
    tmp_path: Path,
) -> None:
    labs, out = tmp_path / "labs", tmp_path / "out"
    init_labs(labs=labs)
    lab = add_lab(name="mice", labs=labs, in_flight=cap).folder
    triton = [slow_server.address]
    with running_gateway(labs_gateway=labs / "gateway", triton_servers=triton) as gateway:
        options = ["--model", "small_queue", "--workers", 2, "--in-flight", 8, "--span-frames", 64]
        where = ["--server", gateway.address, "--credentials", lab, "--out", out]
        run = i3d_classify(video, *options, *where)
        assert run.returncode == 0, run.stderr
        lines = [json.loads(line) for line in gateway.access_log.read_text().splitlines()]
    refused = [line for line in lines if line["grpc_status"] == "14"]
    assert any(bool(line["upstream"]) is refused_by_triton for line in refused)
    assert tables(out) == undisturbed


def test_it_gives_up_when_it_was_told_to_and_keeps_what_was_done(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    with (
        meanwhile(after_spans(tmp_path, slow_server.kill)),
        pytest.raises(ServerUnavailableError, match=r"gave up after 2 s \(--give-up-after\): no s"),
    ):
        again(video, slow_server, tmp_path, give_up_after_s=2.0)
    assert len(spans_in(tmp_path)) >= 2
    assert not dead_regions()
    slow_server.start()
    run = again(video, slow_server, tmp_path)
    assert [outcome.state for outcome in run.outcomes] == ["resumed"]
    assert tables(tmp_path) == undisturbed


def busy_workers(server: FixedServer) -> list[int]:
    """Return this process's workers once they have had answers."""
    before = asked(server.address, "slow")
    wait_until(lambda: asked(server.address, "slow") > before + 1)
    return workers_of(os.getpid())


def test_a_worker_that_is_killed_is_replaced(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    def kill_one() -> None:
        os.kill(workers_of(os.getpid())[0], signal.SIGKILL)

    with meanwhile(after_spans(tmp_path, kill_one)):
        run = again(video, slow_server, tmp_path)
    assert not run.problems
    said = "killed by SIGKILL (out of memory?); another one takes its place"
    assert [message for message in run.messages if said in message]
    assert tables(tmp_path) == undisturbed
    assert not dead_regions()
    assert not registered(slow_server.address)


def test_a_span_on_which_three_workers_die_is_left_out_and_tried_again_later(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    def kill_three() -> None:
        for _ in range(3):
            for pid in busy_workers(slow_server):
                os.kill(pid, signal.SIGKILL)

    with meanwhile(kill_three):
        run = again(video, slow_server, tmp_path, workers=1, in_flight=1, span_frames=160)
    assert "3 workers in a row died there (killed by SIGKILL (out of memory?))" in run.problems
    assert "The same command tries them again" in run.problems
    frames = tables(tmp_path)["mouse.mp4/frames.csv"].decode().splitlines()[1:]
    assert [int(row.split(",")[0]) for row in frames] == list(range(FRAMES))
    unscored = [row.endswith(",,") for row in frames]
    (outcome,) = run.outcomes
    assert outcome.run is not None
    given_up = outcome.run["frames"]["given_up"]
    assert 90 < given_up < 300
    assert all(unscored[:given_up])
    assert not any(unscored[given_up + SLOW.clip_frames :])
    run = again(video, slow_server, tmp_path)
    assert [outcome.state for outcome in run.outcomes] == ["resumed"]
    assert not run.problems
    assert tables(tmp_path) == undisturbed


def test_workers_that_do_not_start(
    video: Path,
    slow_server: FixedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    says = "worker processes do not start, 3 in a row: the last one ended with status 1"
    with pytest.raises(WorkerError, match=says):
        again(video, slow_server, tmp_path)


def test_a_file_that_grows_while_it_is_read(slow_server: FixedServer, tmp_path: Path) -> None:
    whole = write_video(tmp_path / "whole.ts", FRAMES)
    content = whole.read_bytes()
    growing, out = tmp_path / "growing.ts", tmp_path / "out"
    growing.write_bytes(content[: len(content) // 2 // 188 * 188])
    at_first = tmp_path / "at_first.ts"
    shutil.copy(growing, at_first)

    def grow() -> None:
        growing.write_bytes(content)

    with meanwhile(after_spans(out, grow, count=1)):
        run = again(growing, slow_server, out)
    assert "changed while it was read: is it still being recorded?" in run.problems
    again(at_first, slow_server, tmp_path / "expected")
    expected = tables(tmp_path / "expected")
    assert tables(out)["growing.ts/windows.csv"] == expected["at_first.ts/windows.csv"]
    assert "the video is another one" in again(growing, slow_server, out).problems


def test_a_file_that_is_only_touched_has_not_changed(
    video: Path, slow_server: FixedServer, tmp_path: Path
) -> None:
    with meanwhile(after_spans(tmp_path, video.touch)):
        assert not again(video, slow_server, tmp_path).problems


@pytest.mark.parametrize(("limit", "journal"), [(1_500, False), (20_000, True)])
def test_a_full_disk_is_said_at_once_and_it_goes_on_after_room_is_made(
    video: Path,
    undisturbed: dict[str, bytes],
    slow_server: FixedServer,
    tmp_path: Path,
    limit: int,
    journal: bool,
) -> None:
    options = ["--server", slow_server.address, "--model", "slow", "--span-frames", "64"]

    def no_larger_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    begun = time.monotonic()
    full = i3d_classify(video, *options, "--out", tmp_path, preexec_fn=no_larger_files)
    assert time.monotonic() - begun < 30
    assert full.returncode == 1
    what = ".csv" if journal else ".npz"
    assert f"{what}: cannot be written: File too large. Choose another folder" in full.stderr
    assert "Traceback" not in full.stderr
    assert bool(spans_in(tmp_path)) == journal
    assert not tables(tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    run = again(video, slow_server, tmp_path)
    assert [outcome.state for outcome in run.outcomes] == ["resumed" if journal else "done"]
    assert tables(tmp_path) == undisturbed


def test_ctrl_c_twice_ends_at_once_and_leaves_nothing(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    options = ["--server", slow_server.address, "--model", "slow", "--span-frames", "64"]
    with running(video, "--out", tmp_path, *options) as process:
        wait_until(lambda: len(spans_in(tmp_path)) >= 2)
        workers = workers_of(process.pid)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(3) == 130
    assert not any(map(lives, workers))
    assert not dead_regions()
    assert not registered(slow_server.address)
    again(video, slow_server, tmp_path)
    assert tables(tmp_path) == undisturbed


def test_two_clients_and_what_a_killed_one_leaves(
    video: Path, undisturbed: dict[str, bytes], slow_server: FixedServer, tmp_path: Path
) -> None:
    options = ["--server", slow_server.address, "--model", "slow", "--span-frames", "64"]
    options += ["--transport", "shared memory"]
    with (
        running(video, "--out", tmp_path / "living", *options, "--in-flight", 1) as living,
        running(video, "--out", tmp_path / "killed", *options, "--in-flight", 1) as killed,
    ):
        wait_until(lambda: len(registered(slow_server.address)) > 1)
        wait_until(lambda: spans_in(tmp_path / "killed"))
        workers = workers_of(killed.pid)
        for pid in (killed.pid, *workers):
            os.kill(pid, signal.SIGKILL)
        wait_until(dead_regions)  # until the last of their threads is gone
        left = set(dead_regions())
        assert left <= registered(slow_server.address)
        run = again(video, slow_server, tmp_path / "killed")
        assert [outcome.state for outcome in run.outcomes] == ["resumed"]
        assert not left & registered(slow_server.address)
        assert living.wait(30) == 0
    assert not dead_regions()
    assert not registered(slow_server.address)
    for name in ("living", "killed"):
        assert tables(tmp_path / name) == undisturbed


def test_a_server_forgets_the_dead_by_itself_and_not_the_living(slow_server: FixedServer) -> None:
    async def register(region: Region) -> None:
        async with Connection(slow_server.address) as connection:
            await connection.register_region(region.name, region.num_bytes)

    living, dead = Region((4, 4), 2), Region((4, 4), 2)
    try:
        for region in (living, dead):
            asyncio.run(register(region))
        fcntl.flock(dead._file, fcntl.LOCK_UN)  # as when its owner is killed
        with sweeping_regions(slow_server.address, every_s=0.1):
            wait_until(lambda: registered(slow_server.address) == {living.name})
        assert dead_regions() == []
    finally:
        living.close()
        dead.close()
    with sweeping_regions(slow_server.address, every_s=0.1):
        wait_until(lambda: not registered(slow_server.address))


def test_a_folder_that_cannot_be_written_ends_the_run(
    video: Path, slow_server: FixedServer, tmp_path: Path
) -> None:
    (tmp_path / video.name).write_text("a file where the folder should be")
    with pytest.raises(OutputError, match=r"cannot be written.*--out"):
        again(video, slow_server, tmp_path)


def test_nothing_is_lost_when_processes_are_killed_at_random() -> None:
    document = measure(kills=6, seed=5, frames={"a.mp4": 700, "b.mkv": 401})
    assert document["kills"] >= 6
    assert document["identical"], document
    assert document["shared_memory_left"] == []
