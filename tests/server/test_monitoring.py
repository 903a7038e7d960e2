"""Every panel of the dashboard has data: the real Prometheus, the real Triton, the real exporter.

Prometheus reads the project's own ``prometheus.yml`` (addresses and interval replaced), Triton runs
the simulated accelerator, and the exporter follows a log with the same requests.
"""

import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.server.logged_requests import DENIED, NO_CERTIFICATE, REJECTED, log_line
from tests.server.test_gateway_metrics import exporter, free_port
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient import grpc

from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_server.triton_process import Ports, running_triton

MONITORING = Path(__file__).parents[2] / "server" / "monitoring"
PAGE = MONITORING.parents[1] / "docs" / "monitoring.md"
DASHBOARDS = sorted((MONITORING / "grafana" / "dashboards").glob("*.json"))
RATE_INTERVAL_S = 20
RATE_INTERVAL = f"{RATE_INTERVAL_S}s"
LABS = ("alpha", "beta")
JOBS = ("triton", "gateway", "prometheus")
LOADING_SECONDS = 8
# A panel of these may stay empty without one: their fall-back is what is tested here.
GPU_METRICS = ("nv_gpu_utilization", "nv_gpu_memory_total_bytes", "nv_gpu_memory_used_bytes")


def panels() -> list[dict[str, Any]]:
    return [panel for path in DASHBOARDS for panel in json.loads(path.read_text())["panels"]]


def panel(title: str) -> dict[str, Any]:
    return next(panel for panel in panels() if panel["title"].startswith(title))


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    """A running Prometheus, on a port of loopback."""

    port: int

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            text: str = answer.read().decode()
            return text

    def query(self, expression: str, *, at: float | None = None) -> list[dict[str, Any]]:
        values = {"query": expression.replace("$__rate_interval", RATE_INTERVAL)}
        values |= {} if at is None else {"time": str(at)}
        try:
            answer = json.loads(self.get(f"/api/v1/query?{urllib.parse.urlencode(values)}"))
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        result = answer["data"]["result"]
        assert isinstance(result, list)
        return result


@dataclass(frozen=True, kw_only=True)
class Monitoring:
    """A Prometheus that has seen ``requests`` inferences in the RATE_INTERVAL before ``at``."""

    prometheus: Prometheus
    requests: int
    at: float

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.prometheus.query(expression, at=self.at)

    def numbers(self, expression: str) -> list[float]:
        """The values that are numbers: 0/0 is none."""
        values = [float(series["value"][1]) for series in self.query(expression)]
        return [value for value in values if not math.isnan(value)]


def prometheus_binary() -> str:
    found = shutil.which("prometheus")
    if found is None:
        if os.environ.get("I3D_DEPLOY_REQUIRED") == "1":
            pytest.fail(
                "no prometheus on PATH; expected Debian's package: apt-get install prometheus"
            )
        pytest.skip("no prometheus on PATH (Debian: apt-get install prometheus)")
    return found


@contextlib.contextmanager
def running_prometheus(
    binary: str, folder: Path, *, triton: int, exporter: int
) -> Iterator[Prometheus]:
    port = free_port()
    config = (MONITORING / "prometheus.yml").read_text()
    places = {
        "triton:8002": f"127.0.0.1:{triton}",
        "exporter:9105": f"127.0.0.1:{exporter}",
        "localhost:9090": f"127.0.0.1:{port}",
        "scrape_interval: 5s": "scrape_interval: 1s",
        "scrape_timeout: 4s": "scrape_timeout: 1s",
    }
    for written, here in places.items():
        assert written in config
        config = config.replace(written, here)
    (folder / "prometheus.yml").write_text(config)
    command = [binary, f"--config.file={folder / 'prometheus.yml'}"]
    command += [f"--storage.tsdb.path={folder / 'data'}", "--log.level=warn"]
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"])
    prometheus = Prometheus(port=port)
    try:
        deadline = time.monotonic() + 30
        while not all_targets_are_up(prometheus):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield prometheus
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def all_targets_are_up(prometheus: Prometheus) -> bool:
    with contextlib.suppress(OSError, AssertionError):
        return len(prometheus.query("up == 1")) == len(JOBS)
    return False


def load(address: str, log: Path) -> int:
    """Ask Triton for a while, and log each request as the gateway would; return how many."""
    tensor = grpc.InferInput("FRAMES", (1, *CONTRACT.segment_shape), "UINT8")
    tensor.set_data_from_numpy(random_segments(1))
    others = log_line(**REJECTED) + log_line(**DENIED) + log_line(**NO_CERTIFICATE)  # type: ignore[arg-type]
    until = time.monotonic() + LOADING_SECONDS
    count = 0
    with grpc.InferenceServerClient(address) as client, log.open("a") as lines:
        while time.monotonic() < until:
            client.infer(MODEL_NAME, [tensor])
            lines.write(log_line(lab=LABS[count % 2]) + (others if count % 5 == 0 else ""))
            lines.flush()
            count += 1
            time.sleep(0.05)
    return count


