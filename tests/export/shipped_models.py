"""A shipped profile at every precision; stages come from the user's cache when they are there."""

from pathlib import Path

from i3d_export.evidence import EVIDENCE_WINDOWS
from i3d_export.export import ExportedModel, export_models
from i3d_export.precision import Precision


def every_precision(profile: str, repository: Path) -> dict[Precision, ExportedModel]:
    """Export FP32, INT8 (kinetics400: with the gate's full evidence) and FP16 (a few windows).

    FP16 is slow on most processors; docs/precisions.md has its full comparison.
    """
    random_head = profile == "homecage9"
    full = export_models(
        profile=profile,
        repository=repository,
        precisions=("fp32", "int8"),
        random_head=random_head,
        evidence_windows=8 if random_head else EVIDENCE_WINDOWS,
    )
    quick = export_models(
        profile=profile,
        repository=repository,
        precisions=("fp16",),
        random_head=random_head,
        evidence_windows=4,
    )
    return {model.precision: model for model in (*full, *quick)}
