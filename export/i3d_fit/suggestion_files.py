"""Stretches to annotate next, as a table and as a project that BORIS opens with the videos."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation_boris import TO_ANNOTATE
from i3d_ethogram.ethogram import seconds_text
from i3d_ethogram.formats.boris_document import (
    BorisEvent,
    BorisObservation,
    BorisVideo,
    project_document,
    write_project,
)
from i3d_ethogram.formats.origin import written_by
from i3d_ethogram.formats.video_files import relative_path
from i3d_ethogram.tables.csv_file import write_csv
from i3d_fit.suggestions import Suggestion

_HEADER = (
    "rank",
    "recording",
    "start_frame",
    "stop_frame",
    "start_s",
    "stop_s",
    "first",
    "second",
    "margin",
)


@dataclass(frozen=True, kw_only=True)
class SuggestedVideo:
    """A recording of which stretches are suggested.

    Attributes:
        paths: of its videos.
        lengths_s: how long each is.
        fps: frames per second of each.
        first_frames: the number of each one's first frame in the recording.
    """

    paths: tuple[str | Path, ...]
    lengths_s: tuple[float, ...]
    fps: tuple[float, ...]
    first_frames: tuple[int, ...] = (0,)


def unused_project(path: Path) -> Path:
    """Return where a project may be written without harm: ``path``, or the same with a number.

    A project in which a person has annotated something stays, and so does a file that is none of
    ours, also where the project's table goes (``.csv``).
    """
    number, free = 1, path
    while not (_is_untouched(free) and _is_our_table(free.with_suffix(".csv"))):
        number += 1
        free = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return free


def _is_untouched(path: Path) -> bool:
    """Whether it is a project of ours that holds nothing but stretches to annotate, or absent."""
    try:
        project = json.loads(path.read_bytes())
        known = {one["code"] for one in project["behaviors_conf"].values()}
        codes = {event[2] for one in project["observations"].values() for event in one["events"]}
    except FileNotFoundError:
        return True
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return False
    return TO_ANNOTATE in known and codes <= {TO_ANNOTATE}


def _is_our_table(path: Path) -> bool:
    """Whether it is a table of suggestions, or absent."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), None) == list(_HEADER)
    except FileNotFoundError:
        return True
    except (OSError, ValueError, csv.Error):
        return False


def write_suggestions_table(path: Path, suggestions: Sequence[Suggestion]) -> None:
    """Write a table with one row a stretch, the least sure first.

    Raises:
        OutputError: it cannot be written.
    """
    write_csv(
        path,
        header=_HEADER,
        rows=(
            (
                rank,
                printable(one.recording),
                one.start_frame,
                one.stop_frame,
                seconds_text(round(one.start_s * 1e6)),
                seconds_text(round(one.stop_s * 1e6)),
                one.first,
                one.second,
                f"{one.margin:.6f}",
            )
            for rank, one in enumerate(suggestions, start=1)
        ),
    )


def write_suggestions_project(
    path: Path,
    suggestions: Sequence[Suggestion],
    *,
    labels: Sequence[str],
    videos: Mapping[str, SuggestedVideo],
    made_by: str,
) -> None:
    """Write a BORIS project: an observation a recording, in which each stretch is marked.

    Args:
        path: of the project; videos are named by their way from its folder.
        suggestions: the stretches.
        labels: behaviours to annotate with.
        videos: by recording, of all that have a suggestion.
        made_by: what was unsure, for people.

    Raises:
        OutputError: it cannot be written.
    """
    observed_at = f"{datetime.now():%Y-%m-%dT%H:%M:%S}"
    recordings = dict.fromkeys(one.recording for one in suggestions)
    observations = [
        _observation(
            name,
            [one for one in suggestions if one.recording == name],
            videos[name],
            folder=path.parent,
            observed_at=observed_at,
            made_by=made_by,
        )
        for name in recordings
    ]
    document = project_document(
        name=path.stem,
        description=f"Stretches to annotate next, written by {written_by()}. {made_by}",
        observed_at=observed_at,
        labels=(*labels, TO_ANNOTATE),
        observations=observations,
    )
    write_project(path, document)


def _observation(
    name: str,
    suggestions: Sequence[Suggestion],
    video: SuggestedVideo,
    *,
    folder: Path,
    observed_at: str,
    made_by: str,
) -> BorisObservation:
    in_time = sorted(suggestions, key=lambda one: one.start_frame)
    events = []
    for one in in_time:
        comment = f"{one.first} or {one.second}? margin {one.margin:.2f}"
        for seconds, frame, said in (
            (one.start_s, one.start_frame, comment),
            (one.stop_s, one.stop_frame, ""),
        ):
            events.append(
                BorisEvent(
                    time_s=seconds,
                    code=TO_ANNOTATE,
                    comment=said,
                    frame=frame - _first_frame(video, frame),
                )
            )
    return BorisObservation(
        name=name,
        videos=[
            BorisVideo(path=relative_path(each, folder), length_s=length_s, fps=fps)
            for each, length_s, fps in zip(video.paths, video.lengths_s, video.fps, strict=True)
        ],
        observed_at=observed_at,
        description=(
            f"{made_by}\nAdd the behaviours that you see during each '{TO_ANNOTATE}', from its "
            "start to its stop; save; and give this file to i3d fit --annotations, beside the "
            "others.\nThe date is when this file was written."
        ),
        events=events,
    )


def _first_frame(video: SuggestedVideo, frame: int) -> int:
    return max((first for first in video.first_frames if first <= frame), default=0)
