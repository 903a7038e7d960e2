"""``i3d serve`` as a user has it: started, interrupted, killed, and with what is not right."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

I3D = Path(sys.executable).with_name("i3d")
TIMEOUT_S = 60


def processes(cache: Path) -> list[int]:
    """Every process whose environment has this cache: the command and all that it started."""
    marker = f"I3D_CACHE={cache}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come to be in time"
        time.sleep(0.05)


def shared_memory(cache: Path) -> set[Path]:
    """The files in /dev/shm that those processes have mapped."""
    lines = [
        line for pid in processes(cache) for line in Path(f"/proc/{pid}/maps").read_text().split()
    ]
    return {Path(word) for word in lines if word.startswith("/dev/shm/i3d-")}  # noqa: S108


class Serve:
    """One ``i3d serve`` with ports and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.shared: set[Path] = set()
        with contextlib.ExitStack() as sockets:
            probes = [sockets.enter_context(socket.socket()) for _ in range(3)]
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
            self.ports = [probe.getsockname()[1] for probe in probes]

    def command(self, repository: Path, *options: str) -> list[str]:
        names = ("--port", "--http-port", "--metrics-port")
        ports = [str(part) for pair in zip(names, self.ports, strict=True) for part in pair]
        return [str(I3D), "serve", "--repository", str(repository), *ports, *options]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "I3D_CACHE": str(self.cache), "TMPDIR": str(self.temporary)}

    def left(self) -> list[Path]:
        """What is left of its temporary folders and shared memory."""
        return [path for path in (*self.temporary.iterdir(), *self.shared) if path.exists()]

    def fails(self, repository: Path, *options: str) -> str:
        """Run the command, which must fail with a message and leave nothing; return it."""
        run = subprocess.run(
            self.command(repository, *options),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            env=self.environment,
        )
        assert run.returncode == 1, run.stdout + run.stderr
        assert "Traceback" not in run.stderr
        assert run.stderr.startswith("error: ")
        assert processes(self.cache) == []
        return run.stderr

    @contextlib.contextmanager
    def running(self, repository: Path) -> Iterator[subprocess.Popen[str]]:
        """Run the command in a session of its own, up to "Ctrl-C stops"."""
        with subprocess.Popen(
            self.command(repository),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                self.output = ""
                while "Ctrl-C stops" not in self.output:
                    line = process.stdout.readline()
                    assert line, self.output
                    self.output += line
                self.shared = shared_memory(self.cache)
                assert self.shared
                assert self.left()
                yield process
            finally:
                process.kill()


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    return Serve(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop_and_leaves_nothing(
    serve: Serve, tiny_repository: Path, how: signal.Signals
) -> None:
    with serve.running(tiny_repository) as process:
        assert "serving tiny_fp32: OpenVINO" in serve.output
        assert "executes 4 layers in f32" in serve.output
        assert f"127.0.0.1:{serve.ports[0]}" in serve.output
        for port in serve.ports:
            socket.create_connection(("127.0.0.1", port)).close()
        assert len(processes(serve.cache)) == 4  # the command, supervisor, Triton, its stub
        os.killpg(process.pid, how)  # as a terminal does: the whole foreground group
        assert process.wait(TIMEOUT_S) == 0
    assert processes(serve.cache) == []
    assert serve.left() == []
    assert list((serve.cache / "logs").iterdir()) == []


def test_a_killed_launcher_leaves_nothing(serve: Serve, tiny_repository: Path) -> None:
    with serve.running(tiny_repository) as process:
        process.kill()
        process.wait()
        wait_until(lambda: processes(serve.cache) == [])
    assert serve.left() == []


def test_a_killed_supervisor_takes_triton_with_it_and_the_command_says_so(
    serve: Serve, tiny_repository: Path
) -> None:
    with serve.running(tiny_repository) as process:
        for pid in processes(serve.cache):
            if b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode == 1
        assert "Triton ended by itself" in output
        wait_until(lambda: processes(serve.cache) == [])


def test_a_crash_of_triton_is_said_with_the_log(serve: Serve, tiny_repository: Path) -> None:
    with serve.running(tiny_repository) as process:
        for pid in processes(serve.cache):
            if Path(f"/proc/{pid}/exe").resolve().name == "tritonserver":
                os.kill(pid, signal.SIGSEGV)
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "Triton ended by itself with status 139" in output
    assert Path(output.rpartition("Its log: ")[2].strip()).is_file()
    assert processes(serve.cache) == []


def test_a_crash_of_a_models_process_ends_the_server(serve: Serve, tiny_repository: Path) -> None:
    """Triton itself would go on, say that it is ready, and fail every request."""
    with serve.running(tiny_repository) as process:
        for pid in processes(serve.cache):
            if b"triton_python_backend_stub" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        output, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 1
    assert "a stub, the process that runs a model, died" in output
    assert processes(serve.cache) == []


@pytest.mark.parametrize(
    ("place", "option"), [(0, "--port"), (1, "--http-port"), (2, "--metrics-port")]
)
def test_a_taken_port_is_named_with_its_option(
    serve: Serve, tiny_repository: Path, place: int, option: str
) -> None:
    with socket.create_server(("127.0.0.1", serve.ports[place])):
        message = serve.fails(tiny_repository)
    assert f"port {serve.ports[place]} on 127.0.0.1 is in use" in message
    assert option in message


def test_a_broken_model_is_named_with_the_reason(serve: Serve, own_repository: Path) -> None:
    (own_repository / "tiny_fp32/1/model.xml").write_text("garbage")
    message = serve.fails(own_repository)
    assert "model tiny_fp32 is broken" in message
    assert "OpenVINO cannot load" in message
    assert Path(message.rpartition("Its log: ")[2].strip()).is_file()


def test_an_empty_repository_and_an_unknown_model_are_explained(
    serve: Serve, tiny_repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert "holds no model" in serve.fails(tmp_path / "empty")
    assert "no such folder" in serve.fails(tmp_path / "nowhere")
    message = serve.fails(tiny_repository, "--models", "nosuch")
    assert "no model named nosuch; there is tiny_fp32" in message


def test_a_cache_that_cannot_be_written_is_explained(
    serve: Serve, tiny_repository: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    serve.cache = tmp_path / "file" / "cache"
    assert "I3D_CACHE" in serve.fails(tiny_repository)
