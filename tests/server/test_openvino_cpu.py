"""The CPU backend, in the real Triton: right answers, the same bits whatever the batch."""

import asyncio
import queue
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from google.protobuf import text_format
from grpc import aio
from tests.server.tiny_network import CONTRACT, random_segments, write_tiny_model
from tritonclient import grpc
from tritonclient.grpc import service_pb2

from i3d_server.errors import ServerStartError
from i3d_server.launcher import ServedRepository, serving
from i3d_server.repository_view import read_config

MODEL = "tiny_fp32"
SHIPPED = Path(__file__).parents[2] / "model_repository/homecage9_int8/configs/cpu.pbtxt"
OUTPUTS = ("PROBABILITIES", "FEATURES")


@pytest.fixture(scope="module")
def client(tiny_server: ServedRepository) -> Iterator[grpc.InferenceServerClient]:
    with grpc.InferenceServerClient(tiny_server.triton.address) as connection:
        yield connection


def frames_input(segments: np.ndarray) -> list[grpc.InferInput]:
    tensor = grpc.InferInput("FRAMES", segments.shape, "UINT8")
    tensor.set_data_from_numpy(segments)
    return [tensor]


def wanted(*names: str) -> list[grpc.InferRequestedOutput]:
    return [grpc.InferRequestedOutput(name) for name in names]


def infer(client: grpc.InferenceServerClient, segments: np.ndarray) -> dict[str, np.ndarray]:
    result = client.infer(MODEL, frames_input(segments), outputs=wanted(*OUTPUTS))
    return {name: result.as_numpy(name) for name in OUTPUTS}


def infer_all_at_once(
    client: grpc.InferenceServerClient, requests: list[np.ndarray]
) -> list[dict[str, np.ndarray]]:
    """Send every request before any answer is awaited; return the answers in their order."""
    done: queue.Queue[tuple[int, grpc.InferResult, Exception | None]] = queue.Queue()
    for number, segments in enumerate(requests):
        client.async_infer(
            MODEL,
            frames_input(segments),
            lambda result, error, number=number: done.put((number, result, error)),
            outputs=wanted(*OUTPUTS),
        )
    answers: dict[int, dict[str, np.ndarray]] = {}
    for _ in requests:
        number, result, error = done.get(timeout=60)
        assert error is None
        answers[number] = {name: result.as_numpy(name) for name in OUTPUTS}
    return [answers[number] for number in range(len(requests))]


def batch_sizes(client: grpc.InferenceServerClient) -> dict[int, int]:
    """How many executions there have been, by batch size."""
    statistics = client.get_inference_statistics(MODEL).model_stats[0]
    return {
        batch.batch_size: batch.compute_infer.count
        for batch in statistics.batch_stats
        if batch.compute_infer.count
    }


def test_answers_equal_onnx_runtimes(
    client: grpc.InferenceServerClient, tiny_repository: Path
) -> None:
    segments = random_segments(3)
    session = onnxruntime.InferenceSession(tiny_repository / MODEL / "1/model.onnx")
    expected = session.run(list(OUTPUTS), {"FRAMES": segments})
    answer = infer(client, segments)
    for name, values in zip(OUTPUTS, expected, strict=True):
        assert answer[name].dtype == np.float32
        np.testing.assert_allclose(answer[name], values, atol=1e-5, rtol=1e-4)
    assert np.ptp(answer["PROBABILITIES"], axis=0).max() > 0.01  # the segments do differ


def test_only_the_outputs_that_were_asked_for_are_sent(client: grpc.InferenceServerClient) -> None:
    result = client.infer(MODEL, frames_input(random_segments(1)), outputs=wanted("PROBABILITIES"))
    names = [output.name for output in result.get_response().outputs]
    assert names == ["PROBABILITIES"]
    assert result.as_numpy("PROBABILITIES").shape == (1, 2, len(CONTRACT.labels))


def test_a_segments_answer_has_the_same_bits_in_every_batch(
    client: grpc.InferenceServerClient,
) -> None:
    segments = random_segments(24, seed=3)
    alone = [infer(client, segment[np.newaxis]) for segment in segments]
    before = batch_sizes(client)
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(segments))
        together = infer_all_at_once(client, [segments[i : i + 1] for i in order])
        in_one_request = infer_all_at_once(client, [segments[order[:3]], segments[order[3:7]]])
        rows = [{name: answer[name][k : k + 1] for name in OUTPUTS} for answer in in_one_request
                for k in range(len(answer["FEATURES"]))]  # fmt: skip
        for number, answer in (*zip(order, together, strict=True), *zip(order, rows, strict=False)):
            for name in OUTPUTS:
                np.testing.assert_array_equal(answer[name], alone[number][name])
    formed = {size: count - before.get(size, 0) for size, count in batch_sizes(client).items()}
    assert sum(count for size, count in formed.items() if size > 1) >= 10, formed


def test_the_model_says_what_built_it(client: grpc.InferenceServerClient) -> None:
    parameters = client.get_model_config(MODEL).config.parameters
    assert parameters["i3d_build"].string_value == '{"precision":"fp32"}'
    assert parameters["i3d"].string_value == CONTRACT.to_json()


