"""Stages of an export, kept by content: nothing is computed twice for the same inputs.

A stage is a function from files to files. Its key is the SHA-256 of everything that decides its
result: the hashes of its input files, its parameters, the versions of the tools, and the source
of the modules that do the work. A result is written aside and moved into place in one step, so
another process sees all of it or nothing; its files' hashes are checked whenever it is used. Of
two processes that want it at once, the second waits for the first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import platformdirs

from i3d_export.errors import ExportError
from i3d_export.plan_files import locked

RECORD = "stage.json"
Figures = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One step of an export.

    Attributes:
        name: what it makes, for the reader and for the cache's folder.
        inputs: SHA-256 of each input file, by what it is for.
        parameters: all else that decides the result; plain values.
        tools: distributions whose version decides the result.
        modules: file names in this package whose source decides the result.
        outputs: the files that it makes.
        compute: makes them in the folder it is given and returns what it measured.
    """

    name: str
    inputs: Mapping[str, str]
    parameters: Mapping[str, Any]
    tools: tuple[str, ...]
    modules: tuple[str, ...]
    outputs: tuple[str, ...]
    compute: Callable[[Path], Figures]


@dataclass(frozen=True, kw_only=True)
class StageResult:
    """Where a stage's files are, and what it measured when it made them.

    Attributes:
        name: the stage.
        folder: holds the outputs.
        sha256: of each output, by file name.
        figures: what the stage measured.
        tools: versions of the tools that made it, by distribution.
        reused: whether it was there already.
        duration_s: seconds spent now, in this process.
    """

    name: str
    folder: Path
    sha256: Mapping[str, str]
    figures: Figures
    tools: Mapping[str, str]
    reused: bool
    duration_s: float


def cache_folder() -> Path:
    """Return the folder for downloads and results: ``I3D_CACHE``, else the user's cache."""
    chosen = os.environ.get("I3D_CACHE")
    return Path(chosen) if chosen else Path(platformdirs.user_cache_dir("i3d-triton"))


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def installed_version(distribution: str) -> str:
    """Return a distribution's installed version, ``absent`` if it is not there."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "absent"


def run(stage: Stage, *, cache: Path) -> StageResult:
    """Return the stage's result, computed now or taken from ``cache``.

    Raises:
        ExportError: the cache cannot be written; and whatever the stage itself raises, in which
            case nothing of it is kept.
    """
    started = time.monotonic()
    key = _key_document(stage)
    folder = cache / "stages" / stage.name / _digest(key)[:32]
    record = _usable_record(folder, stage)
    reused = record is not None
    if record is None:
        record, reused = _compute_once(stage, key, folder)
    return StageResult(
        name=stage.name,
        folder=folder,
        sha256=record["sha256"],
        figures=record["figures"],
        tools=record["key"]["tools"],
        reused=reused,
        duration_s=time.monotonic() - started,
    )


def _key_document(stage: Stage) -> dict[str, Any]:
    package = Path(__file__).parent
    return {
        "stage": stage.name,
        "inputs": dict(stage.inputs),
        "parameters": dict(stage.parameters),
        "tools": {tool: installed_version(tool) for tool in stage.tools},
        "modules": {name: sha256_of(package / name) for name in stage.modules},
        "outputs": list(stage.outputs),
    }


def _digest(document: Mapping[str, Any]) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _usable_record(folder: Path, stage: Stage) -> dict[str, Any] | None:
    """Return what was recorded with a result, if its files are what they were."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text())
        whole = all(sha256_of(folder / name) == record["sha256"][name] for name in stage.outputs)
    except (OSError, ValueError, KeyError):
        return None
    return record if whole else None


def _compute_once(
    stage: Stage, key: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], bool]:
    """Return the record, and whether another process made the result in the meantime."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    with locked(folder.parent):
        record = _usable_record(folder, stage)
        return (record, True) if record else (_compute(stage, key, folder), False)


def _unwritable(folder: Path, error: OSError) -> ExportError:
    return ExportError(
        f"the cache {folder} cannot be written: {error}. Name another with I3D_CACHE"
    )


def _compute(stage: Stage, key: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    try:
        aside = Path(tempfile.mkdtemp(prefix=".aside-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder.parent, error) from error
    try:
        figures = stage.compute(aside)
        record = {
            "key": dict(key),
            "sha256": {name: sha256_of(aside / name) for name in stage.outputs},
            "figures": dict(figures),
        }
        (aside / RECORD).write_text(json.dumps(record, indent=2) + "\n")
        return _move_into_place(aside, folder, record, stage)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _move_into_place(
    aside: Path, folder: Path, record: dict[str, Any], stage: Stage
) -> dict[str, Any]:
    """Rename; a spoilt result gives way, a good one made meanwhile by another process stays."""
    aside.chmod(0o755)
    for _ in range(10):
        try:
            aside.rename(folder)
        except OSError:
            existing = _usable_record(folder, stage)
            if existing is not None:
                return existing
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return record
    raise ExportError(f"{folder} cannot be replaced; remove it and try again")
