"""A model's folder in Triton's repository, written file by file, never half a file.

Artefacts go first and the configurations last, so that a model which was never complete is not
taken for one that is.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract
from i3d_export.errors import ExportError
from i3d_export.stage_cache import StageResult, sha256_of
from i3d_export.stages import ONNX
from i3d_export.triton_config import LABELS_FILE, cpu_config, gpu_config, labels_text

VERSION = "1"
BUILD_FILE = "build.json"


def write_model(
    *,
    repository: Path,
    name: str,
    contract: ModelContract,
    execution_precision: str,
    artefacts: Sequence[tuple[StageResult, str]],
    build: Mapping[str, Any],
    verifications: Mapping[str, Mapping[str, Any]],
) -> Path:
    """Place a model's artefacts and configurations and return the model's folder.

    Args:
        repository: Triton's.
        name: the model's.
        contract: its contract.
        execution_precision: what OpenVINO is told to compute in.
        artefacts: the stages' files that belong into it.
        build: what ``build_document`` returns.
        verifications: what each engine was compared by, and how it did.

    Raises:
        ExportError: the repository cannot be written.
    """
    folder = repository / name
    version_folder = folder / VERSION
    try:
        version_folder.mkdir(parents=True, exist_ok=True)
        for stage, file in artefacts:
            _place(stage, file, version_folder / file)
        for engine, document in verifications.items():
            _write(version_folder / verification_file(engine), _json(document))
        _write(version_folder / BUILD_FILE, _json(build))
        write_configs(folder, contract, execution_precision=execution_precision)
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error}") from error
    return folder


def verification_file(engine: str) -> str:
    """Return the name of the record of an engine's comparison."""
    return f"verification.{engine}.json"


def write_verification(folder: Path, engine: str, document: Mapping[str, Any]) -> Path:
    """Renew ``1/verification.<engine>.json``; what export compared on the way to FP32 is kept."""
    path = folder / VERSION / verification_file(engine)
    kept: dict[str, Any] = {}
    if path.is_file():
        known = json.loads(path.read_text(encoding="utf-8"))
        kept = {stage: known[stage] for stage in ("onnx", "openvino") if stage in known}
    _write(path, _json({**kept, **document}))
    return path


def write_configs(folder: Path, contract: ModelContract, *, execution_precision: str) -> None:
    """Write what follows from the contract alone; the folder's name is the model's."""
    (folder / "configs").mkdir(parents=True, exist_ok=True)
    _write(folder / LABELS_FILE, labels_text(contract))
    cpu = cpu_config(folder.name, contract, execution_precision=execution_precision)
    _write(folder / "configs" / "cpu.pbtxt", cpu)
    _write(folder / "config.pbtxt", gpu_config(folder.name, contract))


def build_document(
    *,
    precision: str,
    variables: StageResult,
    graph: StageResult,
    reference: StageResult,
    engines: Mapping[str, Mapping[str, Any]],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what built the artefacts; the server adds it to what the model reports.

    Args:
        precision: the model's.
        variables: the stage of the checkpoint.
        graph: the stage whose ``model.onnx`` is TensorRT's graph of this precision.
        reference: the stage of the FP32 graph, which every precision is compared with.
        engines: what there is to say of each.
        more: of the precision, such as its calibration.
    """
    head = {"head": variables.figures["head"]} if "head" in variables.figures else {}
    return {
        "precision": precision,
        "checkpoint_sha256": variables.figures["checkpoint_sha256"],
        **head,
        "onnx_sha256": graph.sha256[ONNX],
        "reference_onnx_sha256": reference.sha256[ONNX],
        "engines": {name: dict(engine) for name, engine in engines.items()},
        **more,
        "versions": {"i3d-triton": version("i3d-triton"), **reference.tools},
    }


def _json(document: Mapping[str, Any]) -> str:
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
