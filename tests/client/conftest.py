"""The real Triton with networks that read frame numbers."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.client.runs import FixedServer, free_port

from i3d_bench.number_network import number_contract, write_number_model
from i3d_server.launcher import embedded_server

NUMBER_MODELS = {
    "overlapping": number_contract(clip_frames=16, stride=4, windows=3),
    "every_frame": number_contract(clip_frames=16, stride=1, windows=8),
    "back_to_back": number_contract(clip_frames=16, stride=16, windows=2, label_frame="centre"),
    "one_window": number_contract(clip_frames=20, stride=7, windows=1, label_frame="centre"),
}


@pytest.fixture(scope="session")
def number_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    repository = tmp_path_factory.mktemp("numbers")
    for name, contract in NUMBER_MODELS.items():
        write_number_model(repository, name, contract)
    return repository


@pytest.fixture(scope="session")
def server(number_repository: Path) -> Iterator[str]:
    """Address of a Triton that serves ``NUMBER_MODELS``."""
    with embedded_server(repository=number_repository) as address:
        yield address


SLOW = number_contract(clip_frames=16, stride=1, windows=8)


@pytest.fixture(scope="session")
def slow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixedServer]:
    """A Triton that may be killed and started again. All its models are one network.

    ``slow`` takes its time; ``small_queue`` refuses what it cannot take at once.
    """
    repository = tmp_path_factory.mktemp("slow")
    write_number_model(repository, "slow", SLOW, queue_delay_us=40_000)
    write_number_model(repository, "small_queue", SLOW, queue_delay_us=5_000, max_queue_size=1)
    with FixedServer(repository, free_port()) as server:
        yield server
