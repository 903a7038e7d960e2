"""Small models in repositories, and the real Triton that serves them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.tiny_network import write_tiny_model

from i3d_server.launcher import ServedRepository, serving


@pytest.fixture(scope="session")
def tiny_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the one complete model ``tiny_fp32``; not to be changed."""
    repository = tmp_path_factory.mktemp("repository")
    write_tiny_model(repository, "tiny_fp32")
    return repository


@pytest.fixture
def own_repository(tiny_repository: Path, tmp_path: Path) -> Path:
    """A copy of ``tiny_repository`` that a test may spoil."""
    return shutil.copytree(tiny_repository, tmp_path / "repository")


@pytest.fixture(scope="session")
def tiny_server(tiny_repository: Path) -> Iterator[ServedRepository]:
    with serving(tiny_repository) as served:
        yield served
