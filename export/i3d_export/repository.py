"""A model's folder in Triton's repository, written file by file, never half a file.

Artefacts go first and the configurations last, so that a model which was never complete is not
taken for one that is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract
from i3d_export.errors import ExportError
from i3d_export.openvino_engine import BIN, XML
from i3d_export.stage_cache import StageResult, sha256_of
from i3d_export.stages import ONNX
from i3d_export.triton_config import LABELS_FILE, cpu_config, gpu_config, labels_text

VERSION = "1"
BUILD_FILE = "build.json"
VERIFICATION_FILE = "verification.openvino.json"


def write_model(
    *,
    repository: Path,
    name: str,
    contract: ModelContract,
    precision: str,
    execution_precision: str,
    variables: StageResult,
    onnx: StageResult,
    openvino: StageResult,
) -> Path:
    """Place a model's artefacts and configurations and return the model's folder.

    Raises:
        ExportError: the repository cannot be written.
    """
    folder = repository / name
    artefacts = folder / VERSION
    try:
        artefacts.mkdir(parents=True, exist_ok=True)
        for stage, file in ((onnx, ONNX), (openvino, XML), (openvino, BIN)):
            _place(stage, file, artefacts / file)
        verification = {"onnx": dict(onnx.figures), "openvino": dict(openvino.figures)}
        _write(artefacts / VERIFICATION_FILE, _json(verification))
        _write(artefacts / BUILD_FILE, _json(_build(precision, variables, onnx, openvino)))
        write_configs(folder, contract, execution_precision=execution_precision)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}") from error
    return folder


def write_configs(folder: Path, contract: ModelContract, *, execution_precision: str) -> None:
    """Write what follows from the contract alone; the folder's name is the model's."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    _write(folder / LABELS_FILE, labels_text(contract))
    cpu = cpu_config(folder.name, contract, execution_precision=execution_precision)
    _write(folder / "configs" / "cpu.pbtxt", cpu)
    _write(folder / "config.pbtxt", gpu_config(folder.name, contract))


def _build(
    precision: str, variables: StageResult, onnx: StageResult, openvino: StageResult
) -> dict[str, Any]:
    """Return what built the artefacts; the server adds it to what the model reports."""
    return {
        "precision": precision,
        "checkpoint_sha256": variables.figures["checkpoint_sha256"],
        "onnx_sha256": onnx.sha256[ONNX],
        "engines": {
            "openvino": {
                "version": openvino.figures["version"],
                "execution_precision": openvino.figures["execution_precision"],
                "xml_sha256": openvino.sha256[XML],
                "bin_sha256": openvino.sha256[BIN],
            }
        },
        "versions": {"i3d-triton": version("i3d-triton"), **onnx.tools},
    }


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    """Replace a file's text in one step; a file that has it already is left alone."""
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=path.parent) as aside:
        file = Path(aside) / path.name
        file.write_text(text, encoding="utf-8")
        file.replace(path)


def _place(stage: StageResult, name: str, target: Path) -> None:
    """Put a stage's file into the repository: linked where that can be, else copied."""
    if target.is_file() and sha256_of(target) == stage.sha256[name]:
        return
    source = stage.folder / name
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=target.parent) as aside:
        file = Path(aside) / target.name
        try:
            os.link(source, file)
        except OSError:
            shutil.copyfile(source, file)
        file.replace(target)
