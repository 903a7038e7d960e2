"""Whether this host can start the stack: checks before ``docker compose up``.

Nothing is changed, nothing is installed, and neither the GPU nor TensorRT is touched: what is known
of a GPU is what ``nvidia-smi`` says.
"""

from __future__ import annotations

from i3d_server.doctor_check import Check
from i3d_server.doctor_docker import compose_check, docker_check, image_checks, publishes
from i3d_server.doctor_files import file_checks
from i3d_server.doctor_gpu import gpu_checks, toolkit_check
from i3d_server.doctor_host import port_checks, resource_checks
from i3d_server.doctor_settings import StackSettings


def examine_host(settings: StackSettings) -> list[Check]:
    """Return every check, in the order in which a problem is best solved."""
    checks: list[Check] = []
    if settings.gpu:
        checks += gpu_checks(release=settings.release)
    docker, docker_info = docker_check()
    checks.append(docker)
    if settings.gpu and docker_info:
        checks.append(toolkit_check(docker_info))
    compose, command = compose_check()
    checks.append(compose)
    checks += port_checks(settings, publishes=publishes)
    checks += resource_checks(settings, docker_info=docker_info)
    checks += file_checks(settings)
    if command is not None and docker_info and settings.compose_file.is_file():
        checks += image_checks(settings, compose=command)
    return checks
