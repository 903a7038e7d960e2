"""What people annotated, given to the videos that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from i3d_client.inputs import Input
from i3d_client.recording import Recording, open_recording
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_boris import Chosen
from i3d_ethogram.annotations.annotation_matching import match_annotations
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_ethogram.compare.annotated_frames import Frames
from i3d_fit.suggested_stretches import divided_at_stretches


@dataclass(frozen=True, kw_only=True)
class AnnotatedVideos:
    """Annotations of videos.

    Attributes:
        of_recording: by the name of each video that is annotated.
        unmatched: annotations of none of the videos.
    """

    of_recording: Mapping[str, Sequence[Annotation]]
    unmatched: tuple[Annotation, ...]

    @property
    def matched(self) -> list[Annotation]:
        """All annotations that are of a video, in the order of the videos."""
        return [one for several in self.of_recording.values() for one in several]


def annotations_of(
    files: Sequence[Path], inputs: Sequence[Input], *, chosen: Chosen
) -> AnnotatedVideos:
    """Read annotations and find the video that each is of.

    Args:
        files: of any kind that is known.
        inputs: the videos.
        chosen: observation and subject of files of BORIS.

    Raises:
        InputError: a file cannot be used, may be of several videos, or none is of any.
    """
    read = [
        annotation
        for file in dict.fromkeys(files)
        for annotation in read_annotations(file, chosen=chosen)
    ]
    videos = {str(given.name): [str(path) for path in given.files] for given in inputs}
    matched, unmatched = match_annotations(read, videos)
    return AnnotatedVideos(
        of_recording={name: divided_at_stretches(several) for name, several in matched.items()},
        unmatched=tuple(unmatched),
    )


def frames_of(given: Input) -> tuple[Frames, Recording]:
    """Read when the frames of a video are shown, from its packets.

    Raises:
        VideoError: it cannot be read.
    """
    recording = open_recording(given.files)
    return (
        Frames(
            first_frame=0,
            times_us=np.asarray(recording.times_us(0, recording.num_frames + 1), np.int64),
            videos=(given.files[0].name,),
            video_frames=(0,),
        ),
        recording,
    )
