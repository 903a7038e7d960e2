"""What a person says of each frame of a recording.

A frame has the behaviour of the interval that holds the middle of its time. So times that a program
rounded, BORIS to 1 ms, find the frames that were meant, and a bout that was written and read again
has the same frames.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_matching import likeness

UNANNOTATED = -1
"""No interval holds the frame."""
OVERLAPPING = -2
"""Intervals of different behaviours hold it."""
UNKNOWN = -3
"""The behaviour is none of the model's."""

_LEAVE_OUT = ""


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The frames of a recording.

    Attributes:
        first_frame: the number of the first of them in the recording.
        times_us: (n + 1,) int64, µs: when each is shown, and when the last one ends.
        videos: names of the recording's files, without folders.
        video_frames: the number of each one's first frame in the recording.
    """

    first_frame: int
    times_us: NDArray[np.int64]
    videos: tuple[str, ...] = ()
    video_frames: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AnnotatedFrames:
    """An annotation on the frames of a recording.

    Attributes:
        codes: (n,) int16: indices of the model's labels, or one of the three reasons above.
        renamed: behaviours that were taken as one of the model's labels of another name.
        unknown_us: of the behaviours that the model does not have: how long they last.
        outside: events that lie before the recording or after its end, wholly.
        cut: events that begin before it or end after it.
        moved_us: added to the annotation's times, since it is of more or of fewer videos than the
            recording.
    """

    codes: NDArray[np.int16]
    renamed: Mapping[str, str] = field(default_factory=dict)
    unknown_us: Mapping[str, int] = field(default_factory=dict)
    outside: int = 0
    cut: int = 0
    moved_us: int = 0


def annotate_frames(
    annotation: Annotation,
    frames: Frames,
    *,
    labels: Sequence[str],
    names: Mapping[str, str],
    offset_us: int = 0,
) -> AnnotatedFrames:
    """Say what each frame is annotated as.

    A behaviour that the model does not have gives way to one that it has.

    Args:
        annotation: of this recording.
        frames: of the recording.
        labels: the model's.
        names: the model's label for a behaviour of another name; an empty one leaves it out.
        offset_us: added to the annotation's times.

    Raises:
        InputError: ``names`` has a label that the model does not have.
    """
    renamed = renamed_labels(annotation.labels, labels=labels, names=names)
    index = {label: code for code, label in enumerate(labels)}
    first_frame = _first_frame(annotation, frames)
    in_frames = annotation.unit == "frames"
    shift = offset_us
    if not in_frames:
        shift += _time_us(frames, first_frame) if first_frame else 0
        shift += _media_start_us(annotation, frames.videos)
    begin, end = int(frames.times_us[0]), int(frames.times_us[-1])
    middles = frames.times_us[:-1] + frames.times_us[1:]  # doubled, so whole
    codes = np.full(len(middles), UNANNOTATED, np.int16)
    unknown_us: Counter[str] = Counter()
    outside = cut = 0
    spans = []
    for interval in annotation.intervals:
        label = renamed.get(interval.label, interval.label)
        if label == _LEAVE_OUT:
            continue
        start, stop = interval.start, interval.stop
        if in_frames:
            start, stop = (_time_us(frames, frame + first_frame) for frame in (start, stop))
        start, stop = start + shift, stop + shift
        outside += stop <= begin or start >= end
        cut += start < begin < stop or start < end < stop
        if label not in index:
            unknown_us[label] += max(0, min(stop, end) - max(start, begin))
        first, last = np.searchsorted(middles, (2 * start, 2 * stop))
        spans.append((index.get(label, UNKNOWN), slice(int(first), int(last))))
    for code, span in sorted(spans, key=lambda painted: painted[0] != UNKNOWN):
        _paint(codes[span], code)
    return AnnotatedFrames(
        codes=codes,
        renamed={name: label for name, label in renamed.items() if name != label and label},
        unknown_us=dict(unknown_us),
        outside=outside,
        cut=cut,
        moved_us=shift - offset_us,
    )


def _paint(here: NDArray[np.int16], code: int) -> None:
    """Give frames a behaviour, in place."""
    if code == UNKNOWN:
        here[:] = UNKNOWN
        return
    free = (here == UNANNOTATED) | (here == UNKNOWN) | (here == code)
    here[:] = np.where(free, np.int16(code), np.int16(OVERLAPPING))


def renamed_labels(
    behaviours: Sequence[str], *, labels: Sequence[str], names: Mapping[str, str]
) -> dict[str, str]:
    """Return the label that each behaviour is taken as: its own name if the model has none for it.

    ``names`` goes first; then the same name; then the same but for capitals, spaces, underscores
    and hyphens, if that is one label alone.

    Raises:
        InputError: ``names`` has a label that the model does not have.
    """
    for behaviour, label in names.items():
        if label != _LEAVE_OUT and label not in labels:
            shown = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
            raise InputError(
                f"{printable(behaviour)}={printable(label)}: expected one of the model's labels, "
                f"got {printable(label)!r}. They are: {printable(shown)}"
            )
    alike: dict[str, list[str]] = {}
    for label in labels:
        alike.setdefault(_plain(label), []).append(label)
    taken = {}
    for behaviour in behaviours:
        similar = alike.get(_plain(behaviour), [])
        if behaviour in names:
            taken[behaviour] = names[behaviour]
        elif behaviour not in labels and len(similar) == 1:
            taken[behaviour] = similar[0]
        else:
            taken[behaviour] = behaviour
    return taken


def is_alike(first: str, second: str) -> bool:
    """Whether two names differ by capitals, spaces, underscores and hyphens at most."""
    return _plain(first) == _plain(second)


def _plain(label: str) -> str:
    return "".join(label.casefold().replace("_", " ").replace("-", " ").split())


def _first_frame(annotation: Annotation, frames: Frames) -> int:
    """Return the number of the first frame of the video that an annotation begins with.

    0 unless the recording has several videos and it begins with a later one.
    """
    first = replace(annotation, media=annotation.media[:1])
    alike = [likeness(first, video) for video in frames.videos]
    if len(alike) < 2 or not any(alike):
        return 0
    return frames.video_frames[alike.index(max(alike))]


def _media_start_us(annotation: Annotation, videos: Sequence[str]) -> int:
    """Return what to add to the times of an annotation of several videos, of which these are some.

    0 if the first of them is the first, or if it cannot be known.
    """
    names = annotation.media_names
    if not videos or videos[0] not in names or len(annotation.media_lengths_us) != len(names):
        return 0
    return -sum(annotation.media_lengths_us[: names.index(videos[0])])


def _time_us(frames: Frames, frame: int) -> int:
    """Return when a frame is shown; outside the recording, as if all frames lasted the same."""
    count = len(frames.times_us) - 1
    place = frame - frames.first_frame
    if 0 <= place <= count:
        return int(frames.times_us[place])
    begin, end = int(frames.times_us[0]), int(frames.times_us[-1])
    return begin + round(place * (end - begin) / count)
