"""The exporter follows a log through rotation and truncation, and answers Prometheus."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from tests.server.logged_requests import DENIED, NO_CERTIFICATE, REJECTED, log_line
from tests.server.tiny_network import CONTRACT

from i3d_bench.simulated_accelerator import MODEL_NAME, write_simulated_accelerator
from i3d_server.gateway_log_follower import LogFollower
from i3d_server.gateway_metrics import MAX_LABS, GatewayMetrics

Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def scrape(port: int) -> Values:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(values: Values, name: str, **labels: str) -> float:
    return values.get((name, frozenset(labels.items())), 0.0)


@contextlib.contextmanager
def exporter(log: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[int]:
    """The exporter as a process of its own; yields its port once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "i3d_server.gateway_metrics", "--log", str(log)]
    process = subprocess.Popen(
        [*command, "--port", str(port), *options], env={**os.environ, **(environment or {})}
    )
    try:
        deadline = time.monotonic() + 20
        while True:
            with contextlib.suppress(urllib.error.URLError):
                scrape(port)
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    finally:
        process.kill()
        process.wait()


def await_value(port: int, wanted: float, name: str, **labels: str) -> Values:
    deadline = time.monotonic() + 10
    while value(values := scrape(port), name, **labels) != wanted:
        assert time.monotonic() < deadline, (name, labels, wanted, values)
        time.sleep(0.1)
    return values


def test_every_request_is_counted_once_across_rotation_and_truncation(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    answered = {"lab": "alpha", "call": "ModelInfer", "status": "OK"}
    with exporter(log) as port:
        log.write_text(log_line(bytes_in=10, bytes_out=3, seconds=0.2) + "not JSON\n")
        await_value(port, 1, "i3d_lab_requests_total", **answered)
        with log.open("a") as old:
            log.rename(tmp_path / "access.jsonl.1")
            old.write(log_line(bytes_in=10))  # nginx writes on until it is told to reopen
            old.flush()
            log.write_text(log_line(bytes_in=10) + log_line(**REJECTED))  # type: ignore[arg-type]
            await_value(port, 3, "i3d_lab_requests_total", **answered)
        log.write_text(log_line(bytes_in=10, seconds=2))  # truncated: shorter than before
        values = await_value(port, 4, "i3d_lab_requests_total", **answered)
    assert value(values, "i3d_lab_bytes_in_total", lab="alpha") == 1040
    assert value(values, "i3d_gateway_log_bad_lines_total") == 1
    rejected = {"lab": "alpha", "reason": "limit of the gateway"}
    assert value(values, "i3d_lab_rejected_total", **rejected) == 1
    assert value(values, "i3d_lab_request_seconds_count", lab="alpha") == 5
    assert value(values, "i3d_lab_request_seconds_bucket", lab="alpha", le="1.0") == 4


def test_price_and_contracts_are_told(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    write_simulated_accelerator(repository, contract=CONTRACT, seconds_per_window=0)
    (repository / "other").mkdir()
    (repository / "other" / "config.pbtxt").write_text('name: "other"')
    options = ("--repository", str(repository))
    with exporter(
        tmp_path / "a.jsonl", *options, environment={"PRICE_PER_DEVICE_HOUR": "2.48"}
    ) as port:
        values = scrape(port)
    assert value(values, "i3d_price_per_device_hour") == 2.48
    assert value(values, "i3d_model_windows_per_segment", model=MODEL_NAME) == 2
    assert value(values, "i3d_model_frames_per_segment", model=MODEL_NAME) == 16
    assert value(values, "i3d_model_trained_fps", model=MODEL_NAME) == 30
    assert not any(("model", "other") in labels for _, labels in values)


@pytest.mark.parametrize(
    ("options", "price", "said"),
    [
        ([], "cheap", "PRICE_PER_DEVICE_HOUR: expected a number"),
        (["--repository", "/nowhere"], "", "/nowhere: no such folder"),
        (["--address", "192.0.2.1"], "", "error: "),
    ],
)
def test_what_cannot_start_says_why(
    tmp_path: Path, options: list[str], price: str, said: str
) -> None:
    command = [sys.executable, "-m", "i3d_server.gateway_metrics", "--log", str(tmp_path / "log")]
    result = subprocess.run(
        [*command, "--port", str(free_port()), *options],
        env={**os.environ, "PRICE_PER_DEVICE_HOUR": price},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 1
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_only_loopback_listens(tmp_path: Path) -> None:
    with exporter(tmp_path / "log") as port, socket.socket() as probe:
        probe.bind(("127.0.0.2", port))  # free: a listener on all addresses would hold it


def test_nobody_can_make_time_series_without_end() -> None:
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    lines = [log_line(lab=f"lab-{n}", call=f"Call{n}") for n in range(MAX_LABS + 50)]
    lines += [log_line(lab='{"odd"}'), log_line(**DENIED), log_line(**NO_CERTIFICATE)]  # type: ignore[arg-type]
    metrics.count_lines([line.encode() for line in lines])
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    labs = {sample.labels["lab"] for sample in samples if "lab" in sample.labels}
    calls = {sample.labels["call"] for sample in samples if "call" in sample.labels}
    assert len(labs) == MAX_LABS + 2  # the labs, "other" and ""
    assert {"", "other"} < labs
    assert calls == {"other", "RepositoryModelLoad", "ModelInfer"}
    counted = [s.value for s in samples if s.name == "i3d_lab_requests_total"]
    assert sum(counted) == len(lines)


def test_a_log_that_is_there_is_followed_from_its_end(tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    log.write_text("before\n")
    follower = LogFollower(log)
    assert follower.new_lines() == []
    with log.open("a") as more:
        more.write("half of ")
        more.flush()
        assert follower.new_lines() == []
        more.write("a line\nanother\n")
    assert follower.new_lines() == [b"half of a line", b"another"]
    with log.open("a") as old:
        log.unlink()
        assert follower.new_lines() == []
        log.write_text("new\n")
        assert follower.new_lines() == []
        old.write("late\n")
    assert follower.new_lines() == [b"late"]
    assert follower.new_lines() == [b"new"]
    follower.close()
