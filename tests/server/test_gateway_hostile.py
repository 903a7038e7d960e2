"""Hostile and broken requests: Triton stays ready and the other labs are served.

The real Triton behind the real gateway. Lab A sends what it should not; lab B asks between.
"""

import asyncio
import contextlib
import random
import resource
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.server.gateway_labs import Credentials, Labs, needs_nginx
from tests.server.gateway_upstream import INFER
from tests.server.raw_http2 import (
    CONTINUATION,
    DATA,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    header_block,
    opening,
    read_all,
    request_head,
    tls,
)
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient.grpc import service_pb2 as protocol

from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_server.gateway import RunningGateway, running_gateway
from i3d_server.triton_process import RunningTriton, running_triton

pytestmark = needs_nginx
HALF_OPEN = 1000


@dataclass(frozen=True)
class Stack:
    labs: Labs
    lab_a: Credentials
    lab_b: Credentials
    gateway: RunningGateway
    triton: RunningTriton


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    labs = Labs(folder / "labs")
    lab_a, lab_b = labs.add("lab-a", in_flight=8), labs.add("lab-b", in_flight=2)
    repository: Path = folder / "repository"
    write_simulated_accelerator(repository, contract=CONTRACT, seconds_per_window=0.0)
    with (
        running_triton(repository) as triton,
        running_gateway(labs_gateway=labs.gateway, triton_servers=[triton.address]) as gateway,
    ):
        yield Stack(labs, lab_a, lab_b, gateway, triton)


def good_request() -> protocol.ModelInferRequest:
    request = protocol.ModelInferRequest(model_name=MODEL_NAME)
    request.inputs.add(name="FRAMES", datatype="UINT8", shape=[1, *CONTRACT.segment_shape])
    request.outputs.add(name="PROBABILITIES")
    request.raw_input_contents.append(random_segments(1).tobytes())
    return request


GOOD = good_request().SerializeToString()


@asynccontextmanager
async def served(stack: Stack) -> AsyncIterator[Callable[..., "asyncio.Future[bytes]"]]:
    """Lab A's way to ask; before and after, lab B is served and Triton is as it was."""
    await _require_served(stack)
    async with stack.lab_a.channel(stack.gateway.address) as channel:
        yield channel.unary_unary(INFER)
    await _require_served(stack)


async def _require_served(stack: Stack) -> None:
    async with stack.lab_b.channel(stack.gateway.address) as channel:
        begun = time.monotonic()
        answer = await channel.unary_unary(INFER)(GOOD, timeout=10)
        response = protocol.ModelInferResponse.FromString(answer)
        probabilities = np.frombuffer(response.raw_output_contents[0], np.float32)
        np.testing.assert_array_equal(probabilities.reshape(2, -1)[:, 0], 1)
        assert time.monotonic() - begun < 5
        ready = await channel.unary_unary("/inference.GRPCInferenceService/ServerReady")(b"")
        assert protocol.ServerReadyResponse.FromString(ready).ready
    assert stack.triton.process.poll() is None


def changed(change: Callable[[protocol.ModelInferRequest], object]) -> bytes:
    request = good_request()
    change(request)
    content: bytes = request.SerializeToString()
    return content


def with_shape(*shape: int) -> bytes:
    def change(request: protocol.ModelInferRequest) -> None:
        request.inputs[0].shape[:] = shape

    return changed(change)


def in_shared_memory(region: str, size: int, offset: int) -> bytes:
    def change(request: protocol.ModelInferRequest) -> None:
        del request.raw_input_contents[:]
        parameters = request.inputs[0].parameters
        parameters["shared_memory_region"].string_param = region
        parameters["shared_memory_byte_size"].int64_param = size
        parameters["shared_memory_offset"].int64_param = offset

    return changed(change)


