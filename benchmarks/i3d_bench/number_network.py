"""A served network that reads: its answer for a window is the numbers of its first and last frame.

Frames carry their number as 16 black or white blocks. The 32 "probabilities" of
a window are the brightness of these blocks, 0 … 1, in its first and in its last frame; so a test
sees which frames reached the server as which window, through the real Triton.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openvino as ov
from google.protobuf import text_format
from numpy.typing import NDArray
from openvino import opset13 as op
from tritonclient.grpc.model_config_pb2 import ModelConfig

from i3d_client.contract import LabelFrame, ModelContract, Normalisation, Resize

LABELS = tuple(f"{frame} {bit}" for frame in ("first", "last") for bit in range(16))


def numbered_picture(number: int, *, width: int, height: int) -> NDArray[np.uint8]:
    """Draw a number as 16 bits, black or white, in 4 × 4 blocks: (height, width, 3) uint8 RGB."""
    bits = [(number >> bit) & 1 for bit in range(16)]
    blocks = np.array(bits, np.uint8).reshape(4, 4) * 200 + 28
    rows = np.arange(height) * 4 // height
    columns = np.arange(width) * 4 // width
    return np.repeat(blocks[rows][:, columns, np.newaxis], 3, axis=2).astype(np.uint8)


def number_contract(
    *, clip_frames: int = 16, stride: int = 4, windows: int = 3, label_frame: LabelFrame = "last"
) -> ModelContract:
    """Return a contract for frames of 32 × 32, grey."""
    return ModelContract(
        profile="numbers",
        height=32,
        width=32,
        colour="grey",
        clip_frames=clip_frames,
        stride=stride,
        windows_per_segment=windows,
        resize=Resize(rule="stretch"),
        normalisation=Normalisation(divide_by=255.0, add=0.0),
        labels=LABELS,
        label_frame=label_frame,
        trained_fps=30.0,
    )


def read_window(probabilities: NDArray[np.float32]) -> tuple[int, int]:
    """Return the numbers of a window's first and last frame."""
    bits = (probabilities.reshape(2, 16) > 0.5).astype(int)
    first, last = (int((row << np.arange(16)).sum()) for row in bits)
    return first, last


def number_config(
    name: str, contract: ModelContract, *, queue_delay_us: int = 20_000, max_queue_size: int = 0
) -> ModelConfig:
    """Return the ``configs/cpu.pbtxt`` of the network.

    Args:
        name: of the model.
        contract: as ``number_contract`` makes it.
        queue_delay_us: how long Triton waits for a fuller batch, which sets its speed.
        max_queue_size: requests that may wait; 0 is any number. If
            it is set, they wait 50 ms at most.
    """
    config = ModelConfig(name=name, backend="openvino_cpu", runtime="model.py", max_batch_size=4)
    config.input.add(name="FRAMES", data_type="TYPE_UINT8", dims=contract.segment_shape)
    for output, size in (("PROBABILITIES", len(contract.labels)), ("FEATURES", 1024)):
        dims = (contract.windows_per_segment, size)
        config.output.add(name=output, data_type="TYPE_FP32", dims=dims)
    config.dynamic_batching.max_queue_delay_microseconds = queue_delay_us
    if max_queue_size:
        policy = config.dynamic_batching.default_queue_policy
        policy.max_queue_size = max_queue_size
        policy.default_timeout_microseconds = 50_000
    config.instance_group.add(count=1, kind="KIND_CPU")
    config.parameters["i3d"].string_value = contract.to_json()
    config.parameters["execution_precision"].string_value = "f32"
    return config


def write_number_model(
    repository: Path,
    name: str,
    contract: ModelContract,
    *,
    build: str = "numbers",
    queue_delay_us: int = 20_000,
    max_queue_size: int = 0,
) -> None:
    """Write the network into ``repository`` as the model ``name``.

    Args:
        repository: a model repository.
        name: of the model.
        contract: as ``number_contract`` makes it.
        build: stands for the checksums of what was built.
        queue_delay_us: as in ``number_config``.
        max_queue_size: as in ``number_config``.
    """
    folder = repository / name
    (folder / "configs").mkdir(parents=True)
    (folder / "1").mkdir()
    message = number_config(
        name, contract, queue_delay_us=queue_delay_us, max_queue_size=max_queue_size
    )
    config = text_format.MessageToString(message)
    (folder / "configs" / "cpu.pbtxt").write_text(config)
    (folder / "config.pbtxt").write_text(config)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in contract.labels))
    (folder / "1" / "build.json").write_text(json.dumps({"precision": "fp32", "graph": build}))
    (folder / "1" / "model.onnx").touch()
    ov.save_model(_network(contract), folder / "1" / "model.xml", compress_to_fp16=False)


def _network(contract: ModelContract) -> ov.Model:
    windows = contract.windows_per_segment
    starts = np.arange(windows) * contract.stride
    ends = np.stack([starts, starts + contract.clip_frames - 1], axis=1)
    frames = op.parameter([-1, *contract.segment_shape], np.uint8, name="FRAMES")
    frames.output(0).set_names({"FRAMES"})
    scaled = op.multiply(op.convert(frames, "f32"), np.float32(1 / 255))
    chosen = op.gather(scaled, ends, np.int64(1))  # (B, N, 2, 32, 32, 1)
    blocks = op.reshape(chosen, np.array([-1, windows, 2, 4, 8, 4, 8]), special_zero=False)
    levels = op.reduce_mean(blocks, np.array([4, 6]))
    answer = op.reshape(levels, np.array([-1, windows, 32]), special_zero=False)
    answer.output(0).set_names({"PROBABILITIES"})
    features = op.tile(answer, np.array([1, 1, 32]))
    features.output(0).set_names({"FEATURES"})
    return ov.Model([answer, features], [frames], "numbers")
