"""Programs that a test writes and runs at once."""

import shutil
import subprocess
from pathlib import Path

_INSTALL = shutil.which("install")  # before a test empties PATH


def write_program(path: Path, script: str) -> None:
    """Write it in a process of its own: an open file that a thread's child inherits is "busy"."""
    assert _INSTALL
    path.unlink(missing_ok=True)
    subprocess.run([_INSTALL, "-m755", "/dev/stdin", path], input=script, text=True, check=True)