def test_a_precision_below_fp32_is_refused_or_said(tmp_path: Path) -> None:
    """What is executed is read from the compiled network, not taken from the configuration."""
    folder = write_tiny_model(tmp_path, "tiny_bf16")
    config = read_config(folder / "configs/cpu.pbtxt")
    config.parameters["execution_precision"].string_value = "bf16"
    (folder / "configs/cpu.pbtxt").write_text(text_format.MessageToString(config))
    with serving(tmp_path) as served:
        (said,) = served.descriptions()
        assert "asked for bf16, executes" in said
        log = served.triton.read_log()
    if "bf16" not in said.partition("executes")[2]:
        assert "openvino_cpu: bf16 was asked for, and layers are executed in ['f32']" in log
    config.parameters["execution_precision"].string_value = "nosuch"
    (folder / "configs/cpu.pbtxt").write_text(text_format.MessageToString(config))
    with pytest.raises(ServerStartError, match="tiny_bf16 is broken"), serving(tmp_path):
        pass


def test_an_impossible_batch_size_spoils_no_other_request(tmp_path: Path) -> None:
    """With batches of one request, as ``i3d export`` writes them for the CPU."""
    batch = read_config(SHIPPED).max_batch_size
    write_tiny_model(tmp_path, MODEL, max_batch_size=batch)

    def request(size: int) -> bytes:
        message = service_pb2.ModelInferRequest(model_name=MODEL)
        shape = [size, *CONTRACT.segment_shape]
        message.inputs.add(name="FRAMES", datatype="UINT8", shape=shape)
        message.outputs.add(name="PROBABILITIES")
        message.raw_input_contents.append(random_segments(1).tobytes())
        content: bytes = message.SerializeToString()
        return content

    async def flood(address: str) -> tuple[int, int]:
        answered = refused = 0
        ended = asyncio.Event()
        async with aio.insecure_channel(address) as channel:
            ask = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")

            async def bad() -> None:
                nonlocal refused
                while not ended.is_set():
                    with pytest.raises(aio.AioRpcError):
                        await ask(request(2**40))
                    refused += 1

            async def good() -> None:
                nonlocal answered
                for _ in range(20):
                    await ask(request(1))
                    answered += 1

            floods = [asyncio.create_task(bad()) for _ in range(6)]
            await asyncio.gather(*(good() for _ in range(6)))
            ended.set()
            await asyncio.gather(*floods)
        return answered, refused

    with serving(tmp_path) as served:
        answered, refused = asyncio.run(flood(served.triton.address))
    assert answered == 120
    assert refused > 20


def test_what_is_cancelled_keeps_no_other_request_waiting(tmp_path: Path) -> None:
    """Neither while it waits in the backend nor while it is computed."""
    slow = replace(CONTRACT, height=192, width=256, clip_frames=32, windows_per_segment=4)
    write_tiny_model(tmp_path, MODEL, slow, max_batch_size=1)
    frames = frames_input(random_segments(1, contract=slow))

    def seconds_to_answer(client: grpc.InferenceServerClient) -> float:
        begun = time.monotonic()
        client.infer(MODEL, frames)
        return time.monotonic() - begun

    with (
        serving(tmp_path) as served,
        grpc.InferenceServerClient(served.triton.address) as client,
    ):
        alone = max(seconds_to_answer(client) for _ in range(3))
        asked = [client.async_infer(MODEL, frames, lambda **_: None) for _ in range(16)]
        time.sleep(0.3 * alone)
        for call in asked:
            call.cancel()
        beside = seconds_to_answer(client)
    # 0.7 of it here; 1.6 when what the backend had taken was computed to its end.
    assert beside < 1.2 * alone, (beside, alone)


NOBODY_WAITS = r"""
import ctypes, os, signal, sys, time
from pathlib import Path
from i3d_server.launcher import serving

def alive():
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (folder / "stat").exists():
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == supervisor and state != "Z":
                yield folder.name

ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans become this process's, which never waits
with serving(Path(sys.argv[1])) as served:
    supervisor = served.triton.process.pid
    command = Path(f"/proc/{supervisor}/cmdline").read_text().split("\0")
    prefix = command[command.index("--shm-prefix") + 1]
    os.kill(supervisor, signal.SIGKILL)
    ends = time.monotonic() + 10
    while time.monotonic() < ends and (list(alive()) or list(Path("/dev/shm").glob(prefix + "*"))):
        time.sleep(0.1)
    print(len(list(alive())), len(list(Path("/dev/shm").glob(prefix + "*"))))
    for process in alive():
        os.kill(int(process), signal.SIGKILL)
"""


def test_nothing_is_left_where_nobody_waits_for_a_dead_triton(tiny_repository: Path) -> None:
    """As where the first process of a container does not."""
    done = subprocess.run(
        [sys.executable, "-c", NOBODY_WAITS, str(tiny_repository)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == ["0", "0"]


def test_the_backend_keeps_openvino_from_reporting(tmp_path: Path) -> None:
    """It would from a forked process, which can hang, and with it the start of Triton."""
    code = (
        "import sys, types; sys.modules['triton_python_backend_utils'] = types.ModuleType('u');"
        "import i3d_server.openvino_cpu.model, openvino.tools.ovc.telemetry_utils as used;"
        "print(used.tm.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub"]
