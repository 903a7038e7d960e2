"""The engine for CPUs: OpenVINO's files from an ONNX model."""

from __future__ import annotations

from pathlib import Path

XML, BIN = "model.xml", "model.bin"


def write_openvino(onnx_file: Path, folder: Path) -> None:
    """Convert an ONNX model to ``model.xml`` and ``model.bin``, weights as they are.

    OpenVINO halves weights to FP16 when it saves, unless it is told not to.
    """
    import openvino

    model = openvino.Core().read_model(onnx_file)
    openvino.save_model(model, folder / XML, compress_to_fp16=False)


def openvino_version() -> str:
    """Return the OpenVINO that converts here, with its build."""
    import openvino

    return str(openvino.get_version())
