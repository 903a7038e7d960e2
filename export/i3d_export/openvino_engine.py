"""The engine for CPUs: OpenVINO's files from an ONNX model."""

from __future__ import annotations

from pathlib import Path

XML, BIN = "model.xml", "model.bin"


def write_openvino(onnx_file: Path, folder: Path, *, halve_weights: bool = False) -> None:
    """Convert an ONNX model to ``model.xml`` and ``model.bin``.

    Args:
        onnx_file: the graph.
        folder: where the two files go.
        halve_weights: keep FP32 weights as FP16, which OpenVINO does unless it is told not to.
    """
    import openvino

    model = openvino.Core().read_model(onnx_file)
    openvino.save_model(model, folder / XML, compress_to_fp16=halve_weights)


def openvino_version() -> str:
    """Return the OpenVINO that converts here, with its build."""
    import openvino

    return str(openvino.get_version())
