"""``--features`` through the real Triton: each window's own, whatever happens to the run.

The features of the network that reads are its 32 probabilities, 32 times.
"""

import asyncio
import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.client.conftest import NUMBER_MODELS
from tests.client.fault_server import fault_server
from tests.client.runs import (
    FixedServer,
    Run,
    asked,
    classify,
    i3d_classify,
    interrupted,
    segments_in,
)
from tests.client.test_video import damage
from tests.conftest import MakeVideo, write_video

import i3d_client
from i3d_bench.number_network import read_window
from i3d_client.embedded import embedded_server
from i3d_client.errors import RequestRejectedError
from i3d_client.features_file import open_features
from i3d_client.results import read_run
from i3d_client.transport import Transport
from i3d_client.triton import Connection
from i3d_client.windows import WindowGrid

FILE = "features.npy"


def features_in(folder: Path) -> np.ndarray:
    """Return the features, which must go with the probabilities beside them."""
    with np.load(folder / "scores.npz") as arrays:
        probabilities, scored = arrays["probabilities"], arrays["scored"]
    features = open_features(folder, num_windows=len(scored))
    np.testing.assert_array_equal(features, np.tile(probabilities, (1, 32)))
    assert not features[~scored].any()
    return features


@pytest.mark.parametrize("model", NUMBER_MODELS)
@pytest.mark.parametrize("transport", ["grpc", "shared memory"])
@pytest.mark.parametrize("num_frames", [5, 101])
def test_every_row_is_of_its_own_window(
    make_video: MakeVideo,
    server: str,
    tmp_path: Path,
    model: str,
    transport: Transport,
    num_frames: int,
) -> None:
    video, out = make_video(num_frames), tmp_path / "out"
    options = {"features": True, "transport": transport, "workers": 2, "span_frames": 30}
    run = classify([video], server=server, model=model, out=out, **options)  # type: ignore[arg-type]
    assert not run.problems
    contract = NUMBER_MODELS[model]
    grid = WindowGrid(num_frames, contract.clip_frames, contract.stride)
    features = features_in(out / video.name)
    starts, stops = grid.starts(0, grid.count), grid.stops(0, grid.count)
    expected = [(start, stop - 1) for start, stop in zip(starts, stops, strict=True)]
    assert [read_window(row[:32]) for row in features] == expected


# The windows that contain frame 40. Of one_window each is all that its segment has, and not asked.
@pytest.mark.parametrize(
    ("model", "unscored"), [("overlapping", [7, 8, 9, 10]), ("one_window", [3, 4, 5])]
)
def test_windows_that_are_not_scored_have_zeros(
    make_video: MakeVideo, server: str, tmp_path: Path, model: str, unscored: list[int]
) -> None:
    video = make_video(80, codec="mjpeg", name="x.mov", pixel_format="yuvj420p")
    damage(video, packets={40})
    classify([video], server=server, model=model, out=tmp_path / "out", features=True)
    features = features_in(tmp_path / "out" / video.name)
    grid = WindowGrid(80, NUMBER_MODELS[model].clip_frames, NUMBER_MODELS[model].stride)
    firsts = [read_window(row[:32])[0] if row.any() else None for row in features]
    starts = enumerate(grid.starts(0, grid.count).tolist())
    assert firsts == [None if place in unscored else start for place, start in starts]


def test_the_command_writes_them_and_run_json_records_them(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video, out = make_video(50), tmp_path / "out"
    where = ["--server", server, "--model", "overlapping", "--out", out]
    done = i3d_classify(video, *where, "--features")
    assert done.returncode == 0, done.stderr
    run = json.loads((out / video.name / "run.json").read_text())
    assert run["files"][FILE]["bytes"] == (out / video.name / FILE).stat().st_size
    assert run["identity"]["features"] is True
    assert run["options"]["features"] is True
    features_in(out / video.name)


def test_without_the_option_nothing_speaks_of_them(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video, out = make_video(50), tmp_path / "out"
    classify([video], server=server, model="overlapping", out=out)
    run = read_run(out / video.name)
    assert run is not None
    assert not (out / video.name / FILE).exists()
    assert FILE not in run["files"]
    assert "features" not in run["identity"]  # so results of versions before it stay valid


@pytest.mark.parametrize("first", [False, True])
def test_results_with_and_without_are_two_runs(
    make_video: MakeVideo, server: str, tmp_path: Path, first: bool
) -> None:
    video, out = make_video(50), tmp_path / "out"

    def again(**options: object) -> Run:
        return classify([video], server=server, model="overlapping", out=out, **options)  # type: ignore[arg-type]

    again(features=first)
    run = again(features=not first)
    says = "was true, is not given" if first else "was not given, is true"
    assert f"features {says}" in run.problems
    assert "--overwrite" in run.problems
    assert (out / video.name / FILE).exists() == first
    assert [outcome.state for outcome in again(features=first).outcomes] == ["skipped"]
    run = again(features=not first, overwrite=True)
    assert not run.problems
    assert (out / video.name / FILE).exists() == (not first)


@pytest.mark.parametrize("harm", ["changed", "cut", "removed"])
def test_damaged_features_are_made_again(
    make_video: MakeVideo, server: str, tmp_path: Path, harm: str
) -> None:
    video, out = make_video(50), tmp_path / "out"

    def again() -> Run:
        return classify([video], server=server, model="overlapping", out=out, features=True)

    again()
    path = out / video.name / FILE
    content = path.read_bytes()
    assert [outcome.state for outcome in again().outcomes] == ["skipped"]
    if harm == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1] if harm == "changed" else []))
    run = again()
    assert [outcome.state for outcome in run.outcomes] == ["done"]
    assert f"{FILE}: " in run.warnings
    assert path.read_bytes() == content


