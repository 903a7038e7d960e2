"""Stages are compared by their logits, on the same fixed segments.

Probabilities hide differences where a class is certain, so the input of the last Softmax is
compared: in ONNX it is made an output of a copy that exists only in memory; the model as shipped
keeps its two outputs. OpenVINO and ONNX Runtime take FP32 here, and nothing faster.

Rounding is relative, so a limit holds for logits up to 16 and grows with larger ones. Measured:
for Kinetics-400 at 64 × 224 × 224 logits reach 14, and the engines differ by 1e-5. The same
weights at 16 × 32 × 64, far from what they were trained on, give logits of 84; there TensorFlow
differs by 2.5e-4 from itself when oneDNN is turned off, and as much from ONNX Runtime.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import INPUT_FRAMES, OUTPUT_PROBABILITIES
from i3d_export.errors import VerificationError
from i3d_export.shape import Floats, GraphShape, Segments

TENSORFLOW_TO_ONNX_LIMIT = 1e-4
ONNX_TO_OPENVINO_LIMIT = 1e-3

USUAL_LOGIT = 16.0

SEED = 400
SEGMENTS = 2
BODY_LEVELS = (25, 225)
LOGITS = "LOGITS"


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How far one stage's logits are from those of the stage before.

    Attributes:
        reference, candidate: names of the two.
        largest_difference: of a logit, over all windows and classes.
        limit: what was allowed.
        logits_range: the reference's smallest and largest logit.
        windows: how many were compared.
    """

    reference: str
    candidate: str
    largest_difference: float
    limit: float
    logits_range: tuple[float, float]
    windows: int


def sample_segments(shape: GraphShape) -> Segments:
    """Make the fixed segments that stages are compared on.

    Each looks like a filmed scene rather than like noise, so that the activations have the
    spread they have on video: a smooth background of random blotches in every channel, a dark
    ellipse and a bright one that wander over it, a slow change of light, and sensor noise of
    three grey levels. Everything follows from ``SEED``.

    Returns:
        ``(2, S, height, width, channels)``, uint8; the two segments differ.
    """
    random = np.random.default_rng(SEED)
    return np.stack([_scene(shape, random) for _ in range(SEGMENTS)])


def compare(
    reference: Floats, candidate: Floats, *, names: tuple[str, str], limit: float
) -> Agreement:
    """Return the agreement of two sets of logits, if it is within the limit.

    Args:
        reference: logits, ``(windows, K)``, float32.
        candidate: logits of the same windows.
        names: of the reference and of the candidate, for the message.
        limit: the largest difference that is allowed while logits stay below ``USUAL_LOGIT``.

    Raises:
        VerificationError: the difference is larger, or not a number, or the shapes differ.
    """
    if reference.shape != candidate.shape:
        raise VerificationError(
            f"{names[1]} gives logits of shape {candidate.shape}, {names[0]} {reference.shape}"
        )
    largest = float(np.max(np.abs(reference - candidate)))
    allowed = limit * max(1.0, float(np.max(np.abs(reference))) / USUAL_LOGIT)
    if not largest <= allowed:
        raise VerificationError(
            f"logits of {names[1]} differ from those of {names[0]} by {largest:.3g}; "
            f"allowed are {allowed:.2g}. The stage's result is not kept"
        )
    return Agreement(
        reference=names[0],
        candidate=names[1],
        largest_difference=largest,
        limit=allowed,
        logits_range=(float(reference.min()), float(reference.max())),
        windows=len(reference),
    )


def onnx_logits(path: Path, segments: Segments) -> Floats:
    """Run an ONNX model with ONNX Runtime and return its logits, ``(B · N, K)``, float32."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    softmax = [node for node in model.graph.node if OUTPUT_PROBABILITIES in node.output]
    if len(softmax) != 1 or softmax[0].op_type != "Softmax":
        raise VerificationError(f"{path}: {OUTPUT_PROBABILITIES} is not the output of a Softmax")
    logits = onnx.ValueInfoProto(name=softmax[0].input[0])
    model.graph.output.append(logits)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run([logits.name], {INPUT_FRAMES: segments})
    return _flat(found)


def openvino_logits(path: Path, segments: Segments, *, precision: str) -> Floats:
    """Run an OpenVINO model on the CPU and return its logits, ``(B · N, K)``, float32.

    Args:
        path: the ``.xml`` file.
        segments: ``(B, S, H, W, C)``, uint8.
        precision: OpenVINO's inference precision, such as ``f32``. Without it the CPU plugin
            computes in BF16 where the processor can.
    """
    import openvino

    core = openvino.Core()
    model = core.read_model(path)
    softmax = [node for node in model.get_ops() if node.get_type_name() == "Softmax"]
    if len(softmax) != 1:
        raise VerificationError(f"{path}: expected one Softmax, got {len(softmax)}")
    added = model.add_outputs([softmax[0].input_value(0)])
    added[0].get_tensor().set_names({LOGITS})
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": precision})
    return _flat(compiled({INPUT_FRAMES: segments})[LOGITS])


def _flat(logits: Any) -> Floats:
    """``(B, N, K)`` to ``(B · N, K)``."""
    array: Floats = np.array(logits, dtype=np.float32)
    return array.reshape(-1, array.shape[-1])


def _scene(shape: GraphShape, random: np.random.Generator) -> Segments:
    frames, height, width, channels = shape.segment_shape
    background = 128 + 45 * _blotches(height, width, channels, random)
    phases = random.uniform(0, 2 * np.pi, size=(len(BODY_LEVELS), 2))
    scene = np.empty(shape.segment_shape, np.uint8)
    for frame in range(frames):
        picture = background * (1 + 0.1 * np.sin(2 * np.pi * frame / 48))
        for level, (down, along) in zip(BODY_LEVELS, 2 * np.pi * frame / 40 + phases, strict=True):
            centre = (0.5 + 0.3 * np.sin(down), 0.5 + 0.3 * np.cos(0.7 * along))
            picture[_ellipse(height, width, centre)] = level
        picture += random.normal(0, 3, picture.shape)
        scene[frame] = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return scene


def _ellipse(height: int, width: int, centre: tuple[float, float]) -> NDArray[np.bool_]:
    """Return the pixels of a body around ``centre``, a (row, column) as parts of the picture."""
    rows, columns = np.ogrid[0:height, 0:width]
    down = (rows / height - centre[0]) / 0.18
    along = (columns / width - centre[1]) / 0.1
    inside: NDArray[np.bool_] = down**2 + along**2 < 1
    return inside


def _blotches(height: int, width: int, channels: int, random: np.random.Generator) -> Any:
    """Return smooth random fields with unit spread, ``(height, width, channels)``."""
    coarse = random.normal(size=(8, 8, channels))
    along_rows = np.linspace(0, 7, height)
    along_columns = np.linspace(0, 7, width)
    return np.stack(
        [
            _interpolate(_interpolate(coarse[..., c], along_rows).T, along_columns).T
            for c in range(channels)
        ],
        axis=-1,
    )


def _interpolate(field: Any, positions: Any) -> Any:
    """Interpolate linearly along the first axis."""
    below = np.minimum(positions.astype(int), len(field) - 2)
    weight = (positions - below)[:, None]
    return field[below] * (1 - weight) + field[below + 1] * weight
