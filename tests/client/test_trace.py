"""``--trace``: a file that the viewers open, whatever became of the run."""

import itertools
import json
import multiprocessing
import os
import pickle
import resource
import signal
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.errors import OutputError
from i3d_client.trace import NO_TRACE, Recorder, TraceEvent, TraceFile

MS = 1_000_000


def read(path: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads(path.read_text("ascii"))
    return events


def intervals(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event["ph"] == "X"]


def row_names(events: list[dict[str, Any]]) -> dict[int, str]:
    return {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}


def assert_rows_do_not_overlap(events: list[dict[str, Any]]) -> None:
    rows = defaultdict(list)
    for event in intervals(events):
        rows[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in rows.values():
        spans.sort()
        for (_, stop), (start, _) in itertools.pairwise(spans):
            assert stop <= start + 1e-3
    assert {tid for _, tid in rows} <= set(row_names(events))


def test_what_a_process_did_is_named_timed_and_described(tmp_path: Path) -> None:
    recorder = Recorder("worker 1")
    before = time.monotonic_ns()
    with recorder.span("decode", segment=12, video=Path("a\udce4.mp4")):
        time.sleep(0.002)
    recorder.add("infer", before, before + 5 * MS, score=float("nan"))
    with TraceFile(tmp_path / "trace.json") as trace:
        trace.write(recorder.take())
    events = read(tmp_path / "trace.json")
    (process,) = [event for event in events if event["name"] == "process_name"]
    assert (process["pid"], process["args"]) == (os.getpid(), {"name": "worker 1"})
    infer, decode = sorted(intervals(events), key=lambda event: event["name"], reverse=True)
    assert infer["ts"] == pytest.approx(before / 1000, abs=1e-3)
    assert (infer["dur"], infer["args"]) == (5000, {"score": None})
    assert decode["args"] == {"segment": 12, "video": "a\\xe4.mp4"}
    assert decode["dur"] >= 2000
    assert decode["ts"] >= before / 1000
    assert row_names(events)[decode["tid"]] == "decode"
    assert all(event["tid"] > 2**22 for event in events)


def test_requests_in_flight_have_rows_of_their_own_and_rows_are_used_again(tmp_path: Path) -> None:
    recorder = Recorder("worker")
    for number in range(40):  # each 3 ms long, one a millisecond: 3 at a time
        recorder.add("infer", number * MS, (number + 3) * MS, segment=number)
        recorder.add("decode", number * MS, (number + 1) * MS, segment=number)
    with TraceFile(tmp_path / "trace.json") as trace:
        trace.write(recorder.take())
    events = read(tmp_path / "trace.json")
    assert sorted(row_names(events).values()) == ["decode", "infer", "infer 2", "infer 3"]
    assert len(intervals(events)) == 80
    assert_rows_do_not_overlap(events)
    order = {e["tid"]: e["args"]["sort_index"] for e in events if e["name"] == "thread_sort_index"}
    by_order = [row_names(events)[tid] for tid in sorted(order, key=lambda tid: order[tid])]
    assert by_order == ["decode", "infer", "infer 2", "infer 3"]


def test_a_span_that_raises_is_recorded_and_recorders_are_emptied_by_take() -> None:
    recorder = Recorder("worker")
    with pytest.raises(ZeroDivisionError), recorder.span("decode"):
        raise ZeroDivisionError
    assert [event.name for event in recorder.take()] == ["decode"]
    assert recorder.take() == []


def test_nothing_is_kept_without_a_trace() -> None:
    with NO_TRACE.span("decode", segment=1):
        NO_TRACE.add("infer", 0, 1, segment=1)
    assert NO_TRACE.take() == []
    assert NO_TRACE.span("decode") is NO_TRACE.span("infer")


def test_threads_lose_nothing_while_events_are_taken() -> None:
    recorder, taken, each = Recorder("worker"), [], 5000

    def record() -> None:
        for number in range(each):
            recorder.add("send", number, number + 1)

    threads = [threading.Thread(target=record) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        taken += recorder.take()
    assert len(taken + recorder.take()) == 4 * each


def _work(queue: Any) -> None:
    recorder = Recorder("worker 7")
    with recorder.span("decode", segment=1):
        pass
    queue.put(recorder.take())


def test_processes_share_the_clock_and_their_events_can_be_pickled(tmp_path: Path) -> None:
    recorder = Recorder("client")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    with recorder.span("wait"):
        process = context.Process(target=_work, args=(queue,))
        process.start()
        events = queue.get(timeout=60)
        process.join()
    assert pickle.loads(pickle.dumps(events)) == events  # noqa: S301 - our own
    with TraceFile(tmp_path / "trace.json") as trace:
        trace.write(events)
        trace.write(recorder.take())
    decode, wait = intervals(read(tmp_path / "trace.json"))
    assert decode["pid"] != wait["pid"]
    assert wait["ts"] < decode["ts"] < decode["ts"] + decode["dur"] < wait["ts"] + wait["dur"]


def test_after_every_write_the_file_lacks_nothing_but_its_end(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    trace = TraceFile(path)
    assert json.loads(path.read_text() + "]") == []
    for number in range(3):
        trace.write([TraceEvent("w", 1, "send", number * MS, (number + 1) * MS, {})])
        assert len(intervals(json.loads(path.read_text() + "]"))) == number + 1
        trace.write([])
    trace.close()
    trace.close()
    assert len(intervals(read(path))) == 3


def _trace_and_die(path: Path) -> None:
    trace = TraceFile(path)
    recorder = Recorder("killed")
    for _ in range(100):
        with recorder.span("decode"):
            pass
        trace.write(recorder.take())
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_run_that_was_killed_leaves_its_trace(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    process = multiprocessing.get_context("spawn").Process(target=_trace_and_die, args=(path,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert len(intervals(json.loads(path.read_text() + "]"))) == 100


def test_a_full_disk_is_told_once_and_leaves_what_was_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    events = [TraceEvent("w", 1, "send", n * MS, (n + 1) * MS, {}) for n in range(100)]
    trace = TraceFile(path)
    trace.write(events[:10])
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, limits[1]))
        with pytest.raises(OutputError, match=r"trace\.json: the trace cannot be written: File"):
            trace.write(events[10:])
        trace.write(events[10:])
        trace.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(intervals(json.loads(path.read_text() + "]"))) == 10


def test_a_trace_is_replaced_but_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    TraceFile(path).close()
    TraceFile(path).close()
    assert read(path) == []
    video = tmp_path / "mouse.mp4"
    video.write_bytes(b"\0\0\0 ftyp")
    with pytest.raises(OutputError, match="would replace it"):
        TraceFile(video)
    assert video.read_bytes() == b"\0\0\0 ftyp"
    with pytest.raises(OutputError, match="Choose another file with --trace"):
        TraceFile(tmp_path / "absent" / "trace.json")


@given(
    st.lists(
        st.lists(
            st.tuples(st.integers(0, 50), st.integers(0, 20), st.sampled_from(["send", "infer"])),
            max_size=20,
        ),
        max_size=4,
    )
)
def test_whatever_overlaps_rows_never_do(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[int, int, str]]]
) -> None:
    path = tmp_path_factory.mktemp("any") / "trace.json"
    with TraceFile(path) as trace:
        for batch in batches:
            trace.write([TraceEvent("w", 5, n, s * MS, (s + d) * MS, {}) for s, d, n in batch])
    events = read(path)
    assert len(intervals(events)) == sum(map(len, batches))
    assert_rows_do_not_overlap(events)
