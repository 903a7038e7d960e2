"""What real nginx logs of real labs at the real Triton is what usage and metrics count."""

import asyncio
import shutil
import time
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests.server.gateway_labs import Credentials, Labs
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient.grpc import service_pb2 as protocol

from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_server.gateway import running_gateway
from i3d_server.gateway_log import BadLine, LoggedRequest, read_logs
from i3d_server.gateway_metrics import GatewayMetrics
from i3d_server.usage import summarise_usage
from i3d_server.usage_statistics import mean_request_from_server

pytestmark = pytest.mark.skipif(
    not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="no nginx (apt-get install nginx)"
)
SERVICE = "/inference.GRPCInferenceService/"


def inference() -> bytes:
    frames = random_segments(1)
    request = protocol.ModelInferRequest(model_name=MODEL_NAME)
    request.inputs.add(name="FRAMES", datatype="UINT8", shape=frames.shape)
    request.raw_input_contents.append(frames.tobytes())
    data: bytes = request.SerializeToString()
    return data


async def call(credentials: Credentials, address: str, method: str, *requests: bytes) -> list[str]:
    """The status of each request, all at once."""
    async with credentials.channel(address) as channel:
        answers = await asyncio.gather(
            *(channel.unary_unary(SERVICE + method)(data, timeout=20) for data in requests),
            return_exceptions=True,
        )
    codes = [getattr(answer, "code", lambda: "OK")() for answer in answers]
    return [getattr(code, "name", code) for code in codes]


def logged(log: Path, count: int) -> list[LoggedRequest | BadLine]:
    """The log once it has so many lines; nginx writes one when a request has ended."""
    deadline = time.monotonic() + 10
    while len(entries := list(read_logs([log]))) < count:
        assert time.monotonic() < deadline, entries
        time.sleep(0.05)
    return entries


def test_labs_are_told_apart_and_windows_are_those_that_were_computed(tmp_path: Path) -> None:
    labs = Labs(tmp_path / "labs")
    alpha, beta = labs.add("alpha", in_flight=2), labs.add("beta", in_flight=16)
    one = inference()
    with (
        simulated_accelerator(contract=CONTRACT, seconds_per_window=0.02) as triton,
        running_gateway(labs_gateway=labs.gateway, triton_servers=[triton]) as gateway,
    ):
        address = gateway.address
        capped = asyncio.run(call(alpha, address, "ModelInfer", *[one] * 12))
        assert set(asyncio.run(call(beta, address, "ModelInfer", *[one] * 12))) == {"OK"}
        asyncio.run(call(beta, address, "RepositoryIndex", b""))
        asyncio.run(call(labs.without_certificate(), address, "ModelInfer", b""))
        entries = logged(gateway.access_log, 26)
        mean = mean_request_from_server(triton)
    answered = capped.count("OK")
    assert 2 <= answered < 12
    usage = summarise_usage(entries, by=("lab",), mean=mean)
    assert not usage.bad_lines
    outcomes = {row.lab: {name: n for name, n in row.requests.items() if n} for row in usage.rows}
    assert outcomes == {
        "": {"denied": 1},
        "alpha": {"answered": answered, "rejected": 12 - answered},
        "beta": {"answered": 12, "denied": 1},
    }
    windows = {row.lab: row.windows for row in usage.rows}
    assert windows == {"": 0.0, "alpha": 2.0 * answered, "beta": 24.0}
    assert mean.device_seconds >= 0.03  # a batch of one to eight segments takes 40 ms a segment
    reasons = Counter(
        (entry.lab, entry.reason) for entry in entries if isinstance(entry, LoggedRequest)
    )
    assert reasons["alpha", "limit of the gateway"] == 12 - answered
    assert reasons["beta", "not allowed"] == reasons["", "no valid certificate"] == 1


def test_a_server_that_is_away_is_not_taken_for_a_cap(tmp_path: Path) -> None:
    labs = Labs(tmp_path / "labs")
    alpha = labs.add("alpha")
    with running_gateway(labs_gateway=labs.gateway, triton_servers=["127.0.0.1:9"]) as gateway:
        assert asyncio.run(call(alpha, gateway.address, "ModelInfer", b"")) == ["UNAVAILABLE"]
        logged(gateway.access_log, 1)
        registry = CollectorRegistry()
        metrics = GatewayMetrics(registry)
        metrics.count_lines(gateway.access_log.read_bytes().splitlines())
    labels = {"lab": "alpha", "reason": "server full or away"}
    assert registry.get_sample_value("i3d_lab_rejected_total", labels) == 1
    assert registry.get_sample_value("i3d_gateway_log_bad_lines_total") == 0
