"""The stages of an export, each verified against the one before it.

Heavy imports stand inside the functions that compute, so that an export whose results are all in
the cache imports neither TensorFlow nor an engine.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from i3d_client.contract import INPUT_FRAMES, OUTPUT_FEATURES, OUTPUT_PROBABILITIES
from i3d_export.architecture import LOGITS as LOGITS_SCOPE
from i3d_export.checkpoint import (
    UNTRAINED,
    RandomHead,
    canonical,
    checkpoint_sha256,
    load_variables_file,
    read_checkpoint,
    save_variables,
    with_random_head,
)
from i3d_export.head import TrainedHead, head_sha256, in_place_of_the_last
from i3d_export.openvino_engine import BIN, XML, openvino_version, write_openvino
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import Stage, StageResult
from i3d_export.verification import (
    ONNX_TO_OPENVINO_LIMIT,
    SEED,
    SEGMENTS,
    TENSORFLOW_TO_ONNX_LIMIT,
)

VARIABLES = "variables.npz"
ONNX = "model.onnx"
LOGITS = "logits.npy"

_SAMPLE = {"seed": SEED, "segments": SEGMENTS}


def variables_stage(checkpoint: Path, head: RandomHead | TrainedHead | None = None) -> Stage:
    """Checkpoint to canonical variables, with its own last layer, a random or a trained one."""

    def compute(folder: Path) -> dict[str, Any]:
        variables, identity = read_checkpoint(checkpoint)
        figures: dict[str, Any] = {"checkpoint_sha256": identity}
        if isinstance(head, RandomHead):
            variables = with_random_head(variables, head)
            figures["head"] = f"random, {UNTRAINED}: its labels mean nothing"
        elif head is not None:
            variables = canonical(in_place_of_the_last(variables, head))
            figures["head"] = f"trained, SHA-256 {head_sha256(head)}"
        save_variables(variables, folder / VARIABLES)
        classes = len(variables[f"{LOGITS_SCOPE}/conv_3d/b"])
        return {**figures, "classes": classes}

    return Stage(
        name="variables",
        inputs={"checkpoint": checkpoint_sha256(checkpoint)},
        parameters=_head_parameters(head),
        tools=("numpy", "tensorflow-cpu", "keras"),
        modules=(
            "architecture.py",
            "checkpoint.py",
            "checkpoint_kinds.py",
            "head.py",
            "published.py",
        ),
        outputs=(VARIABLES,),
        compute=compute,
    )


def _head_parameters(head: RandomHead | TrainedHead | None) -> dict[str, Any]:
    if head is None:
        return {}
    if isinstance(head, RandomHead):
        return {"random_head": asdict(head)}
    return {"trained_head": head_sha256(head)}


def onnx_stage(variables: StageResult, shape: GraphShape) -> Stage:
    """Variables to Keras I3D to the segment graph in ONNX; ONNX Runtime against TensorFlow.

    ONNX Runtime's logits on the sample segments are kept: what later stages are compared with.
    """

    def compute(folder: Path) -> dict[str, Any]:
        from i3d_export import verification
        from i3d_export.graph import write_onnx
        from i3d_export.network import build_network, load_variables, network_logits

        network = build_network(
            clip_frames=shape.clip_frames,
            height=shape.height,
            width=shape.width,
            classes=shape.classes,
        )
        load_variables(network, load_variables_file(variables.folder / VARIABLES))
        write_onnx(network, shape, folder / ONNX)
        segments = verification.sample_segments(shape)
        logits = verification.onnx_logits(folder / ONNX, segments)
        np.save(folder / LOGITS, logits)
        agreement = verification.compare(
            network_logits(network, shape.windows_of(segments)),
            logits,
            names=("TensorFlow", "ONNX Runtime"),
            limit=TENSORFLOW_TO_ONNX_LIMIT,
        )
        return asdict(agreement)

    return Stage(
        name="onnx",
        inputs={"variables": variables.sha256[VARIABLES]},
        parameters={
            **asdict(shape),
            "tensors": [INPUT_FRAMES, OUTPUT_PROBABILITIES, OUTPUT_FEATURES],
            "limit": TENSORFLOW_TO_ONNX_LIMIT,
            "sample": _SAMPLE,
        },
        tools=("tensorflow-cpu", "keras", "tf2onnx", "onnx", "onnxruntime", "numpy"),
        modules=("architecture.py", "network.py", "graph.py", "shape.py", "verification.py"),
        outputs=(ONNX, LOGITS),
        compute=compute,
    )


def openvino_stage(onnx: StageResult, shape: GraphShape, *, precision: str) -> Stage:
    """ONNX to OpenVINO's files; OpenVINO against ONNX Runtime."""

    def compute(folder: Path) -> dict[str, Any]:
        from i3d_export import verification

        write_openvino(onnx.folder / ONNX, folder)
        segments = verification.sample_segments(shape)
        agreement = verification.compare(
            np.load(onnx.folder / LOGITS),
            verification.openvino_logits(folder / XML, segments, precision=precision),
            names=("ONNX Runtime", "OpenVINO"),
            limit=ONNX_TO_OPENVINO_LIMIT,
        )
        return {
            **asdict(agreement),
            "execution_precision": precision,
            "version": openvino_version(),
        }

    return Stage(
        name="openvino",
        inputs={"onnx": onnx.sha256[ONNX], "logits": onnx.sha256[LOGITS]},
        parameters={
            **asdict(shape),
            "precision": precision,
            "limit": ONNX_TO_OPENVINO_LIMIT,
            "sample": _SAMPLE,
        },
        tools=("openvino", "numpy"),
        modules=("openvino_engine.py", "shape.py", "verification.py"),
        outputs=(XML, BIN),
        compute=compute,
    )
