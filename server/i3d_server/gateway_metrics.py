"""What labs do at the gateway, for Prometheus: follows the access log, and counts.

    python -m i3d_server.gateway_metrics --log FILE [--port 9105] [--address 127.0.0.1]

Counters begin at 0 with this process and count what is logged from then on: read again from its
start, a log would be counted twice whenever this process restarts after a rotation. What is logged
while it does not run is in the log alone (``i3d usage``).

The number of time series is bounded: labs beyond ``MAX_LABS``, names that no lab can have and
unknown calls count as ``other``. Requests without a certificate have an empty lab.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tritonclient.grpc import service_pb2

from i3d_client.errors import I3dError, MissingExtraError
from i3d_server.gateway_log import LoggedRequest, parse_line
from i3d_server.gateway_log_follower import LogFollower

try:
    from prometheus_client import (
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        disable_created_metrics,
        start_http_server,
    )

    from i3d_server.model_gauges import set_model_gauges
except ImportError as missing:
    raise MissingExtraError("monitoring", needed_for="the gateway's metrics") from missing

DEFAULT_PORT = 9105
MAX_LABS = 200
OTHER = "other"
PRICE_VARIABLE = "PRICE_PER_DEVICE_HOUR"
_POLL_SECONDS = 0.5
# A request waits in Triton's queue as well, so seconds are usual; a client gives up after 600 s.
_BUCKETS_S = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
_LAB = re.compile(r"^[a-z0-9][a-z0-9-]{0,38}[a-z0-9]$")
_CALLS = frozenset(service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name)


class GatewayMetrics:
    """The time series of the gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._labs: set[str] = set()
        self._requests = Counter(
            "i3d_lab_requests",
            "Finished requests at the gateway.",
            ["lab", "call", "status"],
            registry=registry,
        )
        self._bytes_in = Counter(
            "i3d_lab_bytes_in", "Bytes of requests.", ["lab"], registry=registry
        )
        self._bytes_out = Counter(
            "i3d_lab_bytes_out", "Bytes of answers.", ["lab"], registry=registry
        )
        self._seconds = Histogram(
            "i3d_lab_request_seconds",
            "Time of a request at the gateway, from its first byte to the last of its answer.",
            ["lab"],
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self._rejected = Counter(
            "i3d_lab_rejected",
            "Requests that were not let through.",
            ["lab", "reason"],
            registry=registry,
        )
        self._bad_lines = Counter(
            "i3d_gateway_log_bad_lines", "Lines that are no request.", registry=registry
        )

    def count(self, request: LoggedRequest) -> None:
        """Count one request of the log."""
        lab = self._bounded_lab(request.lab)
        call = request.call if request.call in _CALLS else OTHER
        self._requests.labels(lab, call, request.status_name).inc()
        self._bytes_in.labels(lab).inc(request.bytes_in)
        self._bytes_out.labels(lab).inc(request.bytes_out)
        self._seconds.labels(lab).observe(request.seconds)
        if request.reason is not None:
            self._rejected.labels(lab, request.reason).inc()

    def count_lines(self, lines: Sequence[bytes]) -> None:
        """Count lines of the log; those that are no request are counted as such."""
        for line in lines:
            try:
                request = parse_line(line)
            except ValueError:
                self._bad_lines.inc()
            else:
                self.count(request)

    def _bounded_lab(self, lab: str) -> str:
        if lab in self._labs or not lab:
            return lab
        if len(self._labs) >= MAX_LABS or not _LAB.match(lab):
            return OTHER
        self._labs.add(lab)
        return lab


def set_price_gauge(registry: CollectorRegistry, price: str) -> None:
    """Set the price of an hour of the device, in a currency that nobody but the operator knows.

    Args:
        registry: where it is registered.
        price: a number, as in the environment.

    Raises:
        ValueError: it is none, or negative.
    """
    try:
        value = float(price)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ValueError(f"{PRICE_VARIABLE}: expected a number, 0 or more, got {price!r}")
    gauge = Gauge("i3d_price_per_device_hour", "Price of an hour of the device.", registry=registry)
    gauge.set(value)


def serve_metrics(
    *, log: Path, port: int, address: str, repository: Path | None, stop: threading.Event
) -> None:
    """Follow ``log`` and answer Prometheus until ``stop`` is set.

    Args:
        log: the gateway's; it need not exist yet.
        port: 1 … 65535.
        address: where to listen; nothing asks who is asking.
        repository: model repository, whose contracts say what a segment holds; None: not said.
        stop: ends it.

    Raises:
        OSError: the port is in use.
        ValueError: the price in the environment is no number.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call] # a series more for each, which no panel needs
    registry = CollectorRegistry()
    metrics = GatewayMetrics(registry)
    if price := os.environ.get(PRICE_VARIABLE, "").strip():
        set_price_gauge(registry, price)
    if repository is not None:
        set_model_gauges(registry, repository)
    follower = LogFollower(log)
    server, thread = start_http_server(port, addr=address, registry=registry)
    try:
        while not stop.wait(_POLL_SECONDS):
            metrics.count_lines(follower.new_lines())
    finally:
        follower.close()
        server.shutdown()
        server.server_close()
        thread.join()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m i3d_server.gateway_metrics")
    parser.add_argument("--log", type=Path, required=True, help="the gateway's access.jsonl")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--address", default="127.0.0.1", help="where to listen")
    parser.add_argument("--repository", type=Path, help="model repository, for its contracts")
    given = parser.parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve_metrics(
            log=given.log,
            port=given.port,
            address=given.address,
            repository=given.repository,
            stop=stop,
        )
    except (I3dError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
