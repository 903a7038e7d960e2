"""Plans built inside NVIDIA's TensorRT container, for hosts that have Docker and no TensorRT.

The container of a release holds the TensorRT that Triton's container of the same release loads.
Our source is mounted read-only and run as a module: nothing is installed in the container, so it
needs no network and works whatever its Python has.
"""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import docker.errors
from docker.types import DeviceRequest, Mount

import i3d_client
import i3d_export
from i3d_client.signals import ended_by_exception
from i3d_export.errors import PlanError
from i3d_export.plans import cache_folder
from i3d_export.plans_in_container import PlansRequest

IMAGE = "nvcr.io/nvidia/tensorrt"
SOURCE, REPOSITORY, CACHE = "/opt/i3d-triton", "/models", "/cache"

Echo = Callable[[object], object]

# What Docker says where it cannot give a container a GPU.
_NO_GPU_RUNTIME = ("could not select device driver", "nvidia-container", "unresolvable CDI")


def run_plans_in_docker(request: PlansRequest, *, release: str, echo: Echo) -> int:
    """Build in the container of ``release`` and return the exit status of the build.

    The container is removed however this ends, SIGINT, SIGTERM and SIGHUP included.

    Raises:
        PlanError: no Docker daemon, an image that cannot be pulled, or no NVIDIA runtime.
    """
    if not request.repository.is_dir():
        raise PlanError(f"{request.repository}: no such folder")
    image = f"{IMAGE}:{release}-py3"
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with ended_by_exception(), _daemon() as client:
        _require_image(client, image, echo)
        settings = container_settings(request, image=image, cache=cache)
        return _run(client, settings, echo)


def container_settings(request: PlansRequest, *, image: str, cache: Path) -> dict[str, Any]:
    """Return what the container is created with.

    It runs as the calling user, so that plans belong to who asked for them; the image's own entry
    point is kept, because it sets up CUDA's libraries for older drivers.
    """
    packages = (i3d_client, i3d_export)
    mounts = [
        _bind(f"{SOURCE}/{package.__name__}", Path(package.__path__[0]), read_only=True)
        for package in packages
    ]
    mounts += [_bind(REPOSITORY, request.repository), _bind(CACHE, cache)]
    environment = {
        "PYTHONPATH": SOURCE,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "I3D_CACHE": CACHE,
        "HOME": "/tmp",  # noqa: S108 - inside the container, which is thrown away
    }
    if chosen := os.environ.get("CUDA_VISIBLE_DEVICES"):
        environment["CUDA_VISIBLE_DEVICES"] = chosen
    return {
        "image": image,
        "command": [
            "python3",
            "-m",
            "i3d_export.plans_in_container",
            *request.arguments(REPOSITORY),
        ],
        "mounts": mounts,
        "environment": environment,
        "user": f"{os.getuid()}:{os.getgid()}",
        "network_mode": "none",
        "device_requests": [DeviceRequest(count=-1, capabilities=[["gpu", "compute", "utility"]])],
    }


def _bind(target: str, source: Path, *, read_only: bool = False) -> Mount:
    return Mount(target, str(source.resolve()), type="bind", read_only=read_only)


@contextmanager
def _daemon() -> Iterator[Any]:
    try:
        client = docker.from_env()
    except docker.errors.DockerException as error:
        raise PlanError(
            f"no Docker daemon answers ({error}). Start it (systemctl start docker), join the "
            "group docker, or name another daemon in DOCKER_HOST"
        ) from error
    try:
        client.ping()
        yield client
    except docker.errors.DockerException as error:
        raise PlanError(f"Docker failed: {error}") from error
    finally:
        client.close()


def _require_image(client: Any, image: str, echo: Echo) -> None:
    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        echo(f"pulling {image}, several GB")
    else:
        return
    repository, _, tag = image.rpartition(":")
    try:
        client.images.pull(repository, tag=tag)
    except docker.errors.APIError as error:
        raise PlanError(
            f"{image} cannot be pulled: {error.explanation or error}. Is the release right "
            "(--release 26.08), and does the host reach the registry? An image that was loaded "
            "from a file (docker load) is used as it is"
        ) from error


def _run(client: Any, settings: dict[str, Any], echo: Echo) -> int:
    container = client.containers.create(**settings)
    try:
        _start(container)
        for line in _lines(container.logs(stream=True, follow=True)):
            echo(line)
        return int(container.wait()["StatusCode"])
    finally:
        container.remove(force=True)


def _start(container: Any) -> None:
    try:
        container.start()
    except docker.errors.APIError as error:
        said = str(error.explanation or error)
        if any(words in said for words in _NO_GPU_RUNTIME):
            raise PlanError(
                f"Docker cannot give a container the GPU: {said}. Install the NVIDIA Container "
                "Toolkit (nvidia-ctk runtime configure --runtime=docker), restart Docker, and "
                "look that docker run --rm --gpus all ubuntu nvidia-smi lists the GPU"
            ) from error
        raise


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Split a stream of bytes into lines, whatever its chunks are."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    for chunk in chunks:
        *lines, rest = (rest + decoder.decode(chunk)).split("\n")
        yield from lines
    if rest:
        yield rest
