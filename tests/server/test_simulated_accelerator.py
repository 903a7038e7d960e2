"""The simulated accelerator takes the time that it was told, one window after another."""

import queue
import time

import numpy as np
import pytest
from tests.server.tiny_network import CONTRACT, random_segments
from tritonclient import grpc

from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.contract import ModelContract

SECONDS_PER_WINDOW = 0.02
REQUESTS = 20


def seconds_for(client: grpc.InferenceServerClient, requests: int) -> float:
    tensor = grpc.InferInput("FRAMES", (1, *CONTRACT.segment_shape), "UINT8")
    tensor.set_data_from_numpy(random_segments(1))
    answers: queue.Queue[tuple[grpc.InferResult, Exception | None]] = queue.Queue()
    started = time.monotonic()
    for _ in range(requests):
        client.async_infer(MODEL_NAME, [tensor], lambda result, error: answers.put((result, error)))
    for _ in range(requests):
        result, error = answers.get(timeout=30)
        assert error is None
        probabilities = result.as_numpy("PROBABILITIES")
        assert probabilities.shape == (1, 2, len(CONTRACT.labels))
        np.testing.assert_array_equal(probabilities.sum(axis=-1), 1)
    return time.monotonic() - started


def test_one_device_serves_windows_one_after_another() -> None:
    with (
        simulated_accelerator(contract=CONTRACT, seconds_per_window=SECONDS_PER_WINDOW) as address,
        grpc.InferenceServerClient(address) as client,
    ):
        parameters = client.get_model_config(MODEL_NAME).config.parameters
        assert ModelContract.from_json(parameters["i3d"].string_value) == CONTRACT
        device_s = REQUESTS * CONTRACT.windows_per_segment * SECONDS_PER_WINDOW
        taken_s = seconds_for(client, REQUESTS)
        assert device_s <= taken_s < 1.25 * device_s


def test_a_time_that_is_none_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="seconds_per_window"),
        simulated_accelerator(contract=CONTRACT, seconds_per_window=float("nan")),
    ):
        pass
