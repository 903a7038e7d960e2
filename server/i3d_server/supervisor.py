"""The small process between a launcher and Triton, so that nothing is ever left behind.

Run as a script, by path, with nothing but the standard library. It leads a session of its own:
a Ctrl-C at the terminal, which goes to every process of the foreground group, does not reach
Triton before the launcher has decided what to do. It ends Triton when the launcher says so (a
byte on standard input), when the launcher is gone, however it died (end of file, or another
parent), and when it is itself told to by SIGTERM. Then it kills what is left of the session
(Triton's stubs) and removes their shared memory, which a Triton that is killed leaves in
/dev/shm; if the launcher is gone, also the folders that it would have removed. If this process is
killed, the kernel kills Triton (PR_SET_PDEATHSIG), and its stubs, which watch their parent, end
by themselves (those of ``openvino_cpu`` also where nobody waits for a dead Triton).

It also ends Triton when one of the stubs dies (out of memory, a crash): Triton never starts
another one, goes on saying that the model is ready, and fails every request (measured, 2.51).

    python supervisor.py --shm-prefix NAME --grace-seconds S [--folder PATH]... -- COMMAND...

The exit status is Triton's (128 + n for signal n), or 70 if a stub died.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.25
_STUB_DIED = 70
# Triton reaps a stub that it ended itself at once; one that stays dead this long was not.
_DEAD_FOR_LOOKS = 2
_LOOK_EVERY_POLLS = 6  # it reads a file for each of Triton's threads: 12 ms of processor time
_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _before_exec() -> None:
    """In the child: die with the supervisor, and take signals as a fresh process does."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def supervise(
    command: list[str], *, shm_prefix: str, grace_seconds: float, folders: list[Path]
) -> int:
    """Run ``command`` until it ends or is to end; return its exit status.

    Args:
        command: Triton's.
        shm_prefix: every file in /dev/shm whose name starts so is Triton's, and removed at the end.
        grace_seconds: from SIGTERM to SIGKILL.
        folders: the launcher's temporary folders, removed if it is gone.
    """
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wanted, told_to_stop = True, False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal told_to_stop
        told_to_stop = True

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    launcher = os.getppid()
    # No threads run here, so preexec_fn is safe.
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_before_exec)
    polls = dead_for = 0
    try:
        while wanted and not told_to_stop and child.poll() is None and dead_for < _DEAD_FOR_LOOKS:
            said, _, _ = select.select([0], [], [], _POLL_SECONDS)
            wanted = not said and os.getppid() == launcher
            polls += 1
            if polls % _LOOK_EVERY_POLLS == 0:
                dead_for = dead_for + 1 if _has_dead_child(child.pid) else 0
        if dead_for >= _DEAD_FOR_LOOKS:
            sys.stdout.write("error: a stub, the process that runs a model, died\n")
            child.kill()
        elif child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(grace_seconds)
    finally:
        _kill_session()
        _remove_shared_memory(shm_prefix)
        if os.getppid() != launcher:
            for folder in folders:
                shutil.rmtree(folder, ignore_errors=True)
    status = child.wait()
    if dead_for >= _DEAD_FOR_LOOKS:
        return _STUB_DIED
    return 128 - status if status < 0 else status


def _has_dead_child(pid: int) -> bool:
    """Whether a child of ``pid`` has ended and was not waited for."""
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in listing.read_text().split():
                if _stat(Path("/proc") / child)[0] == "Z":
                    return True
    return False


def _stat(process: Path) -> list[str]:
    """State, parent, group, session, … of a process, as proc(5) lists them from field 3."""
    return (process / "stat").read_text().rpartition(")")[2].split()


def _kill_session() -> None:
    """Kill every other process of this session, until there is none."""
    deadline = time.monotonic() + 5
    while (others := _others_in_session()) and time.monotonic() < deadline:
        for pid in others:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.02)


def _others_in_session() -> list[int]:
    own = os.getpid()
    others = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == own:
            continue
        with contextlib.suppress(OSError):
            state, _parent, _group, session = _stat(entry)[:4]
            if int(session) == own and state != "Z":
                others.append(int(entry.name))
    return others


def _remove_shared_memory(prefix: str) -> None:
    for region in Path("/dev/shm").glob(f"{prefix}*"):  # noqa: S108
        region.unlink(missing_ok=True)


def main() -> int:
    """Run as the module docstring says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--shm-prefix", required=True)
    parser.add_argument("--grace-seconds", type=float, required=True)
    parser.add_argument("--folder", type=Path, action="append", default=[])
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    return supervise(
        options.command,
        shm_prefix=options.shm_prefix,
        grace_seconds=options.grace_seconds,
        folders=options.folder,
    )


if __name__ == "__main__":
    sys.exit(main())
