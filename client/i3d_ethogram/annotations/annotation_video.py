"""Whether an annotation says that it is of another video than the one that it is taken for.

A file of BORIS says how long its video is and at which rate it runs. Differences of up to a
hundredth are those of programs that round.
"""

from __future__ import annotations

from collections.abc import Sequence

from i3d_ethogram.annotations.annotation import Annotation

_OTHER_LENGTH = 0.01
_OTHER_LENGTH_US = 1_000_000
_OTHER_FPS = 0.01


def is_of_other_video(annotation: Annotation, videos: Sequence[str]) -> bool:
    """Whether it names videos of which none is one of these, whatever their extension.

    Args:
        annotation: as it was read.
        videos: names of a recording's files, without folders.
    """
    names = annotation.media_names
    return bool(names) and bool(videos) and not _same_video(names, videos)


def is_of_other_length(annotation: Annotation, videos: Sequence[str], *, duration_us: int) -> bool:
    """Whether its videos last longer or shorter than these: by over 1 %, and by over 1 s.

    Args:
        annotation: as it was read.
        videos: names of the recording's files, without folders.
        duration_us: of the whole recording.
    """
    length_us = sum(annotation.media_lengths_us)
    if not length_us or len(annotation.media) != len(videos):
        return False
    return abs(length_us - duration_us) > max(_OTHER_LENGTH_US, _OTHER_LENGTH * duration_us)


def is_of_other_rate(annotation: Annotation, *, fps: float) -> bool:
    """Whether it says a rate that differs from the video's, in frames/s, by over 1 %."""
    return bool(annotation.fps) and abs((annotation.fps or fps) / fps - 1) > _OTHER_FPS


def _same_video(names: Sequence[str], videos: Sequence[str]) -> bool:
    stems = {name.rpartition(".")[0].casefold() or name.casefold() for name in videos}
    return any((name.rpartition(".")[0] or name).casefold() in stems for name in names)
