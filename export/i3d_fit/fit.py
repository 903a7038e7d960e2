"""From annotated videos to models: what ``i3d fit`` does.

Annotations are read and looked at first, since they cost nothing; then features, which cost the
most and are kept; then the head with all that is measured of it, which is written before models are
exported from it.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3d_client.durable import write_errors
from i3d_client.errors import InputError
from i3d_client.inputs import Input, collect
from i3d_client.printable import printable
from i3d_client.temporal_head import save_temporal_head
from i3d_export.errors import GateError
from i3d_export.export import model_name
from i3d_export.head import save_head
from i3d_export.precision import PRECISIONS
from i3d_export.profiles import Profile, load_profile
from i3d_export.repository import BUILD_FILE
from i3d_export.stage_cache import StageResult, cache_folder, sha256_of
from i3d_fit.checks import (
    Doubt,
    check_annotations,
    check_groups,
    check_labels,
    check_unmatched,
)
from i3d_fit.errors import FitError
from i3d_fit.feature_source import EmbeddedSource, FeatureSource, ServedSource
from i3d_fit.features import FeatureRun, compute_features, weights_doubt
from i3d_fit.fit_annotations import AnnotatedVideos, annotations_of, frames_of
from i3d_fit.fit_document import describe_fit, describe_models
from i3d_fit.fit_files import (
    ANNOTATIONS_FILE,
    FIT_FILE,
    SUGGESTIONS_FILE,
    SUGGESTIONS_PROJECT,
    WINDOWS_FILE,
    write_annotations,
    write_fit,
    write_windows,
)
from i3d_fit.fit_options import FitOptions
from i3d_fit.fit_profile import profile_text, weights_sha256, write_profile
from i3d_fit.groups import groups_of
from i3d_fit.labels import choose_labels
from i3d_fit.replaceable import alone_in, check_replaceable
from i3d_fit.report import REPORT_FILE, write_report
from i3d_fit.suggestion_files import (
    SuggestedVideo,
    unused_project,
    write_suggestions_project,
    write_suggestions_table,
)
from i3d_fit.temporal import Network, Temporal, fit_temporal
from i3d_fit.training import SEED, Classes, Groups, Trained, train

if TYPE_CHECKING:
    from i3d_client.contract import ModelContract
    from i3d_export.export import ExportedModel
    from i3d_export.gate import Judged
    from i3d_fit.fine_tuned import FineTuned

NUM_SUGGESTIONS = 20


@dataclass(frozen=True, kw_only=True)
class Told:
    """Who is told what, while a fit goes on.

    Attributes:
        say: what happens.
        doubt: what the user should know.
        fitted: called once the head is written, with the document, before models are exported.
        temporal: called with a temporal head, once it is written, and how it compares.
        tuned: what fine-tuning found.
        stage: each stage of an export.
        judged: each precision beside FP32.
    """

    say: Callable[[str], None] = lambda _text: None
    doubt: Callable[[str], None] = lambda _text: None
    fitted: Callable[[Trained, dict[str, Any]], None] = lambda _trained, _document: None
    temporal: Callable[[Temporal, str], None] = lambda _found, _said: None
    tuned: Callable[[FineTuned], None] = lambda _found: None
    stage: Callable[[StageResult], None] = lambda _stage: None
    judged: Callable[[Judged], None] = lambda _judged: None


def fit(options: FitOptions, *, told: Told) -> dict[str, Any]:
    """Fit a head, write it with all that explains it, and export models of it.

    Args:
        options: how.
        told: who is told what.

    Returns:
        The content of ``fit.json``.

    Raises:
        GateError: a precision is too far from FP32; all else is written, and so is that.
        KeyboardInterrupt: it was interrupted; features that are done are kept.
        I3dError: something cannot be used; the message says what.
    """
    check_replaceable(
        options.files,
        given=(*options.annotations, *([options.metadata] if options.metadata else [])),
        overwrite=options.overwrite,
    )
    profile = load_profile(options.profile)
    inputs = collect(options.videos, glob=None, concatenate=False, on_note=told.say)
    _check_names(inputs)
    annotated = annotations_of(options.annotations, inputs, chosen=options.chosen)
    classes = Classes(
        labels=choose_labels(
            annotated.matched,
            labels=options.labels,
            names=options.names,
            background=options.background,
        ),
        names=options.names,
        background=options.background,
        label_frame=profile.contract.label_frame,
    )
    recordings = list(annotated.of_recording)
    names, by, unused = groups_of(
        recordings,
        metadata=options.metadata,
        by=options.group_by,
        others=[str(one.name) for one in inputs if str(one.name) not in annotated.of_recording],
    )
    groups = Groups(of_recording=dict(zip(recordings, names, strict=True)), by=by)
    contract = dataclasses.replace(
        profile.contract,
        profile=options.files.name,
        labels=classes.labels,
        stride=options.served_stride or profile.contract.stride,
    )
    doubts = [
        *check_labels(classes.labels, annotated.matched),
        *check_groups(groups.by, unused),
        *_first_doubts(annotated, inputs),
    ]
    for one in doubts:
        told.doubt(_said(one))
    with write_errors(options.files.folder):
        options.files.folder.mkdir(parents=True, exist_ok=True)
    with alone_in(options.files.folder):
        return _fit(options, profile, inputs, annotated, classes, groups, contract, doubts, told)


def _fit(
    options: FitOptions,
    profile: Profile,
    inputs: Sequence[Input],
    annotated: AnnotatedVideos,
    classes: Classes,
    groups: Groups,
    contract: ModelContract,
    doubts: Sequence[Doubt],
    told: Told,
) -> dict[str, Any]:
    """Do what takes time, once all that is given has been looked at."""
    cache = options.cache or cache_folder()
    features = compute_features(
        inputs,
        source=_source(options, profile, annotated, inputs, cache=cache, told=told),
        cache=cache,
        workers=options.workers,
        anew=options.anew,
        say=told.say,
    )
    if profile.checkpoint is not None:
        told.doubt(
            f"{options.profile} has weights of its own: if they were trained on some of these "
            "videos, what is measured on those is too good"
        )
    other_weights = weights_doubt(features, weights_sha256=weights_sha256(profile))
    if other_weights is not None:
        told.doubt(other_weights)
    trained = train(
        features.videos,
        annotated.of_recording,
        classes=classes,
        groups=groups,
        num_suggestions=NUM_SUGGESTIONS,
        say=told.say,
    )
    for one in trained.doubts:
        told.doubt(_said(one))
    document = _write(
        options,
        contract=contract,
        checkpoint=profile.checkpoint,
        classes=classes,
        features=features,
        trained=trained,
        doubts=(*doubts, *trained.doubts),
    )
    told.fitted(trained, document)
    if options.context is not None:
        document = _add_context(
            options, document, features, trained, context_frames=options.context, told=told
        )
    if options.fine_tune is not None:
        document = _fine_tune(
            options,
            document,
            features,
            trained,
            blocks=options.fine_tune,
            contract=contract,
            cache=cache,
            told=told,
        )
    for text in _of_earlier_fits(options, document):
        told.doubt(text)
    if not options.export:
        for text in _older_models(options, document):
            told.doubt(text)
        return document
    return _export(options, document, features, trained, cache=cache, told=told)


def _check_names(inputs: Sequence[Input]) -> None:
    """See that tables can name the videos.

    Raises:
        InputError: a name is not UTF-8.
    """
    for given in inputs:
        try:
            str(given.files[0].resolve()).encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{printable(given.files[0])}: expected a name in UTF-8, so that tables can hold "
                "it. Rename the file or the folder"
            ) from error


def _first_doubts(annotated: AnnotatedVideos, inputs: Sequence[Input]) -> list[Doubt]:
    """Return what is odd about annotations, before anything is computed."""
    doubts = check_unmatched(annotated.unmatched)
    for given in inputs:
        name = str(given.name)
        if name in annotated.of_recording:
            frames, recording = frames_of(given)
            doubts += check_annotations(
                annotated.of_recording[name], frames, recording=name, fps=float(recording.fps)
            )
    return doubts


def _said(doubt: Doubt) -> str:
    return f"{doubt.recording}: {doubt.said}" if doubt.recording else doubt.said


def _source(
    options: FitOptions,
    profile: Profile,
    annotated: AnnotatedVideos,
    inputs: Sequence[Input],
    *,
    cache: Path,
    told: Told,
) -> FeatureSource:
    contract = profile.contract
    if options.access is not None:
        return ServedSource(access=options.access, model=options.model, contract=contract)
    if not 1 <= options.stride <= contract.clip_frames:
        raise FitError(
            f"--stride: expected 1 to {contract.clip_frames}, the frames of a window, got "
            f"{options.stride}"
        )
    return EmbeddedSource(
        profile=options.profile,
        contract=contract,
        weights_sha256=weights_sha256(profile),
        precision=options.features_precision,
        stride=options.stride,
        videos=tuple(
            given.files[0] for given in inputs if str(given.name) in annotated.of_recording
        ),
        cache=cache,
        on_stage=told.stage,
        on_doubt=told.doubt,
        say=told.say,
    )


def _write(
    options: FitOptions,
    *,
    contract: ModelContract,
    checkpoint: Path | None,
    classes: Classes,
    features: FeatureRun,
    trained: Trained,
    doubts: Sequence[Doubt],
) -> dict[str, Any]:
    """Write head, profile, tables and report; return the document."""
    files = options.files
    save_head(trained.head, files.head)
    note = f"Behaviours of one's own, made by i3d fit from {len(features.videos)} videos."
    text = profile_text(
        contract, path=files.profile, head=files.head, checkpoint=checkpoint, note=note
    )
    write_profile(files.profile, text)
    write_windows(files.folder / WINDOWS_FILE, trained, features.videos)
    write_annotations(files.folder / ANNOTATIONS_FILE, trained, features.videos)
    write_suggestions_table(files.folder / SUGGESTIONS_FILE, trained.suggestions)
    project = unused_project(files.folder / SUGGESTIONS_PROJECT)
    write_suggestions_project(
        project,
        trained.suggestions,
        labels=classes.labels,
        videos=_suggested_videos(features),
        made_by=f"The fit {files.name} is least sure of them.",
    )
    document = describe_fit(
        options,
        classes=classes,
        features=features,
        trained=trained,
        doubts=doubts,
        suggestions_project=project.name,
        head_sha256=sha256_of(files.head),
    )
    _write_both(options, document, trained)
    return document


def _write_both(options: FitOptions, document: dict[str, Any], trained: Trained) -> None:
    write_report(options.files.folder / REPORT_FILE, document, trained)
    write_fit(options.files.folder / FIT_FILE, document)


def _suggested_videos(features: FeatureRun) -> dict[str, SuggestedVideo]:
    return {
        video.recording: SuggestedVideo(
            paths=(video.path,),
            lengths_s=(int(video.times_us[-1]) / 1e6,),
            fps=(video.fps,),
        )
        for video in features.videos
    }


def _add_context(
    options: FitOptions,
    document: dict[str, Any],
    features: FeatureRun,
    trained: Trained,
    *,
    context_frames: int,
    told: Told,
) -> dict[str, Any]:
    """Train a head that sees windows among their neighbours, and write it."""
    started = time.monotonic()
    found = fit_temporal(
        features.videos,
        trained.material,
        trained.cross_validation,
        context_frames=context_frames,
        network=Network(
            contract=features.contract,
            checkpoint_sha256=(features.model.get("build") or {}).get("checkpoint_sha256", ""),
        ),
        unit=trained.unit,
        seed=SEED,
    )
    save_temporal_head(found.head, options.files.temporal_head)
    alone = trained.measures
    told_of = {"said": found.said(alone), "better": found.is_better(alone)}
    temporal = {**found.document(), **told_of, "sha256": sha256_of(options.files.temporal_head)}
    times = {**document["times_s"], "temporal": round(time.monotonic() - started, 3)}
    document = {**document, "temporal": temporal, "times_s": times}
    _write_both(options, document, trained)
    told.temporal(found, temporal["said"])
    return document


def _fine_tune(
    options: FitOptions,
    document: dict[str, Any],
    features: FeatureRun,
    trained: Trained,
    *,
    blocks: int,
    contract: ModelContract,
    cache: Path,
    told: Told,
) -> dict[str, Any]:
    """Train blocks of the network too; write what became of that."""
    from i3d_fit.fit_fine_tuning import fine_tune_fit

    found = fine_tune_fit(
        options,
        blocks=blocks,
        contract=contract,
        features=features,
        trained=trained,
        cache=cache,
        say=told.say,
        tuned=told.tuned,
    )
    times = {**document["times_s"], "fine_tuning": found.pop("seconds")}
    document = {**document, "fine_tuning": found, "times_s": times}
    _write_both(options, document, trained)
    return document


def _of_earlier_fits(options: FitOptions, document: dict[str, Any]) -> Iterator[str]:
    """Yield what to know about files of this name that this fit has not made."""
    files = options.files
    fine_tuned = document.get("fine_tuning") or {}
    made = (
        (files.temporal_head, "--context", document.get("temporal") is not None),
        (files.network, "--fine-tune", fine_tuned.get("network_sha256") is not None),
    )
    for file, option, is_made in made:
        if not is_made and file.exists():
            yield (
                f"{file.name}: is of an earlier fit, this one made none ({option}); it knows "
                "nothing of what was annotated since"
            )


def _older_models(options: FitOptions, document: dict[str, Any]) -> Iterator[str]:
    """Yield what to know about models of this name that are not of this fit."""
    weights = (document["fine_tuning"] or {}).get("network_sha256") or document["head_sha256"]
    for precision in PRECISIONS:
        folder = options.repository / model_name(options.files.name, precision)
        try:
            is_of_this = weights in (folder / "1" / BUILD_FILE).read_text(encoding="utf-8")
        except FileNotFoundError:
            continue
        except (OSError, ValueError):
            is_of_this = False
        if not is_of_this:
            yield (
                f"{printable(folder)}: is of an earlier fit, and answers by that one's labels and "
                f"annotation. Export it anew with --precision {precision}, or remove that folder"
            )


def _export(
    options: FitOptions,
    document: dict[str, Any],
    features: FeatureRun,
    trained: Trained,
    *,
    cache: Path,
    told: Told,
) -> dict[str, Any]:
    """Export a model of each precision; write what became of them, whatever that is."""
    from i3d_export.export import export_models

    told.say("exporting: minutes for each precision, most of them to compare it with FP32")
    started = time.monotonic()
    judged: list[Judged] = []
    models: list[ExportedModel] = []
    refused: GateError | None = None

    def keep(one: Judged) -> None:
        judged.append(one)
        told.judged(one)

    names = set(trained.material.recording_names)
    try:
        for precision in options.precisions:
            try:
                models += export_models(
                    profile=str(options.files.profile),
                    repository=options.repository,
                    precisions=(precision,),
                    engines=options.engines,
                    calibrate=[video.path for video in features.videos if video.recording in names],
                    annotations=options.files.folder / ANNOTATIONS_FILE,
                    force=options.force,
                    cache=cache,
                    on_stage=told.stage,
                    on_judged=keep,
                    on_doubt=told.doubt,
                )
            except GateError as error:
                refused = refused or error
    finally:
        seconds = time.monotonic() - started
        said = None if refused is None else str(refused)
        exported = describe_models(models, judged, seconds=seconds, refused=said)
        times = {**document["times_s"], "export": exported.pop("export_s")}
        document = {**document, **exported, "times_s": times}
        _write_both(options, document, trained)
    for text in _older_models(options, document):
        told.doubt(text)
    if refused is not None:
        raise refused
    return document
