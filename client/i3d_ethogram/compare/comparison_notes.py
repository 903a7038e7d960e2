"""What a reader of an agreement should know, and what looks like a mistake."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_video import (
    is_of_other_length,
    is_of_other_rate,
    is_of_other_video,
)
from i3d_ethogram.compare.alignment import Alignment, alignment_of
from i3d_ethogram.compare.annotated_frames import OVERLAPPING, UNANNOTATED, AnnotatedFrames
from i3d_ethogram.ethogram import Ethogram

_MUCH = 0.05
_SHOWN_LABELS = 8


@dataclass(frozen=True, kw_only=True)
class Note:
    """One sentence; a warning if it may mean that something is wrong."""

    kind: Literal["note", "warning"]
    text: str

    @classmethod
    def plain(cls, text: str) -> Note:
        """Return a note."""
        return cls(kind="note", text=text)

    @classmethod
    def warning(cls, text: str) -> Note:
        """Return a warning."""
        return cls(kind="warning", text=text)


def notes_on(
    annotation: Annotation,
    on_frames: AnnotatedFrames,
    *,
    ethogram: Ethogram,
    videos: tuple[str, ...],
) -> tuple[Note, ...]:
    """Return what is to be said of an annotation of a recording.

    Args:
        annotation: as it was read.
        on_frames: on the recording's frames.
        ethogram: of the recording.
        videos: names of the recording's files, without folders.
    """
    return (
        *_of_file(annotation, on_frames),
        *_of_video(annotation, ethogram, videos),
        *_of_times(annotation, on_frames),
        *_of_model(ethogram),
    )


def notes_on_frames(
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    *,
    times_us: NDArray[np.int64],
    fps: float,
    offset_us: int,
) -> tuple[Note, ...]:
    """Return what is to be said of two sequences of labels that are compared.

    Args:
        annotated: (n,) int16, as in ``AnnotatedFrames``.
        predicted: (n,) int16, the model's labels.
        times_us: (n + 1,) int64, when the frames are shown.
        fps: of the video.
        offset_us: what has been added to the annotation's times as an option.
    """
    found = alignment_of(annotated, predicted, times_us=times_us, fps=fps)
    return (*_of_frames(annotated), *_of_alignment(found, fps=fps, offset_us=offset_us))


def _of_file(annotation: Annotation, on_frames: AnnotatedFrames) -> Iterator[Note]:
    if annotation.read_as:
        yield Note.plain(f"the file is not UTF-8; it was read as {annotation.read_as}")
    for reason, count in annotation.left_out.items():
        yield Note.plain(f"left out: {count} {reason}")
    if on_frames.renamed:
        listed = ", ".join(
            f"{printable(name)} as {printable(label)}" for name, label in on_frames.renamed.items()
        )
        yield Note.plain(f"taken as the model's labels: {listed}")
    if on_frames.unknown_us:
        listed = ", ".join(
            f"{printable(label)!r} ({us / 1e6:,.1f} s)"
            for label, us in list(on_frames.unknown_us.items())[:_SHOWN_LABELS]
        )
        more = len(on_frames.unknown_us) - _SHOWN_LABELS
        yield Note.warning(
            f"the model has no label {listed}{f' and {more} more' if more > 0 else ''}: "
            "not compared. Name the label that is meant with --map"
        )


def _of_video(
    annotation: Annotation, ethogram: Ethogram, videos: tuple[str, ...]
) -> Iterator[Note]:
    if is_of_other_video(annotation, videos):
        yield Note.warning(
            f"the annotation is of {printable(', '.join(annotation.media_names))}, the results are "
            f"of {printable(', '.join(videos))}"
        )
    in_part = ethogram.run["frames"]["first"] or ethogram.run["options"].get("stop_s")
    if not in_part and is_of_other_length(annotation, videos, duration_us=ethogram.duration_us):
        yield Note.warning(
            f"the annotated video lasts {sum(annotation.media_lengths_us) / 1e6:,.1f} s, the "
            f"classified one {ethogram.duration_us / 1e6:,.1f} s"
        )
    if is_of_other_rate(annotation, fps=ethogram.fps):
        yield Note.warning(
            f"the annotated video has {annotation.fps:g} frames/s, the classified one "
            f"{ethogram.fps:g}"
        )


def _of_times(annotation: Annotation, on_frames: AnnotatedFrames) -> Iterator[Note]:
    if on_frames.moved_us:
        yield Note.plain(f"its times are moved by {on_frames.moved_us / 1e6:+,.3f} s")
    if on_frames.outside:
        yield Note.warning(
            f"{on_frames.outside} of {len(annotation.intervals)} events lie wholly outside what "
            "was classified"
        )
    if on_frames.cut:
        yield Note.plain(
            f"events that reach over the ends of what was classified, and are cut there: "
            f"{on_frames.cut}"
        )


def _of_frames(annotated: NDArray[np.int16]) -> Iterator[Note]:
    overlapping = float(np.mean(annotated == OVERLAPPING))
    unannotated = float(np.mean(annotated == UNANNOTATED))
    if overlapping > _MUCH:
        yield Note.warning(
            f"{overlapping:.1%} of the frames are annotated with several behaviours at once: "
            "not compared"
        )
    if unannotated > _MUCH:
        yield Note.plain(
            f"{unannotated:.1%} of the frames are not annotated, and not compared. If that means "
            "that none of the annotated behaviours happened there, give --others"
        )


def _of_model(ethogram: Ethogram) -> Iterator[Note]:
    if not ethogram.run.get("complete", True):
        yield Note.warning("the results are incomplete: see run.json")


def _of_alignment(found: Alignment | None, *, fps: float, offset_us: int) -> Iterator[Note]:
    if found is None:
        return
    if found.is_chance:
        yield Note.warning(
            f"they agree hardly better than by chance (kappa {found.kappa:.2f}), and would not "
            "elsewhere in time. Is the annotation of this recording?"
        )
    if not found.is_elsewhere:
        return
    better = f"(kappa about {found.best:.2f} in place of {found.kappa:.2f})"
    if found.factor == 1.0:
        yield Note.warning(
            f"they would agree much better if the annotation lay {abs(found.shift_us) / 1e6:.1f} s "
            f"{'later' if found.shift_us > 0 else 'earlier'} {better}. Try --offset "
            f"{(found.shift_us + offset_us) / 1e6:.1f}, and see whether it is of this video, from "
            "its beginning"
        )
    else:
        yield Note.warning(
            "they would agree much better if the annotation's times were multiplied by "
            f"{found.factor:.4g} {better}: was it made at {fps * found.factor:.4g} frames/s? The "
            f"video has {fps:.4g}"
        )
