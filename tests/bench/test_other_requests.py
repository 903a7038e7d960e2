"""A bench that is not alone on its server says so, and tells no share of the device."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.bench.bench_runs import chosen, i3d_bench, read
from tests.conftest import MakeVideo
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient.grpc import InferenceServerClient, InferInput

from i3d_bench.bench.other_requests import OtherRequests
from i3d_bench.bench.server_view import ServerView
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.access import Access
from i3d_client.contract import INPUT_FRAMES

WINDOWS = 16


def ask(address: str, *, model: str, segments: int) -> None:
    frames = np.ascontiguousarray(random_segments(segments))
    tensor = InferInput(INPUT_FRAMES, list(frames.shape), "UINT8")
    tensor.set_data_from_numpy(frames)
    with InferenceServerClient(address) as client:
        client.infer(model, [tensor], client_timeout=60)


@contextmanager
def another_lab(address: str, *, model: str) -> Iterator[None]:
    """A client that asks for a segment again and again."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.01):
            ask(address, model=model, segments=1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with simulated_accelerator(contract=CONTRACT, seconds_per_window=0.001) as address:
        yield address


@pytest.fixture
def view(address: str) -> Iterator[ServerView]:
    view = ServerView(Access(server=address), server_pid=None)
    yield view
    view.close()


def test_ones_own_segments_are_none_of_others(view: ServerView, address: str) -> None:
    for _ in range(5):
        others = OtherRequests(view, own_segments=7)
        for segments in (4, 3):
            ask(address, model=MODEL_NAME, segments=segments)
        assert others.segments() == 0


def test_segments_of_others_are_counted_whatever_their_requests(
    view: ServerView, address: str
) -> None:
    others = OtherRequests(view, own_segments=2)
    for segments in (2, 4, 1):
        ask(address, model=MODEL_NAME, segments=segments)
    assert others.segments() == 5


def test_fewer_than_ones_own_are_no_count_at_all(view: ServerView, address: str) -> None:
    others = OtherRequests(view, own_segments=3)
    ask(address, model=MODEL_NAME, segments=1)
    assert others.segments() == -2


def test_a_bench_beside_another_lab_says_so(make_video: MakeVideo, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        simulated_accelerator(
            contract=CONTRACT, seconds_per_window=0.001, name="lab_simulated"
        ) as triton,
        another_lab(triton, model="lab_simulated"),
    ):
        done = i3d_bench(
            *(make_video(200), "--out", out, "--server", triton, "--cores", 1),
            *("--windows", WINDOWS, "--repeat", 1),
        )
    assert done.exit_code == 0, done.output
    document = read(out)
    assert len(document["runs"]) == 3
    for run in document["runs"]:
        assert run["other_segments"] > 0
        assert run["device_busy"] is None
    for line in document["timelines"]:
        assert line["busy_percent"]["device"] is None
        assert line["device_row"].endswith("beside other clients'")
    assert chosen(document["timelines"], pipeline="asynchronous")
    assert "during 3 of 3 runs" in (out / "bench.md").read_text()
    assert "segments of other clients" in done.output
