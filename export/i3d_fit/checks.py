"""Signs that an annotation is not of the video that it is taken for, or not of its clock.

Two kinds: what files say of themselves, known before any feature is computed; and where the
annotation would agree better with what a head predicts that has not seen it. Neither proves
anything, so nothing is mended: a person reads what is said, and looks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame
from i3d_client.printable import printable
from i3d_client.windows import WindowGrid
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_matching import name_of
from i3d_ethogram.annotations.annotation_video import (
    is_of_other_length,
    is_of_other_rate,
    is_of_other_video,
)
from i3d_ethogram.compare.alignment import alignment_of
from i3d_ethogram.compare.annotated_frames import Frames, annotate_frames, is_alike

_PAST_END_US = 1_000_000  # people stop their last bout late, programs round

_APART_KAPPA = 0.2
_OTHERS_KAPPA = 0.4
_LEAST_RECORDINGS = 3
_LIKE_A_MISSPELLING = 0.85  # of difflib's ratio
_SHOWN = 5

DoubtKind = Literal[
    "labels", "groups", "video", "length", "rate", "outside", "shift", "factor", "chance", "apart"
]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """One sentence on why an annotation, or what was made of all of them, may be wrong.

    Attributes:
        recording: its name; empty if it is not of one alone.
        kind: two ``labels`` or ``groups`` that may be one; an annotation of another ``video``, of
            one of another ``length`` or ``rate``, with events ``outside``; agreeing much better
            after a ``shift``, or stretched by a ``factor``; no better than by ``chance``; or far
            less than the others do, ``apart``.
        said: for people.
    """

    recording: str
    kind: DoubtKind
    said: str


def check_labels(labels: Sequence[str], annotations: Sequence[Annotation]) -> list[Doubt]:
    """Return what is to be said of classes whose names hardly differ.

    Args:
        labels: the classes.
        annotations: of all recordings.
    """
    bouts = Counter(one.label for annotation in annotations for one in annotation.intervals)
    return [
        Doubt(
            recording="",
            kind="labels",
            said=f"the behaviours {printable(rare)!r} ({bouts[rare]:,} bouts, in "
            f"{_files_of(rare, annotations)}) and {printable(common)!r} ({bouts[common]:,}) have "
            f"nearly the same name. If they are one: --rename '{printable(rare)}="
            f"{printable(common)}', or the other way round",
        )
        for pair in combinations(labels, 2)
        for common, rare in [sorted(pair, key=lambda label: -bouts[label])]
        if is_alike(common, rare) or get_close_matches(common, [rare], cutoff=_LIKE_A_MISSPELLING)
    ]


def _files_of(label: str, annotations: Sequence[Annotation]) -> str:
    found = dict.fromkeys(
        printable(one.file.name)
        for one in annotations
        if any(interval.label == label for interval in one.intervals)
    )
    names = list(found)
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")


def check_groups(by: str, unused: Sequence[str]) -> list[Doubt]:
    """Return what is to be said of what recordings are grouped by (``groups.groups_of``)."""
    if by in ("animal", "video"):
        return []
    said = [
        f"grouped by {by}. If one of them is of an animal that another is of, the test is too "
        "good: name them in --metadata",
        *unused,
    ]
    return [Doubt(recording="", kind="groups", said=one) for one in said]


def check_unmatched(annotations: Sequence[Annotation]) -> list[Doubt]:
    """Return what is to be said of annotations that are of none of the recordings."""
    return [
        Doubt(
            recording="",
            kind="video",
            said=f"{name_of(each)} is left out: it is of "
            + (
                f"{printable(', '.join(each.media_names))}, which is none of these"
                if each.media_names
                else "a video that it does not name, and is not named after one of these. Call it "
                "VIDEO_labels.csv, or add a column 'video'"
            ),
        )
        for each in annotations
    ]


def check_annotations(
    annotations: Sequence[Annotation], frames: Frames, *, recording: str, fps: float
) -> list[Doubt]:
    """Return what is odd about annotations of a recording, by what the files say.

    Args:
        annotations: of this recording.
        frames: of the recording; with the names of its videos.
        recording: its name.
        fps: of its first video, in frames/s.
    """
    return [
        Doubt(recording=recording, kind=kind, said=f"{name_of(annotation)}: {said}")
        for annotation in annotations
        for kind, said in _odd(annotation, frames, fps)
    ]


def check_predictions(
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    *,
    frames: Frames,
    recording: str,
    fps: float,
) -> list[Doubt]:
    """Return what is odd about annotations of a recording, by what a head predicts.

    Measured with simulated mice: ``i3d_ethogram.compare.alignment``. A recording of less than five
    minutes is never said to agree no better than by chance. If all annotations are wrong alike, a
    head learns what they say, and this finds nothing.

    Args:
        annotated: (frames,) int16, classes; negative where there is none.
        predicted: (frames,) int16, likewise, by a head that was not trained on this recording
            (``predicted_frames``).
        frames: of the recording.
        recording: its name.
        fps: of its first video, in frames/s.
    """
    found = alignment_of(annotated, predicted, times_us=frames.times_us, fps=fps)
    if found is None:
        return []
    better = f"(kappa {found.best:.2f} in place of {found.kappa:.2f})"
    if found.is_chance:
        return [
            Doubt(
                recording=recording,
                kind="chance",
                said="what is annotated agrees hardly better than by chance with what is "
                f"predicted from the other recordings (kappa {found.kappa:.2f}), and would not "
                "elsewhere in time. Is the annotation of this video?",
            )
        ]
    if not found.is_elsewhere:
        return []
    if found.factor == 1.0:
        where = "later" if found.shift_us > 0 else "earlier"
        return [
            Doubt(
                recording=recording,
                kind="shift",
                said="the annotation would agree much better with what is predicted if it lay "
                f"{abs(found.shift_us) / 1e6:.1f} s {where} {better}. Is it of this video, from "
                "its beginning?",
            )
        ]
    return [
        Doubt(
            recording=recording,
            kind="factor",
            said="the annotation would agree much better with what is predicted if its times "
            f"were multiplied by {found.factor:.4g} {better}. Was it made at "
            f"{fps * found.factor:.4g} frames/s? The video has {fps:.4g}",
        )
    ]


def check_apart(kappas: Mapping[str, float]) -> list[Doubt]:
    """Return the recordings whose annotation agrees far less than those of the others.

    Such are annotations that were mixed up, however short the videos are: a kappa below 0.2 where
    the median of the others, two or more, is 0.4 or above.

    Args:
        kappas: Cohen's, of each recording's windows as annotated and as predicted by a head that
            was not trained on it; NaN where it is not defined.
    """
    known = {name: kappa for name, kappa in kappas.items() if not np.isnan(kappa)}
    if len(known) < _LEAST_RECORDINGS:
        return []
    others = {
        name: float(np.median([kappa for other, kappa in known.items() if other != name]))
        for name in known
    }
    return [
        Doubt(
            recording=name,
            kind="apart",
            said=f"what is annotated agrees far less with what is predicted (kappa {kappa:.2f}) "
            f"than in the other videos (median {others[name]:.2f}). Is the annotation of this "
            "video?",
        )
        for name, kappa in known.items()
        if kappa < _APART_KAPPA and others[name] >= _OTHERS_KAPPA
    ]


def predicted_frames(
    predicted: NDArray[np.int16], *, grid: WindowGrid, label_frame: LabelFrame
) -> NDArray[np.int16]:
    """Return the class that the windows of a recording give each frame: (frames,) int16, or −1.

    Args:
        predicted: (windows,) int16, classes; negative where a window has none.
        grid: the windows.
        label_frame: which of a window's frames its label is for.
    """
    windows = grid.labelling_windows(
        0, grid.num_frames, scored=predicted >= 0, label_frame=label_frame
    )
    if not len(predicted):
        return np.full(grid.num_frames, -1, np.int16)
    return np.where(windows >= 0, predicted[windows], np.int16(-1))


def _odd(annotation: Annotation, frames: Frames, fps: float) -> Iterator[tuple[DoubtKind, str]]:
    duration_us = int(frames.times_us[-1] - frames.times_us[0])
    if is_of_other_video(annotation, frames.videos):
        yield (
            "video",
            f"is of {printable(', '.join(annotation.media_names))}, and taken to be of "
            f"{printable(', '.join(frames.videos))}",
        )
    if is_of_other_length(annotation, frames.videos, duration_us=duration_us):
        yield (
            "length",
            f"says that its video lasts {sum(annotation.media_lengths_us) / 1e6:,.1f} s; this one "
            f"lasts {duration_us / 1e6:,.1f} s",
        )
    if is_of_other_rate(annotation, fps=fps):
        yield (
            "rate",
            f"says that its video has {annotation.fps:g} frames/s; this one has {fps:g}",
        )
    yield from _outside(annotation, frames)


def _outside(annotation: Annotation, frames: Frames) -> Iterator[tuple[DoubtKind, str]]:
    if len(annotation.media) > max(1, len(frames.videos)):
        return  # events of its other videos lie elsewhere, as they should
    events = len(annotation.intervals)
    outside = annotate_frames(annotation, frames, labels=(), names={}).outside
    past = annotate_frames(annotation, _longer(frames), labels=(), names={})
    said = [
        f"{count} {what}"
        for count, what in (
            (outside, "lie wholly outside the video"),
            (past.cut, "begin before it or end more than a second after it"),
        )
        if count
    ]
    if said:
        duration_s = (int(frames.times_us[-1]) - int(frames.times_us[0])) / 1e6
        yield (
            "outside",
            f"of its {events} events, {' and '.join(said)}; the video lasts {duration_s:,.1f} s. "
            "Is it of this video, at its frame rate?",
        )


def _longer(frames: Frames) -> Frames:
    """Return frames as if more of the same length followed, for a second."""
    times_us = frames.times_us
    step_us = max(1, int(times_us[-1] - times_us[0]) // max(1, len(times_us) - 1))
    more = times_us[-1] + np.arange(step_us, _PAST_END_US + step_us, step_us, dtype=np.int64)
    return replace(frames, times_us=np.concatenate([times_us, more]))
