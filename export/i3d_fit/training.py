"""From features and annotations to a head, and to all that is known of how good it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.compare.annotated_frames import UNANNOTATED, Frames
from i3d_export.head import TrainedHead
from i3d_fit.account import Account, total
from i3d_fit.annotated import AnnotatedWindows, annotate_windows
from i3d_fit.calibration import Calibration, calibrated, calibration_of, probabilities_of
from i3d_fit.checks import Doubt, check_apart, check_predictions, predicted_frames
from i3d_fit.cross_validation import CrossValidation, cross_validate
from i3d_fit.errors import FitError
from i3d_fit.features import VideoFeatures
from i3d_fit.learning_curve import LearningCurve, learning_curve
from i3d_fit.logistic import fit_logistic
from i3d_fit.material import Material
from i3d_fit.measures import Measures, kappa_of, measure
from i3d_fit.suggestions import ScoredRecording, Suggestion, suggest

SEED = 0
_ROWS_AT_ONCE = 1 << 14

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trained:
    """A head, and how good it is.

    Attributes:
        head: its probabilities are calibrated.
        material: what it was trained and measured on.
        windows: by recording, the annotations on its windows.
        grouped_by: what is never divided between training and test, for people.
        cross_validation: every window of the material, by a head that has not seen its group.
        probabilities: (n, K) float64, those answers, calibrated.
        calibration: of the probabilities.
        measures: of those answers.
        curve: of how much is annotated.
        account: of the annotations.
        doubts: what may be wrong with annotations, by what is predicted.
        suggestions: what to annotate next.
        seconds: that all this took.
    """

    head: TrainedHead
    material: Material
    windows: Mapping[str, AnnotatedWindows]
    grouped_by: str
    cross_validation: CrossValidation
    probabilities: NDArray[np.float64]
    calibration: Calibration
    measures: Measures
    curve: LearningCurve
    account: Account
    doubts: tuple[Doubt, ...]
    suggestions: tuple[Suggestion, ...]
    seconds: float

    @property
    def unit(self) -> str:
        """What a group is: ``animal`` or ``video``."""
        return _unit_of(self.grouped_by)


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Which behaviours are told apart, and what counts as each.

    Attributes:
        labels: in the order of the outputs.
        names: the label for a behaviour of another name; an empty one leaves it out.
        background: the label of what is annotated as none of the others; None for no such class.
        label_frame: which of a window's frames its label is for.
    """

    labels: tuple[str, ...]
    names: Mapping[str, str]
    background: str | None
    label_frame: LabelFrame


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What is never both trained on and tested.

    Attributes:
        of_recording: the group of each recording that has annotations.
        by: what they are grouped by, for people.
    """

    of_recording: Mapping[str, str]
    by: str

    @property
    def unit(self) -> str:
        """What a group is: ``animal`` or ``video``."""
        return _unit_of(self.by)


def train(
    videos: Sequence[VideoFeatures],
    annotations: Mapping[str, Sequence[Annotation]],
    *,
    classes: Classes,
    groups: Groups,
    num_suggestions: int,
    say: Say = lambda _text: None,
) -> Trained:
    """Train a head and measure it.

    Args:
        videos: their features; those without annotations are only looked through for what to
            annotate next.
        annotations: by recording.
        classes: to tell apart.
        groups: of the recordings that have annotations.
        num_suggestions: stretches to annotate next, at most.
        say: told how far it is.

    Raises:
        FitError: there is too little to train on.
    """
    started = time.monotonic()
    windows = {
        video.recording: annotate_windows(
            annotations.get(video.recording, ()),
            frames_of_features(video),
            grid=video.grid,
            label_frame=classes.label_frame,
            labels=classes.labels,
            names=classes.names,
            background=classes.background,
            scored=video.scored,
        )
        for video in videos
    }
    annotated = [video for video in videos if (windows[video.recording].codes >= 0).any()]
    names = [groups.of_recording[video.recording] for video in annotated]
    material = _material(annotated, windows, groups=names, labels=classes.labels)
    unit = groups.unit
    say(f"training on {material.num_windows:,} windows of {len(annotated)} videos")
    validated = cross_validate(material, seed=SEED, unit=unit)
    calibration = calibration_of(validated.logits, material.codes)
    head = calibrated(fit_logistic(material, strength=validated.strength), calibration.temperature)
    say("learning curve")
    curve = learning_curve(material, validated, seed=SEED)
    accounts = [
        windows[video.recording].account for video in videos if video.recording in annotations
    ]
    return Trained(
        head=head,
        material=material,
        windows=windows,
        grouped_by=groups.by,
        cross_validation=validated,
        probabilities=probabilities_of(validated.logits, calibration.temperature),
        calibration=calibration,
        measures=measure(
            material.codes,
            validated.predicted,
            groups=material.groups,
            labels=classes.labels,
            seed=SEED,
            unit=unit,
        ),
        curve=curve,
        account=total(accounts),
        doubts=tuple(_doubts(annotated, windows, material, validated, classes.label_frame)),
        suggestions=tuple(
            suggest(
                _scored(videos, windows, head),
                labels=classes.labels,
                clip_frames=material.clip_frames,
                count=num_suggestions,
            )
        ),
        seconds=time.monotonic() - started,
    )


def frames_of_features(video: VideoFeatures) -> Frames:
    """Return the frames of a video as annotations are laid on them."""
    return Frames(
        first_frame=0, times_us=video.times_us, videos=(video.path.name,), video_frames=(0,)
    )


def windows_of(trained: Trained, recording: str) -> NDArray[np.int64]:
    """Return the rows of the material that are of a recording."""
    names = trained.material.recording_names
    place = names.index(recording) if recording in names else -1
    return np.flatnonzero(trained.material.recordings == place)


def _unit_of(grouped_by: str) -> str:
    return "animal" if grouped_by.startswith("animal") else "video"


def _material(
    videos: Sequence[VideoFeatures],
    windows: Mapping[str, AnnotatedWindows],
    *,
    groups: Sequence[str],
    labels: tuple[str, ...],
) -> Material:
    if not videos:
        raise FitError(
            "expected annotated windows, got none: no label lies within a video. Are the "
            "annotations of these videos, and in seconds from their first frame?"
        )
    chosen = [np.flatnonzero(windows[video.recording].codes >= 0) for video in videos]
    counts = [len(rows) for rows in chosen]
    group_names = tuple(dict.fromkeys(groups))
    places = np.array([group_names.index(group) for group in groups], np.int64)
    parts = list(zip(videos, chosen, strict=True))
    return Material(
        features=np.concatenate([video.features[rows] for video, rows in parts]),
        codes=np.concatenate(
            [windows[video.recording].codes[rows].astype(np.int64) for video, rows in parts]
        ),
        pure=np.concatenate([windows[video.recording].pure[rows] for video, rows in parts]),
        recordings=np.repeat(np.arange(len(videos), dtype=np.int64), counts),
        groups=np.repeat(places, counts),
        starts=np.concatenate(
            [video.grid.starts(0, video.grid.count)[rows] for video, rows in parts]
        ),
        labels=labels,
        recording_names=tuple(video.recording for video in videos),
        group_names=group_names,
        clip_frames=videos[0].grid.clip_frames,
    )


def _doubts(
    videos: Sequence[VideoFeatures],
    windows: Mapping[str, AnnotatedWindows],
    material: Material,
    validated: CrossValidation,
    label_frame: LabelFrame,
) -> Iterator[Doubt]:
    """Yield what is odd about each recording's annotations, by heads that have not seen them."""
    kappas = {}
    doubted = set()
    for place, video in enumerate(videos):
        own = windows[video.recording]
        predicted = np.full(len(own.codes), UNANNOTATED, np.int16)
        rows = material.recordings == place
        predicted[own.codes >= 0] = validated.predicted[rows]
        kappas[video.recording] = kappa_of(material.codes[rows], validated.predicted[rows])
        for doubt in check_predictions(
            own.frame_codes,
            predicted_frames(predicted, grid=video.grid, label_frame=label_frame),
            frames=frames_of_features(video),
            recording=video.recording,
            fps=video.fps,
        ):
            doubted.add(video.recording)
            yield doubt
    for doubt in check_apart(kappas):
        if doubt.recording not in doubted:  # else a better reason is known
            yield doubt


def _scored(
    videos: Sequence[VideoFeatures], windows: Mapping[str, AnnotatedWindows], head: TrainedHead
) -> Iterator[ScoredRecording]:
    for video in videos:
        codes = windows[video.recording].codes
        probabilities = np.zeros((video.grid.count, len(head.labels)), np.float32)
        for first in range(0, video.grid.count, _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            probabilities[part] = head.probabilities(np.asarray(video.features[part]))
        probabilities[~video.scored] = 0
        yield ScoredRecording(
            name=video.recording,
            probabilities=probabilities,
            starts=video.grid.starts(0, video.grid.count),
            annotated=codes != UNANNOTATED,
            times_us=video.times_us,
        )
