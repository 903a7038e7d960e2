"""``i3d plans --docker`` through the real Docker SDK, against a daemon of the same interface."""

import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.export.docker_daemon import CONTAINER, DockerDaemon

pytest.importorskip("docker")

from i3d_export.errors import PlanError
from i3d_export.plan_stamp import PlanOptions
from i3d_export.plans_docker import run_plans_in_docker
from i3d_export.plans_in_container import PlansRequest

IMAGE = "nvcr.io/nvidia/tensorrt:26.06-py3"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[DockerDaemon]:
    monkeypatch.setenv("I3D_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        path = Path(folder) / "docker.sock"
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        with DockerDaemon(path) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield server
            server.shutdown()
            thread.join()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def run(repository: Path, *, options: PlanOptions | None = None) -> tuple[int, list[object]]:
    said: list[object] = []
    request = PlansRequest(repository=repository, options=options or PlanOptions())
    status = run_plans_in_docker(request, release="26.06", echo=said.append)
    return status, said


def test_the_log_is_passed_on_and_the_container_removed(
    daemon: DockerDaemon, repository: Path
) -> None:
    status, said = run(repository)
    assert (status, said) == (0, ["line one", "line two é"])
    assert daemon.done("DELETE", f"/containers/{CONTAINER}")
    assert not daemon.done("POST", "/images/create")


def test_a_build_may_be_silent_for_longer_than_the_sdk_waits(
    daemon: DockerDaemon, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("docker.client.DEFAULT_TIMEOUT_SECONDS", 5)
    monkeypatch.setattr("docker.api.client.DEFAULT_TIMEOUT_SECONDS", 5)
    daemon.log_pause_s = 6
    assert run(repository) == (0, ["line one", "line two é"])


def test_the_container_gets_the_gpu_the_source_and_the_repository(
    daemon: DockerDaemon, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    run(repository, options=PlanOptions(workspace_gib=2))
    created = daemon.created()
    assert created["Image"] == IMAGE
    assert created["Cmd"] == [
        *("python3", "-m", "i3d_export.plans_in_container"),
        *("--repository", "/models", "--workspace-gib", "2"),
    ]
    assert "Entrypoint" not in created or created["Entrypoint"] is None
    assert created["User"] == f"{os.getuid()}:{os.getgid()}"
    assert {"PYTHONPATH=/opt/i3d-triton", "I3D_CACHE=/cache", "CUDA_VISIBLE_DEVICES=1"} <= set(
        created["Env"]
    )
    host = created["HostConfig"]
    assert host["NetworkMode"] == "none"
    (gpus,) = host["DeviceRequests"]
    assert (gpus["Count"], gpus["Capabilities"]) == (-1, [["gpu", "compute", "utility"]])
    mounts = {
        mount["Target"]: (Path(mount["Source"]), mount["ReadOnly"]) for mount in host["Mounts"]
    }
    assert mounts["/models"] == (repository, False)
    assert mounts["/cache"] == (tmp_path / "cache", False)
    for package in ("i3d_client", "i3d_export"):
        source, read_only = mounts[f"/opt/i3d-triton/{package}"]
        assert read_only
        assert (source / "errors.py").is_file()


def test_a_failed_build_is_the_exit_status(daemon: DockerDaemon, repository: Path) -> None:
    daemon.status = 1
    assert run(repository)[0] == 1
    assert daemon.done("DELETE", f"/containers/{CONTAINER}")


def test_an_image_that_is_not_there_is_pulled(daemon: DockerDaemon, repository: Path) -> None:
    daemon.has_image = False
    status, said = run(repository)
    assert status == 0
    assert said[0] == f"pulling {IMAGE}, several GB"
    assert daemon.done("POST", "/images/create")


def test_an_image_that_cannot_be_pulled_is_explained(
    daemon: DockerDaemon, repository: Path
) -> None:
    daemon.has_image = False
    daemon.pull_error = "manifest unknown"
    with pytest.raises(PlanError, match=rf"{IMAGE} cannot be pulled: manifest unknown.*--release"):
        run(repository)


@pytest.mark.parametrize(
    "said",
    [
        'could not select device driver "" with capabilities: [[gpu compute utility]]',
        "OCI runtime create failed: nvidia-container-cli: initialization error",
    ],
)
def test_a_missing_nvidia_runtime_is_explained(
    daemon: DockerDaemon, repository: Path, said: str
) -> None:
    daemon.start_error = said
    with pytest.raises(PlanError, match="NVIDIA Container Toolkit") as caught:
        run(repository)
    assert said in str(caught.value)
    assert daemon.done("DELETE", f"/containers/{CONTAINER}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_killed_build_removes_its_container(
    daemon: DockerDaemon, repository: Path, number: signal.Signals
) -> None:
    daemon.log_pause_s = 5
    command = [sys.executable, "-m", "i3d_client", "plans", "--docker", "--repository"]
    # A shell's background job, and so its children, ignore SIGINT: not so this one.
    with subprocess.Popen(
        [*command, str(repository)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"line one\n"
        assert not daemon.done("DELETE", f"/containers/{CONTAINER}")
        process.send_signal(number)
        process.wait(timeout=30)
    assert process.returncode != 0
    assert daemon.done("DELETE", f"/containers/{CONTAINER}")


def test_another_failure_of_docker_is_passed_on(daemon: DockerDaemon, repository: Path) -> None:
    daemon.start_error = "no space left on device"
    with pytest.raises(PlanError, match=r"Docker failed.*no space left on device"):
        run(repository)
    assert daemon.done("DELETE", f"/containers/{CONTAINER}")


# The SDK leaves the socket open with which it did not reach a daemon.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_no_daemon_is_explained(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{repository}/absent.sock")
    with pytest.raises(PlanError, match=r"no Docker daemon answers.*systemctl start docker"):
        run(repository)
    gc.collect()


def test_a_repository_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="nowhere: no such folder"):
        run(tmp_path / "nowhere")
