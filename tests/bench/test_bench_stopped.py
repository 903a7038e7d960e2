"""A bench that is interrupted, or whose server dies, keeps what it has timed, and says so."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.bench.bench_runs import i3d_bench, read, write_models
from tests.conftest import MakeVideo
from tests.server.tiny_network import CONTRACT

from i3d_bench.bench.bench_document import GOES_ON
from i3d_bench.bench.errors import BenchError
from i3d_bench.bench.measure import measure
from i3d_bench.bench.options import BenchOptions
from i3d_bench.simulated_accelerator import write_simulated_accelerator
from i3d_client.access import Access
from i3d_server.triton_process import RunningTriton, running_triton

WINDOWS = 16
TIMED = 3  # runs, before it is stopped


class Stop:
    """Hears what the bench says, and stops it when so many runs are timed."""

    def __init__(self, triton: RunningTriton | None = None) -> None:
        self.triton = triton
        self.heard: list[str] = []

    def __call__(self, message: str) -> None:
        self.heard.append(message)
        if len([one for one in self.heard if one.endswith(" s")]) != TIMED:
            return
        if not message.endswith(" s"):
            return
        if self.triton is None:
            raise KeyboardInterrupt
        kill_server(self.triton)


def kill_server(triton: RunningTriton) -> None:
    """Kill Triton, as a machine without memory does; its supervisor then ends by itself."""
    (listing,) = Path(f"/proc/{triton.process.pid}/task").glob("*/children")
    (server,) = listing.read_text().split()
    os.kill(int(server), signal.SIGKILL)
    triton.process.wait()


def options(video: Path, repository: Path, server: str) -> BenchOptions:
    return BenchOptions(
        videos=(video,),
        access=Access(server=server),
        repository=repository,
        cores=(1,),
        pipelines=("synchronous", "parallel"),
        repeats=5,
        windows=WINDOWS,
    )


def test_what_was_timed_before_an_interruption_is_kept(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    stop = Stop()
    repository, out = tmp_path / "models", tmp_path / "out"
    write_simulated_accelerator(
        repository, contract=CONTRACT, seconds_per_window=0.001, name="a_simulated"
    )
    with running_triton(repository) as triton, pytest.raises(KeyboardInterrupt):
        measure(options(make_video(200), repository, triton.address), out=out, say=stop)
    document = read(out)
    assert (document["complete"], document["stopped_by"]) == (False, "it was interrupted")
    timed = [*document["runs"], *document["bounds"]]
    assert sum(len(one["seconds"]) for one in timed) == TIMED
    assert document["timelines"] == []
    assert document["server"]["version"].startswith("triton 2.")
    assert f"i3d bench --from {out / 'bench.json'}" in stop.heard[-1]
    done = i3d_bench("--from", out / "bench.json", "--out", out)
    assert done.exit_code == 0, done.output
    text = (out / "bench.md").read_text()
    assert "**NOT COMPLETE: the bench was stopped (it was interrupted)" in text


def test_a_server_that_dies_takes_nothing_with_it(make_video: MakeVideo, tmp_path: Path) -> None:
    repository, out = tmp_path / "models", tmp_path / "out"
    write_simulated_accelerator(
        repository, contract=CONTRACT, seconds_per_window=0.001, name="a_simulated"
    )
    with running_triton(repository) as triton:
        stop = Stop(triton)
        with pytest.raises(BenchError, match="the server does not answer any more"):
            measure(options(make_video(200), repository, triton.address), out=out, say=stop)
    document = read(out)
    assert not document["complete"]
    assert "the server does not answer any more" in document["stopped_by"]
    assert document["not_timed"] == []
    assert {run["pipeline"] for run in document["runs"]} == {"synchronous", "parallel"}


def test_what_was_timed_is_there_before_the_end(make_video: MakeVideo, tmp_path: Path) -> None:
    """As of a process that is killed, or a machine that loses its power."""
    repository, out = tmp_path / "models", tmp_path / "out"
    write_simulated_accelerator(
        repository, contract=CONTRACT, seconds_per_window=0.001, name="a_simulated"
    )
    seen = []

    def look(_message: str) -> None:
        if (out / "bench.json").exists():
            document = read(out)
            seen.append(sum(len(one["seconds"]) for one in document["runs"] + document["bounds"]))
            assert not document["complete"]
            assert document["stopped_by"] == GOES_ON

    with running_triton(repository) as triton:
        done = measure(options(make_video(200), repository, triton.address), out=out, say=look)
    assert done["complete"]
    assert done == read(out)
    assert seen == sorted(seen)
    assert set(range(1, 6 * 5)) <= set(seen)  # 2 pipelines and 4 bounds, 5 times


def test_nothing_is_written_where_nothing_was_timed(make_video: MakeVideo, tmp_path: Path) -> None:
    repository, out = tmp_path / "models", tmp_path / "out"
    write_simulated_accelerator(
        repository, contract=CONTRACT, seconds_per_window=0.001, name="a_simulated"
    )

    def interrupt(message: str) -> None:
        if message.startswith("timing"):
            raise KeyboardInterrupt

    with running_triton(repository) as triton, pytest.raises(KeyboardInterrupt):
        measure(options(make_video(200), repository, triton.address), out=out, say=interrupt)
    assert list(out.iterdir()) == []


def test_ctrl_c_at_a_terminal_reaches_all_processes_and_keeps_what_was_timed(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    """Its embedded server is interrupted at the same moment."""
    repository, out = write_models(tmp_path / "models"), tmp_path / "out"
    command = [sys.executable, "-m", "i3d_client", "bench", str(make_video(200)), "--embedded"]
    command += ["--repository", str(repository), "--out", str(out), "--cores", "1"]
    command += ["--windows", str(WINDOWS), "--repeat", "50", "--pipeline", "synchronous"]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, env=dict(os.environ)
    )
    assert process.stderr is not None
    heard = []
    with process:
        for line in process.stderr:
            heard.append(line)
            if line.startswith("synchronous int8"):
                os.killpg(process.pid, signal.SIGINT)
                heard.append(process.stderr.read())
                break
    assert process.returncode not in (0, None), heard
    document = read(out)
    assert not document["complete"]
    assert document["stopped_by"] == "it was interrupted"
    assert "int8" in {run["precision"] for run in document["runs"]}, heard
