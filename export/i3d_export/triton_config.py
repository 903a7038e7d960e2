"""Triton's model configurations, generated from the contract alone.

Two for each model: ``config.pbtxt`` for TensorRT on a GPU, and ``configs/cpu.pbtxt`` for the
OpenVINO backend on a CPU, which Triton takes with ``--model-config-name=cpu``. Tensors, batching
and queues are the same in both. What built the artefacts is not in here (it stands in
``1/build.json``), so generating a configuration again changes nothing.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as triton

from i3d_client.contract import (
    FEATURE_SIZE,
    INPUT_FRAMES,
    OUTPUT_FEATURES,
    OUTPUT_PROBABILITIES,
    PARAMETER,
    ModelContract,
)

CPU_BACKEND = "openvino_cpu"
LABELS_FILE = "labels.txt"
EXECUTION_PRECISION = "execution_precision"

# More windows at once make a GPU no faster and cost memory.
MAX_WINDOWS_AT_ONCE = 64
MAX_BATCH = 8

# How long a request may wait for others to share its batch.
GPU_QUEUE_DELAY_US = 5_000
CPU_QUEUE_DELAY_US = 1_000

INTERACTIVE, BATCH = 1, 2
# A queued request holds its frames in the server's memory, so bytes bound the queue.
QUEUE_BYTES = {INTERACTIVE: 256 * 2**20, BATCH: 1024 * 2**20}
QUEUE_REQUESTS_AT_LEAST, QUEUE_REQUESTS_AT_MOST = 16, 1024
# A client's own timeout counts only below a default that is not zero.
QUEUE_TIMEOUT_US = {INTERACTIVE: 600 * 1_000_000, BATCH: 3600 * 1_000_000}


def gpu_config(name: str, contract: ModelContract) -> str:
    """Return ``config.pbtxt``: the model as a TensorRT plan."""
    config = _common(name, contract, queue_delay_us=GPU_QUEUE_DELAY_US)
    config.platform = "tensorrt_plan"
    config.default_model_filename = "model.plan"
    # Two, so that one copies its frames to the GPU while the other computes.
    config.instance_group.add(kind=triton.ModelInstanceGroup.KIND_GPU, count=2)
    for batch in sorted({1, config.max_batch_size}):
        _add_warmup(config, contract, batch)
    return _text(config)


def cpu_config(name: str, contract: ModelContract, *, execution_precision: str) -> str:
    """Return ``configs/cpu.pbtxt``: the model on the OpenVINO backend.

    There is no warm-up: OpenVINO compiles when the model is loaded, and a first request on a CPU
    takes no longer than a second one.

    Args:
        name: the model's.
        contract: its contract.
        execution_precision: what OpenVINO is told to compute in, such as ``f32``.
    """
    config = _common(name, contract, queue_delay_us=CPU_QUEUE_DELAY_US)
    config.backend = CPU_BACKEND
    config.runtime = "model.py"
    config.instance_group.add(kind=triton.ModelInstanceGroup.KIND_CPU, count=1)
    config.parameters[EXECUTION_PRECISION].string_value = execution_precision
    return _text(config)


def labels_text(contract: ModelContract) -> str:
    """Return ``labels.txt``: one label a line, in the order of the network's outputs."""
    return "".join(f"{label}\n" for label in contract.labels)


def max_batch_size(contract: ModelContract) -> int:
    """Return how many requests one batch may hold: at most 8, and 64 windows in all."""
    return max(1, min(MAX_BATCH, MAX_WINDOWS_AT_ONCE // contract.windows_per_segment))


def max_queue_size(contract: ModelContract, level: int) -> int:
    """Return how many requests of a priority level may wait, from the bytes they hold."""
    frames, height, width, channels = contract.segment_shape
    fitting = QUEUE_BYTES[level] // (frames * height * width * channels)
    return max(QUEUE_REQUESTS_AT_LEAST, min(fitting, QUEUE_REQUESTS_AT_MOST))


def _common(name: str, contract: ModelContract, *, queue_delay_us: int) -> Any:
    config = triton.ModelConfig(name=name, max_batch_size=max_batch_size(contract))
    config.version_policy.latest.num_versions = 1
    config.input.add(
        name=INPUT_FRAMES, data_type=triton.TYPE_UINT8, dims=list(contract.segment_shape)
    )
    windows = contract.windows_per_segment
    config.output.add(
        name=OUTPUT_PROBABILITIES,
        data_type=triton.TYPE_FP32,
        dims=[windows, len(contract.labels)],
        label_filename=LABELS_FILE,
    )
    config.output.add(
        name=OUTPUT_FEATURES, data_type=triton.TYPE_FP32, dims=[windows, FEATURE_SIZE]
    )
    _set_queues(config, contract, queue_delay_us)
    config.parameters[PARAMETER].string_value = contract.to_json()
    return config


def _set_queues(config: Any, contract: ModelContract, queue_delay_us: int) -> None:
    batching = config.dynamic_batching
    largest = config.max_batch_size
    batching.preferred_batch_size.extend(size for size in (largest // 2, largest) if size > 1)
    batching.max_queue_delay_microseconds = queue_delay_us
    batching.priority_levels = BATCH
    batching.default_priority_level = BATCH
    for level in (INTERACTIVE, BATCH):
        policy = batching.priority_queue_policy[level]
        policy.timeout_action = triton.ModelQueuePolicy.REJECT
        policy.default_timeout_microseconds = QUEUE_TIMEOUT_US[level]
        policy.allow_timeout_override = True
        policy.max_queue_size = max_queue_size(contract, level)


def _add_warmup(config: Any, contract: ModelContract, batch: int) -> None:
    sample = config.model_warmup.add(name=f"batch_of_{batch}", batch_size=batch)
    frames = sample.inputs[INPUT_FRAMES]
    frames.data_type = triton.TYPE_UINT8
    frames.dims.extend(contract.segment_shape)
    frames.random_data = True


def _text(config: Any) -> str:
    body: str = text_format.MessageToString(config, as_utf8=True)
    return f"# Generated by `i3d export` from the profile's contract; changes here are lost.\n{body}"
