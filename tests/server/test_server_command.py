"""``i3d server`` where Docker, Compose or the stack is missing; what it finds without a daemon."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.server.programs import write_program

from i3d_server.compose import find_compose, lab_server_compose
from i3d_server.errors import StackError
from i3d_server.stack import Service

_COMPOSE = "#!/bin/sh\nexit 0\n"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing in it but what a test puts there."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "model_repository").mkdir(parents=True)
    (folder / "docker-compose.yml").touch()
    (folder / "docker-compose.cpu.yml").touch()
    return folder


def test_no_compose_says_what_to_install(programs: Path) -> None:
    write_program(programs / "docker", "#!/bin/sh\nexit 1\n")  # without the plugin
    with pytest.raises(StackError, match="docker-compose-plugin"):
        find_compose()


def test_the_plugin_comes_before_the_older_program(programs: Path) -> None:
    write_program(programs / "docker-compose", _COMPOSE)
    assert find_compose() == ("docker-compose",)
    write_program(programs / "docker", _COMPOSE)
    assert find_compose() == ("docker", "compose")


def test_a_link_to_the_project_is_the_project(
    programs: Path, project: Path, tmp_path: Path
) -> None:
    write_program(programs / "docker", _COMPOSE)
    link = tmp_path / "link"
    link.symlink_to(project)
    compose = lab_server_compose(link, cpu=True)
    assert compose.command == ("docker", "compose", "-f", "docker-compose.cpu.yml")
    assert compose.folder == project.resolve()
    assert compose.environment["PWD"] == str(project.resolve())


def test_a_folder_without_the_files_is_refused(programs: Path, tmp_path: Path) -> None:
    write_program(programs / "docker", _COMPOSE)
    with pytest.raises(StackError, match="--project FOLDER"):
        lab_server_compose(tmp_path, cpu=False)


@pytest.mark.parametrize(
    ("status", "health", "exit_code", "ready", "failed"),
    [
        ("running", "healthy", 0, True, False),
        ("running", "starting", 0, False, False),
        ("running", "unhealthy", 0, False, True),
        ("restarting", "starting", 137, False, False),
        ("exited", None, 0, False, True),
        ("exited", None, 137, False, True),
    ],
)
def test_when_triton_is_ready(
    status: str, health: str | None, exit_code: int, ready: bool, failed: bool
) -> None:
    service = Service(
        name="triton",
        status=status,
        health=health,
        exit_code=exit_code,
        restarts=0,
        container="c0ffee",
    )
    assert (service.ready, service.failed) == (ready, failed)


def test_a_one_shot_service_is_ready_once_it_has_ended_well() -> None:
    done = Service(
        name="prepare", status="exited", health=None, exit_code=0, restarts=0, container="c0ffee"
    )
    assert (done.ready, done.failed, str(done)) == (True, False, "done")


def test_no_daemon_is_one_error_without_a_traceback(project: Path) -> None:
    program = shutil.which("i3d", path=str(Path(sys.executable).parent))
    assert program
    done = subprocess.run(
        [program, "server", "up", "--cpu"],
        cwd=project,
        env={**os.environ, "DOCKER_HOST": f"unix://{project}/none.sock"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: no Docker daemon answers")
    assert "systemctl start docker" in done.stderr
    assert "Traceback" not in done.stderr
