"""Docker Compose as a program: which one there is, and how this project's files are given to it.

Compose v2 (``docker compose``) is what users have; Debian 12 and older servers have v1
(``docker-compose``). The Docker SDK has no Compose, so it is run as a list of arguments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from i3d_server.errors import StackError

GPU_FILE, CPU_FILE = "docker-compose.yml", "docker-compose.cpu.yml"


@dataclass(frozen=True, kw_only=True)
class Compose:
    """Compose, with the files of one stack.

    Attributes:
        command: the program and what comes before a sub-command.
        folder: the project's.
        environment: complete.
    """

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a sub-command; what it says goes to the terminal."""
        return subprocess.Popen(
            [*self.command, *arguments], cwd=self.folder, env=dict(self.environment)
        )

    def run(self, *arguments: str) -> int:
        """Run a sub-command to its end; return its exit status."""
        with self.start(*arguments) as process:
            return process.wait()


def find_compose() -> tuple[str, ...]:
    """Return what starts Compose here: v2 if Docker has it, else v1.

    Raises:
        StackError: there is neither.
    """
    if shutil.which("docker") and _works("docker", "compose", "version"):
        return ("docker", "compose")
    if shutil.which("docker-compose") and _works("docker-compose", "version"):
        return ("docker-compose",)
    raise StackError(
        "Docker Compose is not installed: expected `docker compose` (v2) or `docker-compose` "
        "(1.29 or newer). Install Docker's package docker-compose-plugin, or Debian's and "
        "Ubuntu's docker-compose"
    )


def lab_server_compose(folder: Path, *, cpu: bool) -> Compose:
    """Return Compose for the lab server in ``folder``.

    Raises:
        StackError: no such stack there, or no Compose.
    """
    folder = folder.resolve()
    file = folder / (CPU_FILE if cpu else GPU_FILE)
    if not file.is_file():
        raise StackError(
            f"{file}: no such file. Run this in a checkout of i3d-triton, or name one with "
            "--project FOLDER"
        )
    # Compose v2 believes PWD, which may name a link to the folder.
    environment = {**os.environ, "PWD": str(folder)}
    return Compose(
        command=(*find_compose(), "-f", file.name), folder=folder, environment=environment
    )


def _works(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
