"""``fit.json``: everything about a fit, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3d_client.printable import printable
from i3d_export.stage_cache import sha256_of
from i3d_fit.checks import Doubt
from i3d_fit.features import FeatureRun
from i3d_fit.fit_options import FitOptions
from i3d_fit.training import Classes, Trained

if TYPE_CHECKING:
    from i3d_export.export import ExportedModel
    from i3d_export.gate import Judged

FIT_VERSION = 1
_PACKAGES = ("i3d-triton", "numpy", "scikit-learn", "scipy")


def describe_fit(
    options: FitOptions,
    *,
    classes: Classes,
    features: FeatureRun,
    trained: Trained,
    doubts: Sequence[Doubt],
    suggestions_project: str,
    head_sha256: str,
) -> dict[str, Any]:
    """Return all that is known before models are exported; ``docs/own_behaviours.md`` names it."""
    material = trained.material
    return {
        "fit_version": FIT_VERSION,
        "name": options.files.name,
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "labels": list(classes.labels),
        "background": classes.background,
        "measures": trained.measures.document(),
        "chosen": {
            "strength": trained.cross_validation.strength,
            "grouped_by": trained.grouped_by,
            "groups": list(material.group_names),
            **trained.calibration.document(),
        },
        "cross_validation": trained.cross_validation.document(),
        "learning_curve": trained.curve.document(),
        "windows": {
            "measured": material.num_windows,
            "trained_on": int(material.pure.sum()),
            "clip_frames": material.clip_frames,
            "stride": features.contract.stride,
            "of_label": {
                label: {"measured": measured, "trained_on": trained_on}
                for label, measured, trained_on in zip(
                    classes.labels,
                    trained.measures.support.tolist(),
                    material.num_pure.tolist(),
                    strict=True,
                )
            },
        },
        "account": trained.account.document(),
        "doubts": [
            {"recording": printable(one.recording), "kind": one.kind, "said": one.said}
            for one in doubts
        ],
        "suggestions": [one.document() for one in trained.suggestions],
        "suggestions_project": suggestions_project,
        "features": {
            "model": dict(features.model),
            "frames_now": features.frames,
            "seconds": round(features.seconds, 3),
        },
        "videos": [
            {
                "recording": printable(video.recording),
                "path": printable(video.path.absolute()),
                "sha256": video.sha256,
                "frames": video.grid.num_frames,
                "windows": video.grid.count,
                "fps": video.fps,
                "annotated": video.recording in material.recording_names,
            }
            for video in features.videos
        ],
        "annotations": [
            {"path": printable(path.absolute()), "sha256": sha256_of(path)}
            for path in dict.fromkeys(options.annotations)
        ],
        "head_sha256": head_sha256,
        "options": _options(options),
        "times_s": {
            "features": round(features.seconds, 3),
            "training": round(trained.seconds, 3),
        },
        "temporal": None,
        "fine_tuning": None,
        "models": [],
        "refused": None,
        "packages": {name: version(name) for name in _PACKAGES},
    }


def describe_models(
    models: Sequence[ExportedModel],
    judged: Sequence[Judged],
    *,
    seconds: float,
    refused: str | None,
) -> dict[str, Any]:
    """Return what the document has of the models that were exported.

    Args:
        models: that are placed.
        judged: how each engine of each precision compares with FP32.
        seconds: that it took.
        refused: what the gate said, if it refused one.
    """
    return {
        "models": [
            {
                "name": model.name,
                "precision": model.precision,
                "stride": model.contract.stride,
                "folder": printable(model.folder),
            }
            for model in models
        ],
        "judged": [one.document() for one in judged],
        "refused": refused,
        "export_s": round(seconds, 3),
    }


def _options(options: FitOptions) -> dict[str, Any]:
    """Return the options as they were given; of the credentials, where they are."""
    access = options.access
    credentials = None if access is None else access.credentials
    metadata = options.metadata
    return {
        "out": printable(options.files.profile),
        "profile": options.profile,
        "labels": None if options.labels is None else list(options.labels),
        "rename": dict(options.names),
        "background": options.background,
        "metadata": None
        if metadata is None
        else {"path": printable(metadata.absolute()), "sha256": sha256_of(metadata)},
        "group_by": options.group_by,
        "observation": options.chosen.observation,
        "subject": options.chosen.subject,
        "stride": options.stride,
        "features_precision": options.features_precision,
        "server": None if access is None else access.server,
        "credentials": None if credentials is None else printable(credentials.folder),
        "model": options.model,
        "precisions": list(options.precisions),
        "engines": list(options.engines),
        "served_stride": options.served_stride,
        "repository": printable(_absolute(options.repository)),
        "context": options.context,
        "fine_tune": options.fine_tune,
        "epochs": options.epochs,
        "export": options.export,
        "force": options.force,
    }


def _absolute(path: Path) -> Path:
    return path.absolute()
