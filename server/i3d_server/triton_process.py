"""One ``tritonserver`` process, from its start to its end.

Triton runs under ``supervisor.py``, where it is said how nothing is left behind. It listens on
loopback alone: the release in the wheel predates security fixes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from i3d_server import supervisor
from i3d_server.errors import PortTakenError, ServerStartError
from i3d_server.installation import find_triton
from i3d_server.shared_memory import REGION_BYTES, require_shared_memory
from i3d_server.triton_home import TritonHome, make_triton_home
from i3d_server.triton_log import failed_models, last_words, port_was_taken, stub_failure

LOOPBACK = "127.0.0.1"
_GRACE_SECONDS = 15
_POLL_SECONDS = 0.05
_FREE_PORT_ATTEMPTS = 3
# The default back-off of a gRPC channel, 1 s and growing, would make every start seconds longer.
_QUICK_RECONNECT = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 200),
]


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Where Triton listens on loopback; None leaves that service off."""

    grpc: int
    http: int | None = None
    metrics: int | None = None

    def services(self) -> list[tuple[str, int]]:
        """The services that are on, each with its port."""
        every = (("grpc", self.grpc), ("http", self.http), ("metrics", self.metrics))
        return [(service, port) for service, port in every if port is not None]


@dataclass(frozen=True, kw_only=True)
class RunningTriton:
    """A Triton that is ready.

    Attributes:
        ports: where it listens on 127.0.0.1.
        log: the file of its log; removed when Triton is stopped, kept when it ends by itself.
        process: its supervisor.
    """

    ports: Ports
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        """Of its gRPC service: "127.0.0.1:PORT"."""
        return f"{LOOPBACK}:{self.ports.grpc}"

    def read_log(self) -> str:
        """Return what Triton has logged so far."""
        return _read(self.log)

    def wait(self) -> None:
        """Block until Triton ends, which it does by itself only when it fails.

        Raises:
            ServerStartError: always; says where the log is.
        """
        status = self.process.wait()
        raise ServerStartError(
            f"Triton ended by itself with status {status}: {last_words(self.read_log())}\n"
            f"Its log: {self.log}"
        )


