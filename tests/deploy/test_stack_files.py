"""The compose files: read by both Composes, alike where they should be, closed where they must.

The stack with a GPU cannot run here. What can be seen without one: that it differs from the CPU
stack, which does run, in nothing but the GPU; that its images are NVIDIA's of one release; that the
real ``tritonserver`` knows its options.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.deploy.conftest import read_config
from tests.deploy.docker_host import Compose, run
from tests.deploy.project_copy import CPU_FILE
from tests.deploy.stand_ins import PROJECT

from i3d_export.plans_docker import container_settings
from i3d_export.plans_in_container import PlansRequest
from i3d_server.installation import find_triton

pytestmark = pytest.mark.deploy

GPU_FILE = "docker-compose.yml"
_SHARED = ("verify", "gateway", "export", "exporter", "prometheus", "grafana")
_START = PROJECT / "server" / "images" / "start-triton.sh"


@pytest.fixture(scope="module")
def gpu(composes: dict[str, Compose]) -> dict[str, Any]:
    return read_config(composes["v2"], GPU_FILE)


@pytest.fixture(scope="module")
def cpu(composes: dict[str, Compose]) -> dict[str, Any]:
    return read_config(composes["v2"], CPU_FILE)


def test_both_stacks_share_their_services(gpu: dict[str, Any], cpu: dict[str, Any]) -> None:
    for name in _SHARED:
        assert gpu["services"][name] == cpu["services"][name], name
    assert gpu["networks"] == cpu["networks"]
    assert set(gpu["services"]) == {"plans", *cpu["services"]}
    for name in ("prepare", "triton"):
        with_gpu, without = gpu["services"][name], cpu["services"][name]
        differing = {key for key in {*with_gpu, *without} if with_gpu.get(key) != without.get(key)}
        allowed = {
            "prepare": {"depends_on", "environment"},
            "triton": {"image", "build", "command", "deploy", "volumes"},
        }
        assert differing <= allowed[name], name


def test_each_service_waits_for_the_one_before(gpu: dict[str, Any], cpu: dict[str, Any]) -> None:
    def waits(config: dict[str, Any]) -> dict[str, dict[str, str]]:
        return {
            name: {other: how["condition"] for other, how in service["depends_on"].items()}
            for name, service in config["services"].items()
            if "depends_on" in service
        }

    done = "service_completed_successfully"
    chain = {
        "triton": {"prepare": done},
        "verify": {"triton": "service_healthy"},
        "gateway": {"verify": done},
    }
    assert waits(cpu) == chain
    assert waits(gpu) == {"prepare": {"plans": done}, **chain}


def test_a_gpu_is_reserved_and_one_release_builds_and_serves(gpu: dict[str, Any]) -> None:
    services = gpu["services"]
    for name in ("plans", "triton"):
        (device,) = services[name]["deploy"]["resources"]["reservations"]["devices"]
        assert device["driver"] == "nvidia"
        assert "gpu" in device["capabilities"]
    assert services["triton"]["image"] == "nvcr.io/nvidia/tritonserver:26.08-py3"
    assert services["plans"]["image"] == "nvcr.io/nvidia/tensorrt:26.08-py3"


def test_plans_are_built_as_i3d_plans_builds_them(gpu: dict[str, Any]) -> None:
    request = PlansRequest(repository=PROJECT / "model_repository")
    wanted = container_settings(request, image="", cache=PROJECT)
    service = gpu["services"]["plans"]
    assert service["command"] == [*wanted["command"], "--models="]  # all that are exported
    given, built = service["environment"], wanted["environment"]
    for environment in (given, built):  # there if the user's environment says so
        environment.pop("CUDA_VISIBLE_DEVICES", None)
    assert given == built
    assert service["network_mode"] == wanted["network_mode"]
    targets = {mount["target"]: mount.get("read_only", False) for mount in service["volumes"]}
    assert targets == {mount["Target"]: mount["ReadOnly"] for mount in wanted["mounts"]}


def test_only_the_gateway_is_published_and_only_here(gpu: dict[str, Any]) -> None:
    published = {
        name: {(port["host_ip"], port["published"]) for port in service["ports"]}
        for name, service in gpu["services"].items()
        if "ports" in service
    }
    assert published == {
        "gateway": {("127.0.0.1", "8443")},
        "prometheus": {("127.0.0.1", "9090")},
        "grafana": {("127.0.0.1", "3000")},
    }
    assert gpu["networks"]["back"]["internal"] is True
    assert set(gpu["services"]["triton"]["networks"]) == {"back"}
    for name, service in gpu["services"].items():
        mounts = [mount["source"] for mount in service.get("volumes", [])]
        assert name == "prepare" or not any(mount.endswith("/labs") for mount in mounts), name


def test_every_container_is_bounded(gpu: dict[str, Any]) -> None:
    for name, service in gpu["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["logging"]["options"]["max-size"] == "10m", name
        assert service["pids_limit"], name
        assert service.get("read_only") or name == "export", name
        assert name in ("plans", "export") or service["mem_limit"], name
    for name in ("triton", "gateway"):
        service = gpu["services"][name]
        assert service["user"].split(":")[0] != "0"
        assert service["restart"] == "unless-stopped"
        assert service["healthcheck"]["test"]


def test_compose_v1_reads_the_same(composes: dict[str, Compose], gpu: dict[str, Any]) -> None:
    for file in (GPU_FILE, CPU_FILE):
        compose = composes["v1"]
        said = run(
            *(*compose.command, "-f", file, "config"),
            cwd=PROJECT,
            env={**os.environ, **compose.environment},
        ).stdout
        for text in ("condition: service_healthy", "ipv4_address: 172.31.243.10"):
            assert text in said
    listed = run(
        *("docker-compose", "-f", GPU_FILE, "--profile", "export", "--profile", "monitoring"),
        *("config", "--services"),
        cwd=PROJECT,
    ).stdout
    assert set(listed.split()) == set(gpu["services"])


def test_the_settings_are_those_of_the_example() -> None:
    files = [PROJECT / name for name in (GPU_FILE, CPU_FILE, "docker-compose.common.yml")]
    text = "".join(path.read_text() for path in files)
    used = {(m[1], m[2]) for m in re.finditer(r"\$\{(\w+):-([^}]*)\}", text)}
    assert len(re.findall(r"\$\{", text)) == len(re.findall(r"\$\{\w+:-[^}]*\}", text))
    example = (PROJECT / ".env.example").read_text()
    explained = {(m[1], m[2]) for m in re.finditer(r"^(\w+)=(.*)$", example, flags=re.MULTILINE)}
    assert used == explained


def test_tritonserver_knows_every_option(gpu: dict[str, Any], cpu: dict[str, Any]) -> None:
    triton = find_triton()
    libraries = os.pathsep.join(map(str, triton.library_path))
    known = subprocess.run(
        [triton.binary, "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
    )
    options = set(re.findall(r"^\s+(--[\w-]+)", known.stdout + known.stderr, flags=re.MULTILINE))
    asked = set(re.findall(r"^\s+(--[\w-]+)=", _START.read_text(), flags=re.MULTILINE))
    for config in (gpu, cpu):
        given = config["services"]["triton"]["command"]
        assert given[0] == "/opt/i3d/start-triton.sh"
        asked |= {option.split("=")[0] for option in given[1:]}
    assert len(asked) > 10
    assert asked <= options


def test_the_context_of_the_images_holds_no_keys_and_no_models() -> None:
    ignored = (PROJECT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert not let_in & {"labs", "logs", "model_repository", ".env", ".git"}
    copied = set()
    for dockerfile in (PROJECT / "server" / "images").glob("*/Dockerfile"):
        for line in dockerfile.read_text().splitlines():
            if line.startswith("COPY "):
                copied |= {Path(source).parts[0] for source in line.split()[1:-1]}
    assert copied == {Path(name).parts[0] for name in let_in}
