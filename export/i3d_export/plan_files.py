"""The files of one model's plan: read, compared, and replaced in one step.

``config.pbtxt`` is read as text, for the one field that matters: NVIDIA's TensorRT containers have
no protobuf. Standard library only, and Python 3.10, for the same reason.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from i3d_export.errors import PlanError
from i3d_export.plan_builder import BuildLog, BuiltPlan
from i3d_export.plan_stamp import (
    PlanBinding,
    PlanStamp,
    plan_document,
    read_stamp,
    stale_reason,
)

ONNX, PLAN, STAMP, BUILD = "model.onnx", "model.plan", "plan.json", "build.json"

_MAX_BATCH_SIZE = re.compile(r"^\s*max_batch_size\s*:\s*(\d+)", re.MULTILINE)
_BLOCK = 2**20


def max_batch_size(config: Path) -> int:
    """Read ``max_batch_size`` from a ``config.pbtxt``.

    Raises:
        PlanError: it is not there, or zero.
    """
    found = _MAX_BATCH_SIZE.search(config.read_text(encoding="utf-8"))
    size = int(found.group(1)) if found else 0
    if not size:
        raise PlanError(f"{config}: expected a max_batch_size of 1 or more")
    return size


def why_build(artefacts: Path, wanted: PlanBinding) -> tuple[PlanStamp | None, str | None]:
    """Return the stamp that is there, and why a build is needed; None if none is."""
    if not (artefacts / PLAN).is_file():
        return None, "no plan yet"
    stamp = read_stamp(artefacts / STAMP)
    if stamp is None:
        return None, f"{STAMP} is missing or cannot be read"
    reason = stale_reason(stamp, wanted)
    if reason is None and sha256_of(artefacts / PLAN) != stamp.plan_sha256:
        reason = f"{PLAN} is not the file that {STAMP} describes"
    return stamp, reason


def place(
    artefacts: Path, built: BuiltPlan, wanted: PlanBinding, *, driver_version: str
) -> PlanStamp:
    """Replace plan and stamp and return the stamp.

    The old stamp goes first: killed in between, a plan without a stamp is built again.
    """
    stamp = PlanStamp(
        binding=wanted,
        driver_version=driver_version,
        graph_precision=built.graph_precision,
        plan_sha256=hashlib.sha256(built.plan).hexdigest(),
        plan_bytes=built.plan.nbytes,
        activation_bytes=built.activation_bytes,
        build_seconds=round(built.build_seconds, 3),
    )
    document = plan_document(stamp, _read_build(artefacts / BUILD))
    with tempfile.TemporaryDirectory(prefix=".aside-", dir=artefacts) as aside:
        plan, text = Path(aside) / PLAN, Path(aside) / STAMP
        plan.write_bytes(built.plan)
        text.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")
        (artefacts / STAMP).unlink(missing_ok=True)
        plan.replace(artefacts / PLAN)
        text.replace(artefacts / STAMP)
    return stamp


def write_log(path: Path, log: BuildLog) -> None:
    """Write what TensorRT said, a line a message."""
    path.write_text("".join(f"{line}\n" for line in log.lines), encoding="utf-8")


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal; ``hashlib.file_digest`` is of Python 3.11."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let one process at a time work in a folder, where its file system can lock folders."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read_build(path: Path) -> dict[str, Any]:
    """Return what the export wrote of the model; nothing if it wrote nothing readable."""
    try:
        build = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return build if isinstance(build, dict) else {}
