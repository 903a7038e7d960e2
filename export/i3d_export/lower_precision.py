"""FP16 and INT8 from FP32: made, judged by the gate, and only then placed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from i3d_export import precision_stages
from i3d_export.accuracy import Classes
from i3d_export.annotations import Annotation, annotated_classes
from i3d_export.default_clips import ADVICE
from i3d_export.errors import ExportError, GateError
from i3d_export.evidence import Footage, footage, to_calibrate, to_judge, unjudged
from i3d_export.fp32 import Source
from i3d_export.gate import Judged, evidence_of, judge_answers
from i3d_export.openvino_engine import BIN, XML
from i3d_export.precision import OPENVINO_EXECUTION, Precision
from i3d_export.quantisation import Engine
from i3d_export.repository import build_document, write_model
from i3d_export.sampling import Piece, Sample, piece_of_windows
from i3d_export.stage_cache import Stage, StageResult
from i3d_export.stages import ONNX


def openvino_entry(
    precision: Precision, made: StageResult, executed: Mapping[str, Any]
) -> dict[str, Any]:
    """Return what a model's build document says of OpenVINO's files."""
    return {
        "version": made.figures["version"],
        "execution_precision": OPENVINO_EXECUTION[precision],
        "executed_at_export": dict(executed),
        "xml_sha256": made.sha256[XML],
        "bin_sha256": made.sha256[BIN],
    }


@dataclass(frozen=True, kw_only=True)
class LowerPrecisions:
    """One export's lower precisions; what they share is computed once.

    Attributes:
        source: FP32.
        engines: whose files are made and judged.
        videos: to calibrate on and to judge by; empty takes the default clips.
        annotations: what a person saw in them, or None.
        force: place what the gate refuses.
        evidence_windows: how many to compare on, about, see ``evidence.to_judge``.
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
            pieces=piece_of_windows(pieces, self.source.contract),
            force=self.force,
        )
        self.on_judged(judged)
        return judged

    def _annotated(self, pieces: Sequence[Piece]) -> Classes | None:
        classes, contract = self._footage.classes, self.source.contract
        return None if classes is None else annotated_classes(pieces, classes, contract=contract)

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
                engines[one.engine] |= openvino_entry(precision, made, one.executed)
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
    def _footage(self) -> Footage:
        found = footage(self.videos, self.annotations, contract=self.source.contract)
        if self.annotations is not None and found.classes is None:
            self.on_doubt(
                "no frame of the videos is annotated, so accuracy is not compared: do the names "
                "in the annotations match those of the videos?"
            )
        return found

    @cached_property
    def _calibration_sample(self) -> Sample:
        return to_calibrate(self._footage, contract=self.source.contract)

    @cached_property
    def _calibration(self) -> StageResult:
        stage = precision_stages.calibration_stage(
            self.source.onnx, self._calibration_sample, self.source.contract
        )
        return self.run(stage)

    @cached_property
    def _held_out(self) -> Sample:
        contract = self.source.contract
        sample = to_judge(
            self._footage,
            contract=contract,
            windows=self.evidence_windows,
            used=self._calibration_sample.ranges(),
        )
        missing = unjudged(self._footage, sample, contract=contract)
        if missing:
            self.on_doubt(
                f"lower precisions are not judged on {', '.join(missing)}: no window that shows "
                "it is left besides those that calibration used. Annotate more of it"
            )
        return sample

    @cached_property
    def _reference(self) -> StageResult:
        onnx = self.source.onnx
        stage = precision_stages.onnxruntime_answers_stage(
            onnx.folder / ONNX, onnx.sha256[ONNX], self._held_out, self.source.contract
        )
        return self.run(stage)
