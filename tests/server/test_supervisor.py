"""What runs a server and leaves nothing of it behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from i3d_server import supervisor


def _children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_one_that_is_told_to_stop_stops_what_it_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-I", supervisor.__file__, "--shm-prefix", "i3d-test-supervisor-"]
    options = ["--grace-seconds", "5", "--folder", str(tmp_path), "--"]
    process = subprocess.Popen(
        [*command, *options, "sleep", "600"], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 20
        while not _children(process.pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        (child,) = _children(process.pid)
        time.sleep(1)  # until it waits
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
        assert not Path(f"/proc/{child}").exists()
    finally:
        process.kill()
        process.wait()
        assert process.stdin is not None
        process.stdin.close()