@pytest.fixture(scope="module")
def monitoring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    binary = prometheus_binary()
    folder = tmp_path_factory.mktemp("monitoring")
    repository, log = folder / "repository", folder / "access.jsonl"
    write_simulated_accelerator(repository, contract=CONTRACT, seconds_per_window=0.002)
    ports = Ports(grpc=free_port(), metrics=free_port())
    assert ports.metrics is not None
    with (
        running_triton(repository, ports=ports) as triton,
        exporter(
            log,
            *("--repository", str(repository)),
            environment={"PRICE_PER_DEVICE_HOUR": "2.48"},
        ) as metrics,
        running_prometheus(binary, folder, triton=ports.metrics, exporter=metrics) as prometheus,
    ):
        requests = load(triton.address, log)
        time.sleep(2)  # for the exporter to read the end of the log, and Prometheus the exporter
        yield Monitoring(prometheus=prometheus, requests=requests, at=time.time())


def test_prometheus_reads_all_that_it_is_told_to(monitoring: Monitoring) -> None:
    jobs = {series["metric"]["job"]: series["value"][1] for series in monitoring.query("up")}
    assert jobs == dict.fromkeys(JOBS, "1")


@pytest.mark.parametrize("title", [panel["title"] for panel in panels()])
def test_every_query_of_every_panel_has_data(monitoring: Monitoring, title: str) -> None:
    for target in panel(title)["targets"]:
        assert monitoring.numbers(target["expr"]), target["expr"]


def test_what_the_panels_say_is_so(monitoring: Monitoring) -> None:
    def value(title: str) -> float:
        (number,) = monitoring.numbers(panel(title)["targets"][0]["expr"])
        return number

    requests_per_s = value("Requests per second")
    # All requests lie in the interval; Prometheus extrapolates by up to a scrape at either end.
    assert requests_per_s * RATE_INTERVAL_S == pytest.approx(monitoring.requests, rel=0.25)
    assert value("Windows per second") == pytest.approx(2 * requests_per_s, rel=0.01)
    assert value("Frames per second") == pytest.approx(16 * requests_per_s, rel=0.01)
    speed = value("Hours of video per hour")
    assert speed == pytest.approx(16 * requests_per_s / 30, rel=0.01)
    assert value("Cost of an hour of video") == pytest.approx(2.48 / speed, rel=0.01)
    assert value("Segments per batch") == pytest.approx(1)
    assert 0 <= value("Device use") <= 1
    by_lab = monitoring.query(panel("Answered requests by lab")["targets"][0]["expr"])
    assert {series["metric"]["lab"] for series in by_lab} == set(LABS)
    rejected = monitoring.query(panel("Rejected requests by lab")["targets"][0]["expr"])
    assert {(s["metric"]["lab"], s["metric"]["reason"]) for s in rejected} == {
        ("alpha", "limit of the gateway"),
        ("alpha", "not allowed"),
        ("(no certificate)", "no valid certificate"),
    }


def test_where_there_is_a_gpu_the_processors_are_left_out(monitoring: Monitoring) -> None:
    """``vector`` stands for the metrics of a GPU, which this machine does not have."""
    for title in ("Device use", "Device memory"):
        expression = panel(title)["targets"][0]["expr"]
        for name in GPU_METRICS:
            expression = re.sub(rf"\b{name}\b", "vector(0.5)", expression)
        assert monitoring.numbers(expression) in ([0.5], [1.0])


def test_every_metric_of_a_panel_is_one_that_exists(monitoring: Monitoring) -> None:
    names = set(json.loads(monitoring.prometheus.get("/api/v1/label/__name__/values"))["data"])
    for one in panels():
        for target in one["targets"]:
            used = set(re.findall(r"\b(?:nv|i3d)_[a-z0-9_]+", target["expr"]))
            assert used - set(GPU_METRICS) <= names, one["title"]


def test_panels_say_what_they_show() -> None:
    found = panels()
    assert len({one["title"] for one in found}) == len({one["id"] for one in found}) == len(found)
    datasource = (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text()
    for one in found:
        assert one["type"] == "timeseries"
        assert one["description"].endswith(".")
        defaults = one["fieldConfig"]["defaults"]
        assert defaults["unit"]
        assert defaults["thresholds"]["steps"]
        assert f"uid: {one['datasource']['uid']}\n" in datasource
        assert ("rate(" in one["targets"][0]["expr"]) == (
            "$__rate_interval" in one["targets"][0]["expr"]
        )


def test_grafana_is_provisioned_with_where_its_files_are() -> None:
    provider = (MONITORING / "grafana/provisioning/dashboards/lab_server.yml").read_text()
    assert "path: /etc/grafana/dashboards" in provider
    interval = re.search(r"scrape_interval: (\w+)", (MONITORING / "prometheus.yml").read_text())
    assert interval
    datasource = (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text()
    assert f"timeInterval: {interval[1]} " in datasource


def test_the_page_names_every_metric_of_the_exporter(monitoring: Monitoring) -> None:
    page = PAGE.read_text()
    names = json.loads(monitoring.prometheus.get("/api/v1/label/__name__/values"))["data"]
    ours = {re.sub("_(bucket|sum|count)$", "", name) for name in names if "i3d_" in name}
    assert len(ours) >= 9
    for name in ours:
        assert f"`{name}`" in page, name


def test_the_exporter_has_the_options_of_the_page() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "i3d_server.gateway_metrics", "--help"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (command,) = re.findall(r"^python -m i3d_server\.gateway_metrics (.*)$", PAGE.read_text(), re.M)
    for option in (*re.findall(r"--[a-z]+", command), "--repository"):
        assert option in help_text
