"""The stages from FP32 to lower precisions, and those that ask both for their answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from i3d_client.contract import OUTPUT_PROBABILITIES, ModelContract
from i3d_export import calibration
from i3d_export.openvino_engine import BIN, XML, openvino_version, write_openvino
from i3d_export.quantisation import write_fp16, write_int8
from i3d_export.sampling import Piece, Sample, read_pieces, window_count
from i3d_export.shape import Floats, GraphShape, Segments
from i3d_export.stage_cache import Stage, StageResult
from i3d_export.stages import ONNX

RANGES = "ranges.json"
ANSWERS = "answers.npy"
PIECES = "pieces.json"

_READING = ("sampling.py", "shape.py")
_READING_TOOLS = ("av", "opencv-python-headless", "numpy")


def calibration_stage(onnx: StageResult, sample: Sample, contract: ModelContract) -> Stage:
    """FP32 graph and real segments to the range of every activation."""

    def compute(folder: Path) -> dict[str, Any]:
        spreads: list[float] = []

        def segments() -> Iterator[tuple[Segments, int]]:
            for piece, segment in read_pieces(sample, contract=contract):
                spreads.append(float(segment.std()))
                yield segment, window_count(piece, contract)

        extremes = calibration.collect_extremes(
            onnx.folder / ONNX, segments(), GraphShape.of(contract)
        )
        (folder / RANGES).write_text(json.dumps(calibration.ranges_of(extremes), indent=1))
        return {
            "method": "mean of each window's extremes",
            "segments": len(spreads),
            "frames": sample.ranges(),
            "doubts": calibration.doubts(spreads),
        }

    return Stage(
        name="calibration",
        inputs=_onnx_and_videos(onnx, sample),
        parameters={"contract": contract.to_json(), "pieces": sample.identity()},
        tools=("onnx", "onnxruntime", *_READING_TOOLS),
        modules=("calibration.py", "quantisation.py", *_READING),
        outputs=(RANGES,),
        compute=compute,
    )


def fp16_stage(onnx: StageResult) -> Stage:
    """FP32 graph to the FP16 graph, and OpenVINO's files with weights halved to FP16."""

    def compute(folder: Path) -> dict[str, Any]:
        write_fp16(onnx.folder / ONNX, folder / ONNX)
        write_openvino(onnx.folder / ONNX, folder, halve_weights=True)
        return {"version": openvino_version()}

    return Stage(
        name="fp16",
        inputs={"onnx": onnx.sha256[ONNX]},
        parameters={},
        tools=("onnx", "onnxruntime", "openvino"),
        modules=("quantisation.py", "openvino_engine.py"),
        outputs=(ONNX, XML, BIN),
        compute=compute,
    )


def int8_stage(onnx: StageResult, ranges: StageResult, shape: GraphShape) -> Stage:
    """FP32 graph and ranges to TensorRT's INT8 graph and OpenVINO's INT8 files."""

    def compute(folder: Path) -> dict[str, Any]:
        known = json.loads((ranges.folder / RANGES).read_text())
        write_int8(onnx.folder / ONNX, known, shape, folder / ONNX, engine="tensorrt")
        uint8 = folder / "uint8.onnx"
        write_int8(onnx.folder / ONNX, known, shape, uint8, engine="openvino")
        write_openvino(uint8, folder)
        uint8.unlink()
        return {"version": openvino_version()}

    return Stage(
        name="int8",
        inputs={"onnx": onnx.sha256[ONNX], "ranges": ranges.sha256[RANGES]},
        parameters={"divide_by": shape.divide_by, "add": shape.add},
        tools=("onnx", "onnxruntime", "openvino"),
        modules=("quantisation.py", "openvino_engine.py"),
        outputs=(ONNX, XML, BIN),
        compute=compute,
    )


def onnxruntime_answers_stage(
    graph: Path,
    sha256: str,
    sample: Sample,
    contract: ModelContract,
    *,
    output: str = OUTPUT_PROBABILITIES,
) -> Stage:
    """A graph's answers to real segments, by ONNX Runtime."""

    def compute(folder: Path) -> dict[str, Any]:
        from i3d_export.answers import answers_to, onnxruntime_answer

        answer = onnxruntime_answer(graph, output=output)
        _keep(folder, *answers_to(sample, answer, contract=contract))
        return {"executed_by": "ONNX Runtime", "layers": {}}

    return Stage(
        name="answers-onnxruntime",
        inputs={"onnx": sha256, **_videos(sample)},
        parameters={
            "contract": contract.to_json(),
            "pieces": sample.identity(),
            "output": output,
        },
        tools=("onnxruntime", *_READING_TOOLS),
        modules=("answers.py", *_READING),
        outputs=(ANSWERS, PIECES),
        compute=compute,
    )


def openvino_answers_stage(
    folder_of_model: Path,
    sha256: dict[str, str],
    sample: Sample,
    contract: ModelContract,
    *,
    wanted: str,
    output: str = OUTPUT_PROBABILITIES,
) -> Stage:
    """OpenVINO's answers to real segments, and what it really executed; for this processor."""
    from i3d_export.answers import processor

    cpu = processor()

    def compute(folder: Path) -> dict[str, Any]:
        from i3d_export.answers import answers_to, openvino_model

        model = openvino_model(folder_of_model / XML, wanted=wanted, output=output)
        _keep(folder, *answers_to(sample, model.answer, contract=contract))
        return {
            "executed_by": f"OpenVINO {openvino_version()}",
            "execution_precision": model.precision,
            "layers": dict(model.layers),
            "processor": cpu,
        }

    return Stage(
        name="answers-openvino",
        inputs={**sha256, **_videos(sample)},
        parameters={
            "contract": contract.to_json(),
            "pieces": sample.identity(),
            "wanted": wanted,
            "processor": cpu,
            "output": output,
        },
        tools=("openvino", *_READING_TOOLS),
        modules=("answers.py", *_READING),
        outputs=(ANSWERS, PIECES),
        compute=compute,
    )


def kept_answers(stage: StageResult) -> tuple[Floats, list[Piece]]:
    """Read what a stage of answers kept: one row for each window, and the pieces in order."""
    pieces = [Piece(**piece) for piece in json.loads((stage.folder / PIECES).read_text())]
    return np.load(stage.folder / ANSWERS), pieces


def _keep(folder: Path, answers: Floats, pieces: list[Piece]) -> None:
    np.save(folder / ANSWERS, answers)
    listed = [{"video": p.video, "start": p.start, "stop": p.stop} for p in pieces]
    (folder / PIECES).write_text(json.dumps(listed))


def _videos(sample: Sample) -> dict[str, str]:
    return {f"video {number}": video.sha256 for number, video in enumerate(sample.videos)}


def _onnx_and_videos(onnx: StageResult, sample: Sample) -> dict[str, str]:
    return {"onnx": onnx.sha256[ONNX], **_videos(sample)}