@contextlib.contextmanager
def running_triton(
    repository: Path,
    *,
    ports: Ports | None = None,
    config_name: str | None = None,
    verbose: bool = False,
    start_timeout_s: float = 120.0,
    temporary_folders: Sequence[Path] = (),
) -> Iterator[RunningTriton]:
    """Serve the folder ``repository`` as it is, until the context ends.

    Args:
        repository: a Triton repository in which every model can be loaded.
        ports: None means a free port for gRPC and no other service.
        config_name: the ``configs/<name>.pbtxt`` that Triton prefers to ``config.pbtxt``.
        verbose: copy Triton's log to standard error as it grows.
        start_timeout_s: seconds until every model must be ready.
        temporary_folders: of the caller, which are removed if this process is killed.

    Raises:
        PortTakenError: one of ``ports`` is in use.
        ServerStartError: Triton ended, or was not ready in time; says why and where its log is.
        MissingExtraError, UnsupportedPlatformError: as ``find_triton``.
    """
    triton = find_triton()
    require_shared_memory(repository, config_name=config_name)
    cache = cache_folder()
    with tempfile.TemporaryDirectory(prefix="i3d-triton-") as temporary:
        home = make_triton_home(triton, Path(temporary), cache=cache / "openvino")
        options = ["--model-repository", str(repository)]
        options += ["--model-config-name", config_name] if config_name else []
        start = _Start(
            home=home,
            options=options,
            logs=cache / "logs",
            verbose=verbose,
            timeout_s=start_timeout_s,
            folders=(Path(temporary), *temporary_folders),
        )
        running = _start_on_free_port(start) if ports is None else _start_on(start, ports)
        try:
            yield running
        finally:
            ended_by_itself = running.process.poll() is not None
            _stop(running.process)
            if not ended_by_itself:
                running.log.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Return the folder for compiled networks and logs, made if it is not there.

    It is the user's cache folder of this project, or what the environment's I3D_CACHE says.

    Raises:
        ServerStartError: it cannot be made or written.
    """
    import platformdirs

    folder = Path(os.environ.get("I3D_CACHE") or platformdirs.user_cache_dir("i3d-triton"))
    try:
        for part in ("openvino", "logs"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ServerStartError(
            f"the cache folder {folder} cannot be written: {error.strerror}. Name another one in "
            "the environment variable I3D_CACHE"
        ) from error


@dataclass(frozen=True, kw_only=True)
class _Start:
    """What is the same for every attempt to start."""

    home: TritonHome
    options: list[str]
    logs: Path
    verbose: bool
    timeout_s: float
    folders: tuple[Path, ...]


def _start_on_free_port(start: _Start) -> RunningTriton:
    """Start on a free port; another one if a race loses it."""
    for _ in range(_FREE_PORT_ATTEMPTS - 1):
        with contextlib.suppress(PortTakenError):
            return _start_on(start, Ports(grpc=_free_port()))
    return _start_on(start, Ports(grpc=_free_port()))


def _start_on(start: _Start, ports: Ports) -> RunningTriton:
    _require_free(ports)
    log = start.logs / f"triton-{ports.grpc}-{uuid.uuid4().hex[:8]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(start, ports),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=start.home.environment,
            start_new_session=True,  # or a Ctrl-C at the terminal would reach Triton too
        )
    running = RunningTriton(ports=ports, log=log, process=process)
    if start.verbose:
        threading.Thread(target=_copy_log, args=(log, process), daemon=True).start()
    try:
        _await_ready(running, timeout_s=start.timeout_s)
    except BaseException as error:
        _stop(process)
        if not isinstance(error, ServerStartError):
            log.unlink(missing_ok=True)
        raise
    return running


def _require_free(ports: Ports) -> None:
    seen: set[int] = set()
    for service, port in ports.services():
        option = "--port" if service == "grpc" else f"--{service}-port"
        if port in seen:
            raise ServerStartError(f"port {port} was given twice; give another with {option}")
        if not _is_free(port):
            raise PortTakenError(
                f"port {port} on {LOOPBACK} is in use by another program (another i3d serve?). "
                f"Stop that, or choose another port with {option}"
            )
        seen.add(port)


def _command(start: _Start, ports: Ports) -> list[str]:
    shm_prefix = f"i3d-triton-{uuid.uuid4().hex[:12]}-"
    folders = [argument for path in start.folders for argument in ("--folder", str(path))]
    return [
        *(sys.executable, "-I", supervisor.__file__),
        *("--shm-prefix", shm_prefix, "--grace-seconds", str(_GRACE_SECONDS), *folders, "--"),
        *(str(start.home.binary), *start.options),
        *("--backend-directory", str(start.home.backends)),
        *("--model-control-mode=none", "--strict-readiness=true", "--exit-on-error=true"),
        f"--exit-timeout-secs={_GRACE_SECONDS - 5}",
        f"--backend-config=python,shm-region-prefix-name={shm_prefix}",
        f"--backend-config=python,shm-default-byte-size={REGION_BYTES}",
        f"--backend-config=python,shm-growth-byte-size={REGION_BYTES}",
        *_listen("grpc", ports.grpc),
        *_listen("http", ports.http),
        *_listen("metrics", ports.metrics),
    ]


def _listen(service: str, port: int | None) -> list[str]:
    if port is None:
        return [f"--allow-{service}=false"]
    return [f"--{service}-address={LOOPBACK}", f"--{service}-port={port}"]


def _await_ready(triton: RunningTriton, *, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    with InferenceServerClient(triton.address, channel_args=_QUICK_RECONNECT) as client:
        while triton.process.poll() is None:
            with contextlib.suppress(InferenceServerException):
                # Triton opens gRPC first, so the other services may lag behind its readiness.
                if client.is_server_ready(client_timeout=1.0) and _all_listen(triton.ports):
                    return
            if reason := stub_failure(triton.read_log()):
                raise ServerStartError(f"Triton did not start. {reason}\nIts log: {triton.log}")
            if time.monotonic() > deadline:
                raise ServerStartError(
                    f"Triton was not ready after {timeout_s:.0f} s: "
                    f"{last_words(triton.read_log())}\nIts log: {triton.log}"
                )
            time.sleep(_POLL_SECONDS)
    raise _failure(triton.log)


def _failure(log: Path) -> ServerStartError:
    text = _read(log)
    if port_was_taken(text):
        return PortTakenError(f"Triton lost a port to another program: {last_words(text)}")
    models = failed_models(text)
    reasons = [f"model {name} is broken: {reason}" for name, reason in models.items()]
    said = "\n".join(reasons) or last_words(text)
    return ServerStartError(f"Triton did not start. {said}\nIts log: {log}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Tell the supervisor to end Triton, and wait until all is gone."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(b"\n")
        process.stdin.flush()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.wait()


def _copy_log(log: Path, process: subprocess.Popen[bytes]) -> None:
    with log.open(encoding="utf-8", errors="replace") as lines:
        while True:
            ended = process.poll() is not None
            sys.stderr.writelines(lines)
            sys.stderr.flush()
            if ended:
                return
            time.sleep(_POLL_SECONDS)


def _read(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def _all_listen(ports: Ports) -> bool:
    for _, port in ports.services():
        with socket.socket() as probe:
            if probe.connect_ex((LOOPBACK, port)) != 0:
                return False
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
