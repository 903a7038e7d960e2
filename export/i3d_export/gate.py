"""The gate: a precision's answers beside FP32's, judged and put on record.

The record is ``1/verification.<engine>.json`` in the model's folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from i3d_client.contract import ModelContract
from i3d_export.accuracy import Accuracy, Classes
from i3d_export.agreement import (
    Agreement,
    Probabilities,
    Verdict,
    compare_answers,
    judge,
)
from i3d_export.sampling import Sample


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One engine of one model, judged.

    Attributes:
        model: its name.
        engine: ``openvino``, ``tensorrt``.
        executed: what computed the answers, and in what precision, as read back.
        agreement: the figures.
        verdict: what the gate says.
        said: the number that decided, in words.
        forced: whether a model that failed is kept all the same.
        evidence: the windows that were compared.
    """

    model: str
    engine: str
    executed: Mapping[str, Any]
    agreement: Agreement
    verdict: Verdict
    said: str
    forced: bool
    evidence: Mapping[str, Any]

    @property
    def refused(self) -> bool:
        """Whether the model may not enter the repository; too little evidence is no refusal."""
        return self.verdict is Verdict.FAILED and not self.forced

    def document(self) -> dict[str, Any]:
        """Return the record as plain values."""
        agreement = self.agreement
        figures = asdict(agreement)
        figures["agreement"] = agreement.agreement
        figures["decided_agreement"] = agreement.decided_agreement
        for entry, described in zip(agreement.classes, figures["classes"], strict=True):
            described["agreement"] = entry.agreement
        if agreement.accuracy is not None:
            figures["accuracy"]["worst_class"] = asdict(agreement.accuracy.worst_class)
        return {
            "model": self.model,
            "engine": self.engine,
            "verdict": str(self.verdict),
            "said": self.said,
            "forced": self.forced,
            "executed": dict(self.executed),
            "reference": f"ONNX Runtime {version('onnxruntime')}, the FP32 graph",
            "evidence": dict(self.evidence),
            "figures": figures,
        }


def judge_answers(
    reference: Probabilities,
    candidate: Probabilities,
    *,
    model: str,
    engine: str,
    contract: ModelContract,
    executed: Mapping[str, Any],
    evidence: Mapping[str, Any],
    annotated: Classes | None = None,
    pieces: Classes | None = None,
    force: bool = False,
) -> Judged:
    """Compare, judge, and say whether it stays; see ``agreement`` for arguments and rules."""
    agreement = compare_answers(
        reference, candidate, labels=contract.labels, annotated=annotated, pieces=pieces
    )
    verdict, said = judge(agreement)
    return Judged(
        model=model,
        engine=engine,
        executed=executed,
        agreement=agreement,
        verdict=verdict,
        said=said,
        forced=force and verdict is Verdict.FAILED,
        evidence=evidence,
    )


def evidence_of(sample: Sample, *, reference_sha256: str) -> dict[str, Any]:
    """Describe the windows: which frames of which videos, none of which calibration used."""
    ranges = sample.ranges()
    return {
        "reference_onnx_sha256": reference_sha256,
        "videos": [
            {"name": v.path.name, "sha256": v.sha256, "frames": ranges.get(v.sha256, [])}
            for v in sample.videos
            if v.sha256 in ranges
        ],
    }


def table(judged: Judged, *, classes: int = 10) -> list[str]:
    """Return what is printed: the figures, the worst classes, the verdict."""
    a = judged.agreement
    lines = [
        f"{judged.model} on {judged.engine} ({_executed(judged.executed)}) against FP32",
        f"  windows                          {a.windows:>8}",
        f"  first class agrees               {a.agreement:>8.2%}",
        f"  windows that FP32 decides (> 0.5){a.decided_windows:>8}",
    ]
    if a.decided_agreement is not None:
        lines.append(f"  first class agrees on those      {a.decided_agreement:>8.2%}")
    lines += [
        f"  KL divergence, mean and worst    {a.mean_kl:>8.4f} {a.worst_kl:8.4f}",
        f"  largest probability difference   {a.largest_probability_difference:>8.4f}",
    ]
    if a.accuracy is not None:
        lines += _accuracy_lines(a.accuracy, classes)
    lines.append(
        "  classes that FP32 puts first, the worst first: windows agreeing / all (decided)"
    )
    lines += [
        f"    {entry.label:<32} {entry.agreeing:>5} / {entry.windows:<5} "
        f"({entry.decided_agreeing} / {entry.decided_windows})"
        for entry in a.classes[:classes]
    ]
    if len(a.classes) > classes:
        lines.append(f"    and {len(a.classes) - classes} classes more, in the file")
    forced = " (FORCED)" if judged.forced else ""
    return [*lines, f"  {str(judged.verdict).upper()}{forced}: {judged.said}"]


def _accuracy_lines(accuracy: Accuracy, classes: int) -> list[str]:
    worst = accuracy.worst_class
    lines = [
        f"  balanced accuracy, FP32 and this {accuracy.reference:>8.2%} {accuracy.candidate:8.2%}",
        f"  worst class's recall             {worst.reference:>8.2%} {worst.candidate:8.2%}"
        f"  {worst.label}",
        "  recall of annotated classes, FP32 and this, the largest loss first (windows)",
    ]
    lines += [
        f"    {one.label:<32} {one.reference:>7.1%} {one.candidate:>7.1%}  ({one.windows})"
        for one in accuracy.recalls[:classes]
    ]
    if len(accuracy.recalls) > classes:
        lines.append(f"    and {len(accuracy.recalls) - classes} classes more, in the file")
    return lines


def _executed(executed: Mapping[str, Any]) -> str:
    layers: Mapping[str, int] = executed.get("layers", {})
    counted: Sequence[str] = [f"{count} layers in {name}" for name, count in layers.items()]
    return ", ".join([str(executed["executed_by"]), *counted])
