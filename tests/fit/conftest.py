"""A small network that the real Triton serves, and a lab that fits its own behaviours with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fit.fits import MODEL, Lab, make_lab
from tests.server.tiny_network import write_tiny_model

from i3d_server.launcher import embedded_server


@pytest.fixture(scope="session")
def feature_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a Triton with one small network."""
    repository = tmp_path_factory.mktemp("features")
    write_tiny_model(repository, MODEL)
    with embedded_server(repository=repository) as address:
        yield address


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, feature_server: str) -> Lab:
    """A lab whose features are computed once; tests write fits of names of their own."""
    return make_lab(tmp_path_factory.mktemp("lab"), server=feature_server)


@pytest.fixture
def lab(tmp_path: Path, feature_server: str) -> Lab:
    """A lab that a test may spoil."""
    return make_lab(tmp_path, server=feature_server)
