"""What a running stack lets in and out: containers, networks, Triton's administration, metrics."""

import json
import time
import urllib.parse
import urllib.request
from typing import Any

import pytest
from tests.client.runs import wait_until
from tests.deploy.docker_host import run
from tests.deploy.lab_server import LAB, LabServer

pytestmark = pytest.mark.deploy

_TRITON = "172.31.243.10"
_CALLS = f"""
import grpc
from tritonclient.grpc import service_pb2 as p, service_pb2_grpc as g
stub = g.GRPCInferenceServiceStub(grpc.insecure_channel("{_TRITON}:8001"))
assert stub.ServerReady(p.ServerReadyRequest()).ready
for call, message in (
    (stub.RepositoryIndex, p.RepositoryIndexRequest()),
    (stub.RepositoryModelUnload, p.RepositoryModelUnloadRequest(model_name="numbers")),
    (stub.SystemSharedMemoryStatus, p.SystemSharedMemoryStatusRequest()),
    (stub.TraceSetting, p.TraceSettingRequest()),
    (stub.LogSettings, p.LogSettingsRequest()),
):
    try:
        call(message)
        print("ALLOWED", message)
    except grpc.RpcError as error:
        assert "restricted" in error.details(), error.details()
        print("refused")
"""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"


def test_triton_and_gateway_are_not_root_and_cannot_write(lab_server: LabServer) -> None:
    for service, user in (("triton", "1000"), ("gateway", "8443")):
        container = lab_server.checkout.container(service)
        assert run("docker", "exec", container, "id", "-u").stdout.strip() == user
        with pytest.raises(AssertionError, match="Read-only file system"):
            run("docker", "exec", "--user", "0", container, "touch", "/etc/written")
        mounted = {"triton": "/view/written", "gateway": "/opt/i3d/gateway/written"}[service]
        with pytest.raises(AssertionError, match="Read-only file system"):
            run("docker", "exec", container, "touch", mounted)


def test_administration_is_refused_even_beside_triton(lab_server: LabServer) -> None:
    network = f"{lab_server.project}_back"
    said = run(
        *("docker", "run", "--rm", "--network", network, "i3d-triton-tools"),
        *("python3", "-c", _CALLS),
    ).stdout.split()
    assert said == ["refused"] * 5


def test_triton_cannot_be_reached_from_where_labs_come(lab_server: LabServer) -> None:
    for port in ("8001", "8002"):
        beside = f"{lab_server.project}_back"
        run(
            *("docker", "run", "--rm", "--network", beside, "i3d-triton-tools"),
            *("python3", "-c", _CONNECT, _TRITON, port),
        )
        network = f"{lab_server.project}_front"
        with pytest.raises(AssertionError, match=r"timed out|unreachable|refused"):
            run(
                *("docker", "run", "--rm", "--network", network, "i3d-triton-tools"),
                *("python3", "-c", _CONNECT, _TRITON, port),
            )


def test_prometheus_reads_triton_and_the_gateway(lab_server: LabServer) -> None:
    lab_server.checkout.type(
        "docker compose -f docker-compose.cpu.yml --profile monitoring up -d exporter prometheus"
    )
    wait_until(lambda: len(_query("up == 1")) == 3)
    jobs = {series["metric"]["job"] for series in _query("up == 1")}
    assert jobs == {"triton", "gateway", "prometheus"}
    lab_server.classify("measured")
    wait_until(lambda: _query(f'{{job="gateway", lab="{LAB}"}}'))
    wait_until(lambda: int(_query("nv_inference_request_success")[0]["value"][1]) > 0)


def _query(expression: str) -> list[dict[str, Any]]:
    asked = urllib.parse.urlencode({"query": expression})
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/query?{asked}") as answer:
            return list(json.load(answer)["data"]["result"])
    except OSError:  # it is being started
        time.sleep(0.5)
        return []