SEGMENT = CONTRACT.segment_shape
WRONG = {
    "one frame too many": with_shape(1, SEGMENT[0] + 1, *SEGMENT[1:]),
    "no dimension": with_shape(),
    "too few dimensions": with_shape(*SEGMENT),
    "zero": with_shape(0, *SEGMENT),
    "negative": with_shape(-1, *SEGMENT),
    "batch of 9": with_shape(9, *SEGMENT),
    "huge": with_shape(2**40, *SEGMENT),
    "product overflows to the right size": with_shape(2**63 - 1, 2**63 - 1, 2**62, 4, 1),
    "product overflows to 0": with_shape(2**32, 2**32, 1, 1, 1),
    "1000 dimensions": with_shape(*[1] * 1000),
    "wrong dtype": changed(lambda r: setattr(r.inputs[0], "datatype", "FP32")),
    "dtype BYTES": changed(lambda r: setattr(r.inputs[0], "datatype", "BYTES")),
    "no such dtype": changed(lambda r: setattr(r.inputs[0], "datatype", "X" * 10_000)),
    "no such input": changed(lambda r: setattr(r.inputs[0], "name", "OTHER")),
    "no such output": changed(lambda r: setattr(r.outputs[0], "name", "OTHER")),
    "no such model": changed(lambda r: setattr(r, "model_name", "../" + "x" * 5000)),
    "no such version": changed(lambda r: setattr(r, "model_version", "-7")),
    "no content": changed(lambda r: r.ClearField("raw_input_contents")),
    "content short": changed(lambda r: r.raw_input_contents.__setitem__(0, b"x")),
    "input twice": changed(lambda r: r.inputs.append(r.inputs[0])),
    "no inputs": changed(lambda r: r.ClearField("inputs")),
    "region unknown": in_shared_memory("other", 2**40, 0),
    "region offset": in_shared_memory("", -1, 2**63 - 1),
    "empty": b"",
    "not protobuf": bytes(range(256)) * 100,
}


def test_wrong_requests_are_refused_one_by_one(stack: Stack) -> None:
    async def run() -> None:
        async with served(stack) as infer:
            for what, request in WRONG.items():
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await infer(request, timeout=10)
                assert refused.value.code() is not grpc.StatusCode.DEADLINE_EXCEEDED, what
                await _require_served(stack)

    asyncio.run(run())


def test_what_is_compressed_is_refused_however_small(stack: Stack) -> None:
    async def run() -> None:
        memory = peak_memory(stack)
        many = b"\n" + varint(MANY) + bytes(MANY)  # a model's name, of zeros
        async with served(stack), stack.lab_a.channel(stack.gateway.address) as channel:
            for method in (INFER, "/inference.GRPCInferenceService/ModelReady"):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await channel.unary_unary(method)(many, compression=grpc.Compression.Gzip)
                assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary(method)(many[:100_000])
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT  # 64 kB are enough
        assert peak_memory(stack) < memory + MANY

    asyncio.run(run())


MANY = 200_000_000


def varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def peak_memory(stack: Stack) -> int:
    """Of tritonserver, in bytes, since its start."""
    (triton,) = Path(f"/proc/{stack.triton.process.pid}/task").glob("*/children")
    peaks = []
    for pid in triton.read_text().split():
        status = Path(f"/proc/{pid}/status").read_text()
        if "tritonserver" in status:
            peaks += [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")]
    (peak,) = peaks
    return int(peak) * 1024


def test_requests_cut_short_or_with_bits_turned(stack: Stack) -> None:
    generator = random.Random(5)  # noqa: S311 - not for secrets
    head = len(GOOD) - len(random_segments(1).tobytes())
    cut = [GOOD[: generator.randrange(len(GOOD))] for _ in range(50)]
    cut += [GOOD[:length] for length in range(0, head, 2)]
    turned = []
    for _ in range(300):
        request = bytearray(GOOD)
        for _ in range(generator.randrange(1, 5)):
            request[generator.randrange(head)] = generator.randrange(256)
        turned.append(bytes(request))

    async def run() -> None:
        async with served(stack) as infer:
            for number, request in enumerate([*cut, *turned]):
                with contextlib.suppress(grpc.aio.AioRpcError):  # a few still mean something
                    await infer(request, timeout=10)
                if number % 50 == 0:
                    await _require_served(stack)

    asyncio.run(run())


def http2_attacks() -> dict[str, bytes]:
    head = request_head(1, INFER)
    message = b"\0" + len(GOOD).to_bytes(4, "big") + GOOD[:8000]
    long_header = frame(HEADERS, 1, header_block([("a" * 100, "b" * 100)] * 75), flags=0)
    return {
        "GET": request_head(1, INFER, method="GET", end=True),
        "no message": request_head(1, INFER, end=True),
        "message cut short": head + frame(DATA, 1, message, flags=END_STREAM),
        "length of 4 GiB": head + frame(DATA, 1, b"\0\xff\xff\xff\xff", flags=END_STREAM),
        "compressed, but not": head + frame(DATA, 1, b"\1\0\0\0\1x", flags=END_STREAM),
        "data for no stream": frame(DATA, 7, b"x" * 100),
        "frame too large": b"\xff\xff\xff" + frame(DATA, 1)[3:],
        "unknown frame": frame(0xEE, 1, b"x" * 1000),
        "header bomb": long_header + frame(CONTINUATION, 1, b"\x82" * 16000) * 200,
        "bad header block": frame(HEADERS, 1, b"\xff" * 200, flags=4),
        "window overflow": frame(WINDOW_UPDATE, 0, b"\x7f\xff\xff\xff") * 3,
        "settings flood": frame(SETTINGS, 0, b"\0\4\0\0\0\0") * 20_000,
        "ping flood": frame(PING, 0, bytes(8)) * 20_000,
        "rapid reset": b"".join(
            request_head(stream, INFER) + frame(RST_STREAM, stream, b"\0\0\0\x08")
            for stream in range(1, 10_001, 2)
        ),
    }


@pytest.mark.parametrize("what", http2_attacks())
def test_broken_http2(stack: Stack, what: str) -> None:
    content = opening() + http2_attacks()[what]

    async def run() -> None:
        async with served(stack):
            for credentials in (stack.lab_a, None):
                await asyncio.to_thread(send, credentials)

    def send(credentials: Credentials | None) -> None:
        with tls(stack.gateway.address, credentials, timeout_s=0.3) as connection:
            with contextlib.suppress(OSError):
                connection.sendall(content)
            read_all(connection)

    asyncio.run(run())


def half_open(stack: Stack) -> list[socket.socket]:
    """Connections that stop: before a byte, in the handshake, after it, and in a request."""
    host, _, port = stack.gateway.address.rpartition(":")
    connections: list[socket.socket] = []
    hello = ssl.MemoryBIO()
    shaking = ssl.create_default_context().wrap_bio(
        ssl.MemoryBIO(), hello, server_hostname="gateway"
    )
    with contextlib.suppress(ssl.SSLWantReadError):
        shaking.do_handshake()
    start_of_handshake = hello.read()
    for number in range(HALF_OPEN):
        match number % 10:
            case 0:
                connection = tls(stack.gateway.address, None)
                connection.sendall(opening())
            case 1:
                connection = tls(stack.gateway.address, stack.lab_a)
                connection.sendall(opening() + request_head(1, INFER) + frame(DATA, 1, b"\0\0\0"))
            case 2 | 3 | 4:
                connection = socket.create_connection((host, int(port)))
                connection.sendall(start_of_handshake)
            case 5 | 6:
                connection = socket.create_connection((host, int(port)))
                connection.sendall(start_of_handshake[:50])
            case _:
                connection = socket.create_connection((host, int(port)))
        connections.append(connection)
    return connections


def test_a_thousand_half_open_connections(stack: Stack) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))

    async def run() -> None:
        async with served(stack):
            connections = await asyncio.to_thread(half_open, stack)
            try:
                for _ in range(20):
                    await _require_served(stack)
            finally:
                for connection in connections:
                    connection.close()

    try:
        asyncio.run(run())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.faults
def test_half_open_connections_are_ended(stack: Stack) -> None:
    connections = half_open(stack)
    ended = time.monotonic() + 30
    try:
        for connection in connections:
            if not isinstance(connection, ssl.SSLSocket):
                connection.settimeout(max(0.1, ended - time.monotonic()))
                read_all(connection)
                assert time.monotonic() < ended
    finally:
        for connection in connections:
            connection.close()
