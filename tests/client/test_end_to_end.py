"""The published network on a real video, through the real Triton."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from i3d_bench.clips import clip
from i3d_client import stream
from i3d_client.contract import OUTPUT_PROBABILITIES
from i3d_client.streaming import segments_of
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, open_video
from i3d_export.export import export_model
from i3d_server.launcher import embedded_server

VIDEO = clip("bigbuckbunny.mp4")
MODEL = "kinetics400_fp32"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinetics")
    export_model(profile="kinetics400", repository=folder)
    return folder


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[str]:
    with embedded_server(repository=repository) as address:
        yield address


def test_the_served_probabilities_are_those_of_onnx_runtime(repository: Path, server: str) -> None:
    async def served() -> list[np.ndarray]:
        return [w.probabilities async for w in stream(VIDEO, server=server)]

    windows = asyncio.run(served())
    assert len(windows) == 3
    session = onnxruntime.InferenceSession(
        repository / MODEL / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )

    async def contract_of_the_server():
        async with Connection(server) as connection:
            return (await connection.choose_model(None))[1]

    contract = asyncio.run(contract_of_the_server())
    segment = next(segments_of(open_video(VIDEO), contract=contract, counts=DecodeCounts()))
    (expected,) = session.run([OUTPUT_PROBABILITIES], {"FRAMES": segment.frames[np.newaxis]})
    np.testing.assert_allclose(windows[0], expected[0, 0], atol=2e-3, rtol=0)
    best = int(windows[0].argmax())
    assert contract.labels[best] == "feeding birds"
    assert windows[0][best] > 0.9


def test_one_command_from_a_video_to_a_table(repository: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "i3d_client", "classify", str(VIDEO), "--embedded"),
            *("--repository", str(repository), "--out", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "feeding birds" in done.stdout
    frames, report = done.stderr.splitlines()
    assert re.fullmatch(r"frames go to 127\.0\.0\.1:\d+ by shared memory", frames)
    assert report == f"→ {tmp_path / 'report.html'}"
    run = json.loads((tmp_path / VIDEO.name / "run.json").read_text())
    assert run["model"]["name"] == MODEL
    assert run["frames"]["scored"] == 132
    lines = (tmp_path / VIDEO.name / "frames.csv").read_text().splitlines()
    assert len(lines) == 133
    assert lines[1].startswith("0,0.000000,feeding birds,0.9")
