"""A checkout of this project in a folder of its own, and commands that are typed in it."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.docker_host import Compose, run
from tests.deploy.stand_ins import PROJECT

CPU_FILE = "docker-compose.cpu.yml"
LET_IN_S = 5.0  # "a few seconds" after `i3d labs add`


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A copy of the project.

    Attributes:
        folder: of the copy.
        compose: the generation of Compose that is found there.
        settings: environment variables beside those of this process.
    """

    folder: Path
    compose: Compose
    settings: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """Complete."""
        programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": programs, **self.compose.environment, **self.settings}

    def type(
        self, line: str, *, check: bool = True, timeout_s: float = 600
    ) -> subprocess.CompletedProcess[str]:
        """Type a line into a shell in the folder."""
        typed = line.replace("docker compose", " ".join(self.compose.command))
        done = subprocess.run(
            ["bash", "-c", typed],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
        if check:
            said = f"{typed}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
            assert done.returncode == 0, said
        return done

    def remove_containers(self) -> None:
        """Remove what was started, and its volumes."""
        self.type(
            f"docker compose -f {CPU_FILE} --profile monitoring down --volumes --timeout 5",
            check=False,
        )

    def container(self, service: str) -> str:
        """Return the id of a service's container."""
        folder = self.folder.resolve()
        found = run(
            *("docker", "ps", "--all", "--quiet", "--no-trunc"),
            *("--filter", f"label=com.docker.compose.project.working_dir={folder}"),
            *("--filter", f"label=com.docker.compose.service={service}"),
        ).stdout.split()
        assert len(found) == 1, (service, found)
        return found[0]


def copy_project(folder: Path, compose: Compose, **settings: str) -> Checkout:
    """Copy what is in git, or would be, into ``folder``; no models."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=PROJECT).stdout
    for name in listed.split("\0"):
        source = PROJECT / name
        if name and source.is_file() and not name.startswith("model_repository/"):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
            target.chmod(source.stat().st_mode)
    (folder / "model_repository").mkdir()
    return Checkout(folder=folder, compose=compose, settings=settings)
