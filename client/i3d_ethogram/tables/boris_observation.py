"""A recording as what BORIS calls an observation of media files, in the words of its exports."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from i3d_client.printable import printable
from i3d_ethogram.ethogram import Ethogram


@dataclass(frozen=True, kw_only=True)
class BorisObservation:
    """What is the same in all rows of an export.

    Attributes:
        name: the recording's.
        date: when it began, ``2026-11-25 14:30:00``; empty if it is not known.
        description: what labelled it.
        source: the files.
        duration_s: of what was classified.
        media_durations_s: of each file at its frame rate, divided by ``;``, as are the rates.
        media_fps: frame rates.
        media: the files' paths.
        media_first_frames: number in the recording of each one's first frame.
    """

    name: str
    date: str
    description: str
    source: str
    duration_s: str
    media_durations_s: str
    media_fps: str
    media: tuple[str, ...]
    media_first_frames: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class BorisBout:
    """A state event of BORIS, which has a start and a stop.

    Attributes:
        label: the behaviour.
        start_ms: whole ms from the recording's first frame.
        stop_ms: as above.
        media: path of the file in which it begins.
        start_index: its first frame, counted from 0 in that file.
        stop_index: the frame after its last, counted in the same file.
        comment: its mean score.
    """

    label: str
    start_ms: int
    stop_ms: int
    media: str
    start_index: int
    stop_index: int
    comment: str


def observation_of(ethogram: Ethogram) -> BorisObservation:
    """Describe a recording."""
    videos = ethogram.run["videos"]
    paths = tuple(printable(video["path"]) for video in videos)
    begun = ethogram.recorded_at
    return BorisObservation(
        name=printable(ethogram.name),
        date="" if begun is None else begun.isoformat(sep=" ", timespec="seconds"),
        description=_description(ethogram),
        source="player #1:" + ";".join(paths),
        duration_s=f"{ethogram.duration_us / 1e6:.3f}",
        media_durations_s=";".join(f"{_seconds(video):.3f}" for video in videos),
        media_fps=";".join(f"{video['fps']:.3f}" for video in videos),
        media=paths,
        media_first_frames=tuple(
            np.cumsum([0, *(int(video["frames"]) for video in videos[:-1])]).tolist()
        ),
    )


def boris_bouts(ethogram: Ethogram, observation: BorisObservation) -> Iterator[BorisBout]:
    """Yield the bouts in order of time."""
    times_ms = ((ethogram.times_us + 500) // 1000).tolist()
    frames, codes = ethogram.first_frames.tolist(), ethogram.codes.tolist()
    for bout in np.flatnonzero(ethogram.scored).tolist():
        file = bisect_right(observation.media_first_frames, frames[bout]) - 1
        file_starts = observation.media_first_frames[file]
        yield BorisBout(
            label=ethogram.labels[codes[bout]],
            start_ms=times_ms[bout],
            stop_ms=times_ms[bout + 1],
            media=observation.media[file],
            start_index=frames[bout] - file_starts,
            stop_index=frames[bout + 1] - file_starts,
            comment=f"score {ethogram.scores[bout]:.3f}",
        )


def _description(ethogram: Ethogram) -> str:
    model = ethogram.run["model"]
    smoothing = "smoothed" if ethogram.smoothing.as_document() else "not smoothed"
    return f"Labelled by {model['name']} version {model['version']} (i3d-triton), {smoothing}"


def _seconds(video: dict[str, Any]) -> float:
    return float(video["frames"] / video["fps"]) if video["fps"] else 0.0
