"""Timelines: what is joined, cut off and counted; what the device's row is made of."""

import time
from pathlib import Path

import numpy as np
import pytest
from tests.server.tiny_network import CONTRACT

from i3d_bench.bench.bench_server import bench_server
from i3d_bench.bench.bounds import inference_s
from i3d_bench.bench.options import BenchOptions
from i3d_bench.bench.pipeline_run import Interval, Outcome
from i3d_bench.bench.timelines import (
    COMPUTE,
    POLL_S,
    busy_fraction,
    timeline,
    watched_device,
    write_perfetto,
)
from i3d_bench.simulated_accelerator import simulated_accelerator
from i3d_client.access import Access

MS = 1_000_000


def outcome(*intervals: Interval, seconds: float = 0.1) -> Outcome:
    nothing = np.zeros((1, 2), np.float32)
    return Outcome(
        begun_ns=1000 * MS,
        seconds=seconds,
        processor_s=0.0,
        probabilities=nothing,
        intervals=list(intervals),
    )


def ms(row: str, what: str, start: int, stop: int) -> Interval:
    return Interval(row, what, (1000 + start) * MS, (1000 + stop) * MS)


def test_rows_are_joined_cut_off_and_in_order() -> None:
    run = outcome(
        ms("worker 10", "decode", 0, 10),
        ms("worker 2", "decode", 20, 30),
        ms("worker 2", "decode", 5, 20),
        ms("worker 2", "send", 25, 26),
        ms("worker 2", "wait", 30, 90),  # is not work
        ms("", "request", 26, 60),
        ms("", "request", 40, 120),
        ms("", "request", -20, 5),
    )
    assert timeline(run, []) == [
        {"row": "worker 2", "spans": [[0.005, 0.03, "decode"], [0.025, 0.026, "send"]]},
        {"row": "worker 10", "spans": [[0.0, 0.01, "decode"]]},
        {"row": "device", "spans": [[0.0, 0.005, "request"], [0.026, 0.1, "request"]]},
    ]


def test_what_the_server_counted_stands_for_the_device() -> None:
    run = outcome(ms("", "request", 0, 100))
    found = timeline(run, [ms("device", COMPUTE, 10, 20)])
    assert found == [{"row": "device", "spans": [[0.01, 0.02, COMPUTE]]}]


def test_time_that_spans_share_counts_once() -> None:
    spans = [[0.0, 0.4, "decode"], [0.1, 0.2, "send"], [0.3, 0.5, "send"], [0.8, 0.9, "send"]]
    assert busy_fraction(spans, 1.0) == pytest.approx(0.6)
    assert busy_fraction([], 1.0) == 0


def test_a_viewers_file_has_a_row_for_each(tmp_path: Path) -> None:
    import json

    run = outcome(ms("worker 1", "decode", 0, 10), ms("", "request", 5, 20))
    write_perfetto(tmp_path / "trace.json", run, [ms("device", COMPUTE, 8, 15)])
    events = json.loads((tmp_path / "trace.json").read_text())
    names = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    found = {(names[e["pid"]], e["name"], e["dur"]) for e in events if e["ph"] == "X"}
    assert found == {
        ("worker 1", "decode", 10_000),
        ("requests", "request", 15_000),
        ("device", COMPUTE, 7_000),
    }


def test_the_device_is_busy_while_it_computes_and_not_before_or_after() -> None:
    segments, seconds_per_window = 8, 0.05
    with simulated_accelerator(
        contract=CONTRACT, seconds_per_window=seconds_per_window, name="lab_simulated"
    ) as address:
        access = Access(server=address)
        options = BenchOptions(
            videos=(), access=access, repository=Path(), cores=(1,), model_base="lab"
        )
        with bench_server(options) as server:
            served = server.models["simulated"]
            inference_s(access, served.name, segments=1, in_flight=1)
            with watched_device(server.view, served) as found:
                time.sleep(0.3)
                begun_ns = time.monotonic_ns()
                inference_s(access, served.name, segments=segments, in_flight=1)
                ended_ns = time.monotonic_ns()
                time.sleep(0.3)
    expected_s = segments * CONTRACT.windows_per_segment * seconds_per_window
    first, last = min(one.start_ns for one in found), max(one.stop_ns for one in found)
    slack_ns = (4 * POLL_S + 0.2) * 1e9  # connecting comes before, and this machine may be busy
    assert begun_ns - slack_ns < first < begun_ns + slack_ns
    assert ended_ns - slack_ns < last < ended_ns + slack_ns
    computed_s = sum(one.stop_ns - one.start_ns for one in found) / 1e9
    assert 0.95 * expected_s < computed_s < 1.5 * expected_s  # a busy machine wakes it late
