"""Runs of ``i3d classify``, in this process or as a user's own, and what they leave."""

import asyncio
import contextlib
import csv
import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tritonclient.grpc import InferenceServerClient, service_pb2

import i3d_client
from i3d_client.access import Access
from i3d_client.classify import Observer, classify_recordings
from i3d_client.inputs import Input
from i3d_client.options import Options
from i3d_client.results import read_run
from i3d_client.triton import Connection
from i3d_client.work import Outcome, Work
from i3d_server.launcher import ServedRepository, serving
from i3d_server.triton_process import Ports

I3D = [sys.executable, "-m", "i3d_client"]
WAIT_S = 60


@dataclass
class Run(Observer):
    """One run in this process: what it returned and what it said."""

    outcomes: list[Outcome] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    on_advance: Callable[[int], None] = lambda _frames: None

    def opened(self, work: Work) -> None:
        pass

    def advanced(self, _work: Work, frames: int) -> None:
        self.on_advance(frames)

    def ended(self, outcome: Outcome) -> None:
        pass

    def said(self, message: str) -> None:
        self.messages.append(message)

    @property
    def problems(self) -> str:
        return "\n".join(problem for outcome in self.outcomes for problem in outcome.problems)

    @property
    def warnings(self) -> str:
        return "\n".join(warning for outcome in self.outcomes for warning in outcome.warnings)


def classify(
    recordings: Sequence[Path | tuple[Path, ...]],
    *,
    server: str | Access,
    model: str,
    out: Path,
    run: Run | None = None,
    workers: int = 1,
    **options: object,
) -> Run:
    """Classify files, or tuples of files that are one recording, in this process."""
    run = run or Run()
    groups = [files if isinstance(files, tuple) else (files,) for files in recordings]
    inputs = [Input(name=PurePosixPath(files[0].name), files=files) for files in groups]
    access = server if isinstance(server, Access) else Access(server=server)
    chosen = Options(access=access, model=model, out=out, workers=workers, **options)  # type: ignore[arg-type]
    run.outcomes = asyncio.run(classify_recordings(inputs, options=chosen, observer=run))
    return run


def interrupted(*, after_frames: int, number: int = signal.SIGINT) -> Run:
    """Return a run that gets a signal once it has done so many frames."""
    sent: list[int] = []

    def send(frames: int) -> None:
        if frames >= after_frames and not sent:
            sent.append(frames)
            os.kill(os.getpid(), number)

    return Run(on_advance=send)


def command(*arguments: object) -> list[str]:
    """Classify without the report, which other tests look at."""
    return [*I3D, "classify", "--no-report", *map(str, arguments)]


def i3d_classify(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        command(*arguments), capture_output=True, text=True, check=False, timeout=WAIT_S, **options
    )


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start the command; kill it and its workers if the context ends first."""
    process = subprocess.Popen(
        command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            yield process
        finally:
            for pid in workers_of(process.pid):
                kill(pid)
            process.kill()


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a client that live."""
    return _children(pid, b"i3d_client.worker")


def _children(pid: int, named: bytes) -> list[int]:
    found = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, listing.read_text().split()):
                with contextlib.suppress(OSError):
                    if named in Path(f"/proc/{child}/cmdline").read_bytes():
                        found.append(child)
    return found


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], object], within_s: float = WAIT_S) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.01)


def spans_in(out: Path) -> list[Path]:
    """Return the finished spans in the journals below a folder."""
    return sorted(out.rglob(".journal/*.npz"))


def segments_in(out: Path) -> int:
    """Return how many segments the journals below a folder have."""
    ranges = (map(int, path.stem.split("-")) for path in spans_in(out))
    return sum(stop - first for first, stop in ranges)


def tables(out: Path) -> dict[str, bytes]:
    """Return the tables below a folder, by recording and name."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.csv"))}


def frames_before(folder: Path) -> int:
    """Return how many frames earlier runs did, as run.json says."""
    run = read_run(folder)
    assert run is not None
    return int(run["run"]["frames_by_earlier_runs"])


def registered(server: str) -> set[str]:
    """Return the shared memory that a server has mapped."""

    async def ask() -> set[str]:
        async with Connection(server) as connection:
            return set(await connection.registered_regions())

    return asyncio.run(ask())


def asked(server: str, model: str) -> int:
    """Return how many segments a server has answered since it started."""
    return int(_statistics(server, model).success.count)


def _statistics(server: str, model: str) -> service_pb2.InferStatistics:
    with InferenceServerClient(server) as client:
        return client.get_inference_statistics(model).model_stats[0].inference_stats


def windows_table(video: Path, *, server: str, model: str) -> bytes:
    """Return ``windows.csv`` as it follows from one sequential pass in this process."""

    async def collect() -> list[i3d_client.Window]:
        return [window async for window in i3d_client.stream(video, server=server, model=model)]

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    ranks = [name for rank in range(1, 6) for name in (f"label_{rank}", f"score_{rank}")]
    writer.writerow(["start_frame", "stop_frame", "label", "score", *ranks])
    for window in asyncio.run(collect()):
        top = [cell for label, score in window.top(5) for cell in (label, f"{score:.6f}")]
        top = top or [""] * 10
        writer.writerow([window.start_frame, window.stop_frame, *top[:2], *top])
    return table.getvalue().encode()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class FixedServer:
    """A Triton on a port of its own, to be killed and started again there."""

    def __init__(self, repository: Path, port: int) -> None:
        self.repository = repository
        self.port = port
        self._stack = contextlib.ExitStack()
        self._served: ServedRepository | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "FixedServer":
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def start(self) -> None:
        context = serving(self.repository, ports=Ports(grpc=self.port))
        self._served = self._stack.enter_context(context)

    def kill(self) -> None:
        """Kill Triton's supervisor, and with it, by the kernel, Triton; wait until it is gone."""
        assert self._served is not None
        supervisor = self._served.triton.process
        supervisor.kill()
        supervisor.wait()
        self._stack.close()

    def kill_stubs(self) -> None:
        """Kill the processes that run the models; wait until Triton is ended for it."""
        assert self._served is not None
        supervisor = self._served.triton.process
        (triton,) = _children(supervisor.pid, b"tritonserver")
        for stub in _children(triton, b"stub"):
            kill(stub)
        supervisor.wait(30)
        self._stack.close()