def test_a_run_that_goes_on_has_those_of_before(slow_server: FixedServer, tmp_path: Path) -> None:
    video = write_video(tmp_path / "mouse.mp4", 400, gop=25, b_frames=2)

    def again(out: Path, run: Run | None = None) -> Run:
        options = {"workers": 2, "in_flight": 2, "span_frames": 64, "features": True}
        return classify(
            [video],
            server=slow_server.address,
            model="slow",
            out=tmp_path / out,
            run=run,
            **options,  # type: ignore[arg-type]
        )

    run = again(Path("out"), interrupted(after_frames=150))
    (outcome,) = run.outcomes
    assert (outcome.state, outcome.folder) == ("interrupted", None)
    done = segments_in(tmp_path / "out")
    assert 0 < done < 45
    assert outcome.frames_kept == outcome.frames_now == done * 8
    (outcome,) = again(Path("out"), interrupted(after_frames=1)).outcomes
    before, done = done, segments_in(tmp_path / "out")
    assert (outcome.frames_kept, outcome.frames_now) == (done * 8, (done - before) * 8)
    before = asked(slow_server.address, "slow")
    again(Path("out"))
    assert asked(slow_server.address, "slow") - before == -(-(400 - 15) // 8) - done
    again(Path("whole"))
    features_in(tmp_path / "out" / video.name)
    once, twice = (tmp_path / out / video.name / FILE for out in ("whole", "out"))
    assert once.read_bytes() == twice.read_bytes()


def test_the_stream_gives_them_if_they_are_asked_for(make_video: MakeVideo, server: str) -> None:
    video = make_video(60, codec="mjpeg", name="x.mov", pixel_format="yuvj420p")
    damage(video, packets={20})

    async def collect(**options: bool) -> list[i3d_client.Window]:
        windows = i3d_client.stream(video, model="overlapping", server=server, **options)
        return [window async for window in windows]

    windows = asyncio.run(collect(features=True))
    assert {window.features is None for window in windows} == {True, False}
    for window in windows:
        assert (window.features is None) == (window.probabilities is None)
        if window.features is not None and window.probabilities is not None:
            assert window.features.dtype == np.float32
            np.testing.assert_array_equal(window.features, np.tile(window.probabilities, 32))
    assert all(window.features is None for window in asyncio.run(collect()))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ((1, 3, 512), r"FEATURES: expected (3, 1024) (windows, features) as its contract says"),
        ((1, 1, 1024), r"FEATURES: expected (3, 1024) (windows, features) as its contract says"),
        ((0, 3, 1024), "output FEATURES: expected float32 of one segment"),
    ],
)
def test_features_of_another_shape_are_refused(
    make_video: MakeVideo, shape: tuple[int, ...], says: str
) -> None:
    async def collect(address: str) -> None:
        windows = i3d_client.stream(make_video(20), server=address, features=True)
        async for _ in windows:
            pass

    with (
        fault_server(NUMBER_MODELS["overlapping"], features=shape) as address,
        pytest.raises(RequestRejectedError, match=re.escape(says)),
    ):
        asyncio.run(collect(address))


def test_an_embedded_server_may_serve_one_model_of_a_repository(number_repository: Path) -> None:
    async def names(address: str) -> list[str]:
        async with Connection(address) as connection:
            return await connection.model_names()

    with embedded_server(number_repository, "one_window") as address:
        assert asyncio.run(names(address)) == ["one_window"]
