"""The embedded server, as the client starts it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tritonclient import grpc

from i3d_server import triton_process
from i3d_server.errors import PortTakenError
from i3d_server.launcher import embedded_server


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_port_lost_in_a_race_is_replaced(
    tiny_repository: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = triton_process._free_port
    offered = iter([taken_port, free_port()])
    monkeypatch.setattr(triton_process, "_free_port", lambda: next(offered))
    with embedded_server(repository=tiny_repository, models=["tiny_fp32"]) as address:
        assert address != f"127.0.0.1:{taken_port}"
        with grpc.InferenceServerClient(address) as client:
            assert client.is_model_ready("tiny_fp32")


def test_losing_every_race_is_an_error(
    tiny_repository: Path, taken_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(triton_process, "_free_port", lambda: taken_port)
    with (
        pytest.raises(PortTakenError, match=f"port {taken_port}"),
        embedded_server(repository=tiny_repository),
    ):
        pass
