"""``review.boris``: a project that BORIS opens with the video, for a person to go through.

One observation with a START and a STOP of each bout, and the mean score of the bout as the comment
of its START. BORIS has no word for frames that nobody scored: there no behaviour is shown, and the
observation's description names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.frame_status import STATUS_NAMES
from i3d_client.scores_file import Scores
from i3d_ethogram.ethogram import UNSCORED, Ethogram, seconds_text
from i3d_ethogram.formats.boris_document import (
    BorisEvent,
    BorisObservation,
    BorisVideo,
    code_of,
    project_document,
    write_project,
)
from i3d_ethogram.formats.origin import written_by
from i3d_ethogram.formats.video_files import first_frames_of_videos, relative_path, video_path

BORIS_PROJECT_FILE = "review.boris"
_UNSCORED_SHOWN = 20


def write_boris_project(
    folder: Path, ethogram: Ethogram, scores: Scores, *, videos: Path | None = None
) -> None:
    """Write ``review.boris`` into ``folder``.

    It names the videos by their way from there, so that they are found as long as both move
    together.

    Args:
        folder: the recording's.
        ethogram: its bouts.
        scores: its times.
        videos: folder in which to look for videos that are not where they were.

    Raises:
        OutputError: it cannot be written; nothing is left of it.
    """
    observed_at = _observed_at(ethogram)
    videos_of = zip(
        _paths(ethogram, folder, videos),
        _lengths_s(ethogram, scores),
        ethogram.run["videos"],
        strict=True,
    )
    observation = BorisObservation(
        name=ethogram.name,
        videos=[
            BorisVideo(path=path, length_s=length_s, fps=float(video["fps"]))
            for path, length_s, video in videos_of
        ],
        observed_at=observed_at,
        description=_description(ethogram),
        events=list(_events(ethogram)),
    )
    project = project_document(
        name=ethogram.name,
        description=f"Written by {written_by()} for review.",
        observed_at=observed_at,
        labels=ethogram.labels,
        observations=[observation],
    )
    write_project(folder / BORIS_PROJECT_FILE, project)


def _observed_at(ethogram: Ethogram) -> str:
    """Return when it was recorded or, since BORIS needs a date, when it was classified."""
    if ethogram.recorded_at is not None:
        return ethogram.recorded_at.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return str(ethogram.run["run"]["started_at"])[:19]


def _description(ethogram: Ethogram) -> str:
    model = ethogram.run["model"]
    known = "recorded" if ethogram.recorded_at is not None else "classified (not recorded)"
    lines = [
        f"Labels of model {model['name']}, version {model['version']}; {written_by()}.",
        f"The date is when it was {known}. Comments are the mean score of a bout, 0 to 1.",
    ]
    unscored = np.flatnonzero(ethogram.codes == UNSCORED)
    if len(unscored):
        total_us = int(ethogram.durations_us[unscored].sum())
        lines.append(f"Unscored, and so without a behaviour: {seconds_text(total_us)} s, namely")
    for run in unscored[:_UNSCORED_SHOWN]:
        start, stop = (seconds_text(ethogram.times_us[place]) for place in (run, run + 1))
        lines.append(f"  {start} to {stop} s: {STATUS_NAMES[ethogram.statuses[run]]}")
    if len(unscored) > _UNSCORED_SHOWN:
        lines.append(f"  and {len(unscored) - _UNSCORED_SHOWN} more")
    return "\n".join(lines)


def _events(ethogram: Ethogram) -> Iterator[BorisEvent]:
    """Yield the start and the stop of each bout, and its frames in the videos."""
    frames = _frames_in_videos(ethogram)
    for run in np.flatnonzero(ethogram.codes != UNSCORED).tolist():
        code, score = code_of(ethogram.labels[ethogram.codes[run]]), f"{ethogram.scores[run]:.3f}"
        for place, comment in ((run, score), (run + 1, "")):
            yield BorisEvent(
                time_s=int(ethogram.times_us[place]) / 1e6,
                code=code,
                comment=comment,
                frame=int(frames[place]),
            )


def _frames_in_videos(ethogram: Ethogram) -> NDArray[np.int64]:
    """Return the borders of the runs, each counted from the start of its video: (r + 1,) int64."""
    offsets = np.array(first_frames_of_videos(ethogram))
    videos = np.searchsorted(offsets, ethogram.first_frames, side="right") - 1
    frames: NDArray[np.int64] = ethogram.first_frames - offsets[videos.clip(0, len(offsets) - 2)]
    return frames


def _paths(ethogram: Ethogram, folder: Path, moved_to: Path | None) -> list[str]:
    return [
        relative_path(video_path(video, videos=moved_to), folder)
        for video in ethogram.run["videos"]
    ]


def _lengths_s(ethogram: Ethogram, scores: Scores) -> list[float]:
    """Return how long each video is; by its frame rate if not all of it was classified."""
    offsets = first_frames_of_videos(ethogram)
    if (offsets[0], offsets[-1]) == (scores.first_frame, scores.first_frame + scores.num_frames):
        ends_us = np.zeros(len(offsets), np.int64)
        for batch in scores.batches():
            for place, offset in enumerate(offsets):
                if 0 <= offset - batch.first_frame < len(batch.times_us):
                    ends_us[place] = batch.times_us[offset - batch.first_frame]
        return [us / 1e6 for us in np.diff(ends_us).tolist()]
    return [int(video["frames"]) / float(video["fps"]) for video in ethogram.run["videos"]]
