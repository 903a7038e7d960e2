"""A served network that reads: its answer for a window is the numbers of its first and last frame.

Frames carry their number as 16 black or white blocks (tests/conftest.py). The 32 "probabilities" of
a window are the brightness of these blocks, 0 … 1, in its first and in its last frame; so a test
sees which frames reached the server as which window, through the real Triton.
"""

import json
from pathlib import Path

import numpy as np
import openvino as ov
from google.protobuf import text_format
from openvino import opset13 as op
from tests.server.tiny_network import cpu_config

from i3d_client.contract import ModelContract, Normalisation, Resize

LABELS = tuple(f"{frame} {bit}" for frame in ("first", "last") for bit in range(16))


def number_contract(
    *, clip_frames: int = 16, stride: int = 4, windows: int = 3, label_frame: str = "last"
) -> ModelContract:
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
        label_frame=label_frame,  # type: ignore[arg-type]
        trained_fps=30.0,
    )


def read_window(probabilities: np.ndarray) -> tuple[int, int]:
    """Return the numbers of a window's first and last frame."""
    bits = (probabilities.reshape(2, 16) > 0.5).astype(int)
    first, last = (int((row << np.arange(16)).sum()) for row in bits)
    return first, last


def write_number_model(repository: Path, name: str, contract: ModelContract) -> None:
    folder = repository / name
    (folder / "configs").mkdir(parents=True)
    (folder / "1").mkdir()
    config = text_format.MessageToString(cpu_config(name, contract))
    (folder / "configs" / "cpu.pbtxt").write_text(config)
    (folder / "config.pbtxt").write_text(config)
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in contract.labels))
    (folder / "1" / "build.json").write_text(json.dumps({"precision": "fp32"}))
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
