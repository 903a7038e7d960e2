"""Windows through the real Triton: the right frames reach it, and its answers the right windows."""

import asyncio
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tests.client.conftest import NUMBER_MODELS
from tests.client.test_video import damage
from tests.conftest import MakeVideo
from tritonclient.grpc import service_pb2

import i3d_client
from i3d_bench.number_network import read_window
from i3d_client.contract import ModelContract
from i3d_client.errors import (
    ContractError,
    I3dError,
    ModelNotFoundError,
    ServerUnavailableError,
    VideoError,
)
from i3d_client.triton import Connection, _request_bytes
from i3d_client.windows import WindowGrid


async def collect(video: Path, **options: object) -> list[i3d_client.Window]:
    return [window async for window in i3d_client.stream(video, **options)]  # type: ignore[arg-type]


def expected_ranges(num_frames: int, contract: ModelContract) -> list[tuple[int, int]]:
    grid = WindowGrid(num_frames, contract.clip_frames, contract.stride)
    starts = grid.starts(0, grid.count)
    return [(start, min(start + contract.clip_frames, num_frames)) for start in starts.tolist()]


@pytest.mark.parametrize("model", NUMBER_MODELS)
@pytest.mark.parametrize("num_frames", [1, 15, 16, 17, 31, 100])
def test_every_window_is_answered_from_its_own_frames(
    make_video: MakeVideo, server: str, model: str, num_frames: int
) -> None:
    video = make_video(num_frames, b_frames=2)
    windows = asyncio.run(collect(video, model=model, server=server))
    ranges = expected_ranges(num_frames, NUMBER_MODELS[model])
    assert [(window.start_frame, window.stop_frame) for window in windows] == ranges
    for window, (start, stop) in zip(windows, ranges, strict=True):
        assert window.probabilities is not None
        assert read_window(window.probabilities) == (start, stop - 1)


@pytest.mark.parametrize(
    "options",
    [
        {"rate": Fraction(30000, 1001)},
        {"b_frames": 3, "gop": 30},
        {"name": "n.avi", "b_frames": 2},
        {"name": "n.ts", "b_frames": 2},
        {"ticks": [900 + 33 * n + n % 3 for n in range(90)], "time_base": Fraction(1, 1000)},
    ],
    ids=str,
)
@pytest.mark.parametrize("in_flight", [1, 3])
def test_whatever_the_file_the_windows_are_the_same(
    make_video: MakeVideo, server: str, options: dict[str, object], in_flight: int
) -> None:
    video = make_video(90, **options)
    windows = asyncio.run(collect(video, model="overlapping", server=server, in_flight=in_flight))
    ranges = expected_ranges(90, NUMBER_MODELS["overlapping"])
    assert [(window.start_frame, window.stop_frame) for window in windows] == ranges
    assert [read_window(window.probabilities) for window in windows] == [
        (start, stop - 1) for start, stop in ranges
    ]


def test_a_window_with_a_lost_frame_is_unscored_and_the_others_are_right(
    make_video: MakeVideo, server: str
) -> None:
    video = make_video(60, codec="mjpeg", name="x.mov", pixel_format="yuvj420p")
    damage(video, packets={20})
    windows = asyncio.run(collect(video, model="overlapping", server=server))
    for window in windows:
        contains = window.start_frame <= 20 < window.stop_frame
        assert (window.probabilities is None) == contains
        assert (window.label is None) == contains
        if window.probabilities is not None:
            numbers = read_window(window.probabilities)
            assert numbers == (window.start_frame, window.stop_frame - 1)


def test_the_consumer_may_stop_in_the_middle(make_video: MakeVideo, server: str) -> None:
    async def first_start() -> int:
        windows = i3d_client.stream(make_video(200), model="every_frame", server=server)
        async for window in windows:
            await windows.aclose()
            return window.start_frame
        return -1

    assert asyncio.run(first_start()) == 0


def test_without_a_name_several_models_are_listed(make_video: MakeVideo, server: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"back_to_back, every_frame.*--model"):
        asyncio.run(collect(make_video(5), server=server))


def test_an_unknown_model_is_named_with_those_there_are(make_video: MakeVideo, server: str) -> None:
    with pytest.raises(ModelNotFoundError, match=r"'absent'.*overlapping"):
        asyncio.run(collect(make_video(5), server=server, model="absent"))


def test_no_server(make_video: MakeVideo) -> None:
    with pytest.raises(ServerUnavailableError, match=r"127\.0\.0\.1:9.*i3d serve"):
        asyncio.run(collect(make_video(5), server="127.0.0.1:9"))


@pytest.mark.parametrize("address", ["", "localhost", "http://localhost:8001", "a b:1", "x:99999"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(I3dError, match="HOST:PORT"):
        Connection(address)


def test_the_video_is_checked_before_anything_is_sent(tmp_path: Path, server: str) -> None:
    with pytest.raises(VideoError, match="no such file"):
        asyncio.run(collect(tmp_path / "x.mp4", server=server, model="overlapping"))


def test_a_contract_of_another_version_is_refused() -> None:
    text = NUMBER_MODELS["overlapping"].to_json()
    with pytest.raises(ContractError, match="contract_version: expected 1, got 2"):
        ModelContract.from_json(text.replace('"contract_version":1', '"contract_version":2'))


@pytest.mark.parametrize("frames", [1, 3, 200])
def test_the_request_written_by_hand_is_the_one_that_protobuf_writes(frames: int) -> None:
    segment = np.random.default_rng(0).integers(0, 256, (frames, 3, 5, 3), np.uint8)
    expected = service_pb2.ModelInferRequest(model_name="m")
    expected.inputs.add(name="FRAMES", datatype="UINT8", shape=[1, frames, 3, 5, 3])
    expected.outputs.add(name="PROBABILITIES")
    expected.raw_input_contents.append(segment.tobytes())
    written = _request_bytes("m", segment, ["PROBABILITIES"], None)
    assert written == expected.SerializeToString()
