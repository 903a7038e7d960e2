"""The gateway on this machine, without Docker: real nginx on loopback, as the container runs it.

It runs ``server/gateway/start.sh`` of a checkout under ``supervisor.py``, which leaves no process
behind however the caller ends. Tests and benchmarks use it; a lab server runs the container.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d_server import supervisor
from i3d_server.errors import ServerStartError

START_SCRIPT = Path(__file__).parents[1] / "gateway" / "start.sh"
_LOOPBACK = "127.0.0.1"
_GRACE_SECONDS = 5
_POLL_SECONDS = 0.02
_RELOADED = "changed: reloaded"
_KEPT = "the earlier ones stay"


@dataclass(frozen=True, kw_only=True)
class RunningGateway:
    """A gateway that listens.

    Attributes:
        address: "127.0.0.1:PORT".
        access_log: one JSON object a line; written when a request has ended.
        log: what nginx and the script say.
        pid_file: of nginx's master process.
        process: its supervisor.
    """

    address: str
    access_log: Path
    log: Path
    pid_file: Path
    process: subprocess.Popen[bytes]

    def read_log(self) -> str:
        """Return what nginx and the script have said so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def master_pid(self) -> int:
        """Return the process id of nginx's master."""
        return int(self.pid_file.read_text())

    def pids(self) -> list[int]:
        """Return the process ids of nginx: the master, then its children."""
        master = self.master_pid()
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        return [master, *(pid for pid in map(int, children) if _title(pid).startswith("nginx"))]

    @contextlib.contextmanager
    def followed(self, *, timeout_s: float = 30.0, kept: bool = False) -> Iterator[None]:
        """Wait, after the labs' files were changed inside, until the gateway has followed.

        Args:
            timeout_s: seconds to wait.
            kept: whether the change is one that it must refuse, and keep the files before.

        Raises:
            ServerStartError: it did not follow in time.
        """
        said = _KEPT if kept else _RELOADED
        before = self.read_log().count(said)
        deadline = time.monotonic() + timeout_s
        while not (workers := self._serving()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)  # it listens before its processes have begun
        yield
        deadline = time.monotonic() + timeout_s
        while self.read_log().count(said) == before or (not kept and self._serving() & workers):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise ServerStartError(
                    f"the gateway did not follow the labs' files in {timeout_s:.0f} s: "
                    f"{self.read_log()[-2000:]}"
                )
            time.sleep(_POLL_SECONDS)

    def _serving(self) -> set[int]:
        """The processes that accept; those of before a reload say that they shut down."""
        return {pid for pid in self.pids() if _title(pid) == "nginx: worker process"}


def find_nginx() -> Path | None:
    """Return where nginx is; Debian keeps it where only root's PATH leads."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    return None if found is None else Path(found)


@contextlib.contextmanager
def running_gateway(
    *,
    labs_gateway: Path,
    triton_servers: Sequence[str],
    port: int | None = None,
    max_request_mb: int = 64,
    log_rotate_mb: int = 256,
    watch_seconds: float = 0.2,
    processes: int = 2,
    start_timeout_s: float = 20.0,
) -> Iterator[RunningGateway]:
    """Run the gateway until the context ends.

    Args:
        labs_gateway: the folder ``gateway`` that ``i3d labs`` writes; it is watched.
        triton_servers: "HOST:PORT" of each Triton's gRPC.
        port: on 127.0.0.1; None means a free one.
        max_request_mb: larger requests are refused.
        log_rotate_mb: from this size on the access log is put aside.
        watch_seconds: between two looks at ``labs_gateway``.
        processes: of nginx.
        start_timeout_s: seconds until it must listen.

    Raises:
        ServerStartError: nginx is not installed, or did not start; says why.
    """
    nginx = find_nginx()
    if nginx is None:
        raise ServerStartError("nginx is not installed: on Debian, apt-get install nginx-light")
    if not START_SCRIPT.is_file():
        raise ServerStartError(f"the gateway's files are part of a checkout: no {START_SCRIPT}")
    with tempfile.TemporaryDirectory(prefix="i3d-gateway-") as name:
        folder = Path(name)
        # nginx's processes give up root, if that is who starts them, and reopen their log.
        folder.chmod(0o755)
        address = f"{_LOOPBACK}:{port or _free_port()}"
        environment = {
            "PATH": f"{nginx.parent}:{os.environ.get('PATH', os.defpath)}",
            "TRITON_SERVERS": ",".join(triton_servers),
            "GATEWAY_LISTEN": address,
            "GATEWAY_PROCESSES": str(processes),
            "LABS_GATEWAY": str(labs_gateway),
            "RUN_FOLDER": str(folder / "run"),
            "LOG_FOLDER": str(folder / "log"),
            "LOG_ROTATE_MB": str(log_rotate_mb),
            "MAX_REQUEST_MB": str(max_request_mb),
            "WATCH_SECONDS": str(watch_seconds),
        }
        log = folder / "gateway.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                _command(folder),
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        gateway = RunningGateway(
            address=address,
            access_log=folder / "log" / "access.jsonl",
            log=log,
            pid_file=folder / "run" / "nginx.pid",
            process=process,
        )
        try:
            _await_listening(gateway, timeout_s=start_timeout_s)
            yield gateway
        finally:
            _stop(process)


def _command(folder: Path) -> list[str]:
    prefix = f"i3d-gateway-{uuid.uuid4().hex[:12]}-"
    return [
        *(sys.executable, "-I", supervisor.__file__),
        *("--shm-prefix", prefix, "--grace-seconds", str(_GRACE_SECONDS)),
        *("--folder", str(folder), "--", "/bin/sh", str(START_SCRIPT)),
    ]


def _await_listening(gateway: RunningGateway, *, timeout_s: float) -> None:
    host, _, port = gateway.address.rpartition(":")
    deadline = time.monotonic() + timeout_s
    while gateway.process.poll() is None and time.monotonic() < deadline:
        if gateway.pid_file.exists() and gateway.pid_file.read_text():
            with socket.socket() as probe:
                if probe.connect_ex((host, int(port))) == 0:
                    return
        time.sleep(_POLL_SECONDS)
    raise ServerStartError(f"the gateway did not start: {gateway.read_log()[-2000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the supervisor's standard input, on which it ends nginx; wait until all is gone."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    process.wait()


def _title(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().strip(b"\0").decode(errors="replace")
    return ""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
