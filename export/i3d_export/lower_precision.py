"""FP16 and INT8 from FP32: made, judged by the gate, and only then placed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract
from i3d_export import calibration, precision_stages
from i3d_export.agreement import Classes
from i3d_export.annotations import Annotation, annotated_classes
from i3d_export.default_clips import ADVICE, default_clips
from i3d_export.errors import ExportError, GateError
from i3d_export.gate import Judged, evidence_of, judge_answers
from i3d_export.openvino_engine import BIN, XML
from i3d_export.precision import OPENVINO_EXECUTION, Precision
from i3d_export.quantisation import Engine
from i3d_export.repository import build_document, write_model
from i3d_export.sampling import (
    Piece,
    Sample,
    SampledVideo,
    calibration_sample,
    held_out_sample,
    sampled_video,
)
from i3d_export.shape import GraphShape
from i3d_export.stage_cache import Stage, StageResult
from i3d_export.stages import ONNX

EVIDENCE_WINDOWS = 128


@dataclass(frozen=True, kw_only=True)
class Source:
    """FP32, from which every other precision is made."""

    contract: ModelContract
    shape: GraphShape
    variables: StageResult
    onnx: StageResult
    openvino: StageResult


@dataclass(frozen=True, kw_only=True)
class LowerPrecisions:
    """One export's lower precisions; what they share is computed once.

    Attributes:
        source: FP32.
        engines: whose files are made and judged.
        videos: to calibrate on and to judge by; empty takes the default clips.
        annotations: what a person saw in them, or None.
        force: place what the gate refuses.
        evidence_windows: how many to compare on, about.
        run: runs a stage.
        on_judged: called with each comparison.
        on_doubt: called with each warning.
    """

    source: Source
    engines: tuple[Engine, ...]
    videos: tuple[Path, ...]
    annotations: Sequence[Annotation] | None
    force: bool
    evidence_windows: int
    run: Callable[[Stage], StageResult]
    on_judged: Callable[[Judged], None]
    on_doubt: Callable[[str], None]

    def place(
        self, repository: Path, model: str, precision: Precision
    ) -> tuple[Path, tuple[Judged, ...]]:
        """Make, judge and place one precision; return the model's folder and the judgements.

        Raises:
            GateError: an engine is too far from FP32; nothing is placed.
            ExportError: see ``i3d_export.errors``.
        """
        made = self._make(precision)
        judged = tuple(self._judge(engine, model, precision, made) for engine in self.engines)
        refused = [one for one in judged if one.refused]
        if refused:
            raise GateError(
                f"{model} on {refused[0].engine} is refused: {refused[0].said}. It is not placed; "
                "--force places it and records that it was forced"
            )
        files = {"openvino": (XML, BIN), "tensorrt": (ONNX,)}
        folder = write_model(
            repository=repository,
            name=model,
            contract=self.source.contract,
            execution_precision=OPENVINO_EXECUTION[precision],
            artefacts=[(made, file) for engine in self.engines for file in files[engine]],
            build=self._build(precision, made, judged),
            verifications={one.engine: one.document() for one in judged},
        )
        return folder, judged

    def _make(self, precision: Precision) -> StageResult:
        if precision == "fp16":
            return self.run(precision_stages.fp16_stage(self.source.onnx))
        if not self.videos:
            self.on_doubt(ADVICE)
        for doubt in self._calibration.figures["doubts"]:
            self.on_doubt(doubt)
        return self.run(
            precision_stages.int8_stage(self.source.onnx, self._calibration, self.source.shape)
        )

    def _judge(self, engine: Engine, model: str, precision: Precision, made: StageResult) -> Judged:
        reference, reference_pieces = precision_stages.kept_answers(self._reference)
        answered = self.run(self._answers_stage(engine, precision, made))
        candidate, pieces = precision_stages.kept_answers(answered)
        if pieces != reference_pieces:
            raise ExportError(f"{model}: FP32 and {engine} answered different windows")
        executed = dict(answered.figures)
        if engine == "tensorrt":
            executed["note"] = "the graph; TensorRT's plan of it has not run"
        judged = judge_answers(
            reference,
            candidate,
            model=model,
            engine=engine,
            contract=self.source.contract,
            executed=executed,
            evidence=evidence_of(self._held_out, reference_sha256=self.source.onnx.sha256[ONNX]),
            annotated=self._annotated(pieces),
            force=self.force,
        )
        self.on_judged(judged)
        return judged

    def _annotated(self, pieces: Sequence[Piece]) -> Classes | None:
        if self.annotations is None:
            return None
        return annotated_classes(
            pieces, self._held_out.videos, self.annotations, contract=self.source.contract
        )

    def _answers_stage(self, engine: Engine, precision: Precision, made: StageResult) -> Stage:
        sample, contract = self._held_out, self.source.contract
        if engine == "tensorrt":
            return precision_stages.onnxruntime_answers_stage(
                made.folder / ONNX, made.sha256[ONNX], sample, contract
            )
        return precision_stages.openvino_answers_stage(
            made.folder,
            {XML: made.sha256[XML], BIN: made.sha256[BIN]},
            sample,
            contract,
            wanted=OPENVINO_EXECUTION[precision],
        )

    def _build(
        self, precision: Precision, made: StageResult, judged: Sequence[Judged]
    ) -> dict[str, Any]:
        engines: dict[str, dict[str, Any]] = {}
        for one in judged:
            engines[one.engine] = {"verdict": str(one.verdict), "forced": one.forced}
            if one.engine == "openvino":
                engines[one.engine] |= {
                    "version": made.figures["version"],
                    "execution_precision": OPENVINO_EXECUTION[precision],
                    "executed_at_export": dict(one.executed),
                    "xml_sha256": made.sha256[XML],
                    "bin_sha256": made.sha256[BIN],
                }
        more = {"calibration": dict(self._calibration.figures)} if precision == "int8" else {}
        return build_document(
            precision=precision,
            variables=self.source.variables,
            graph=made,
            reference=self.source.onnx,
            engines=engines,
            more=more,
        )

    @cached_property
    def _sampled(self) -> list[SampledVideo]:
        contract = self.source.contract
        if not self.videos:
            return default_clips(contract)
        return [sampled_video(video, contract=contract) for video in self.videos]

    @cached_property
    def _calibration_sample(self) -> Sample:
        windows = self.source.contract.windows_per_segment
        # A segment of many windows costs as much as they do; windows of a segment overlap, so a
        # third of the segments is the least that still shows the videos' variety.
        segments = max(calibration.SEGMENTS // 3, calibration.SEGMENTS // windows)
        return calibration_sample(
            self._sampled,
            contract=self.source.contract,
            segments=segments,
            seed=calibration.SEED,
        )

    @cached_property
    def _calibration(self) -> StageResult:
        stage = precision_stages.calibration_stage(
            self.source.onnx, self._calibration_sample, self.source.contract
        )
        return self.run(stage)

    @cached_property
    def _held_out(self) -> Sample:
        return held_out_sample(
            self._sampled,
            contract=self.source.contract,
            windows=self.evidence_windows,
            used=self._calibration_sample.ranges(),
        )

    @cached_property
    def _reference(self) -> StageResult:
        onnx = self.source.onnx
        stage = precision_stages.onnxruntime_answers_stage(
            onnx.folder / ONNX, onnx.sha256[ONNX], self._held_out, self.source.contract
        )
        return self.run(stage)
