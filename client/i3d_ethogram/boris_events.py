"""``boris.tsv``: the bouts as BORIS exports "aggregated events".

The columns, their order and what stands in them are those of BORIS 8.27.4 and 9.3.3
(``boris/export_events.py`` and ``boris/export_observation.py``, function
``export_aggregated_events``): state events of one observation, ordered by their start, without
independent variables and modifiers. Times are in whole milliseconds, as there; ``bouts.csv`` has
them exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i3d_client.durable import FileRecord
from i3d_client.printable import printable
from i3d_ethogram.csv_file import write_csv
from i3d_ethogram.ethogram import Ethogram

BORIS_FILE = "boris.tsv"
BORIS_COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Coding duration",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Observation duration by subject by observation",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Media file name",
    "Image index start",
    "Image index stop",
    "Image file path start",
    "Image file path stop",
    "Comment start",
    "Comment stop",
)


def write_boris_events(folder: Path, ethogram: Ethogram) -> FileRecord:
    """Write ``boris.tsv`` into a recording's folder.

    The observation is the recording; its date is empty unless it is known when the recording began.
    Unscored time has no row. ``Image index`` counts frames from 0 in the file in which the bout
    begins, and ``stop`` is the frame after its last; ``Comment start`` is the mean score.

    Raises:
        OutputError: it cannot be written.
    """
    return write_csv(
        folder / BORIS_FILE,
        header=BORIS_COLUMNS,
        rows=_rows(ethogram),
        delimiter="\t",
        line_end="\r\n",
    )


def _rows(ethogram: Ethogram) -> Iterator[tuple[object, ...]]:
    times_ms = (ethogram.times_us + 500) // 1000
    bouts = np.flatnonzero(ethogram.scored)
    observed_ms = int(np.diff(times_ms)[bouts].sum())
    observation, media = _observation(ethogram), _Media.of(ethogram)
    for bout in bouts.tolist():
        start_ms, stop_ms = int(times_ms[bout]), int(times_ms[bout + 1])
        start, stop = (int(frame) for frame in ethogram.first_frames[bout : bout + 2])
        file = media.holding(start)
        yield (
            *observation,
            "No focal subject",
            str(observed_ms / 1000),
            ethogram.labels[ethogram.codes[bout]],
            "Not defined",
            "STATE",
            f"{start_ms / 1000:.3f}",
            f"{stop_ms / 1000:.3f}",
            f"{(stop_ms - start_ms) / 1000:.3f}",
            media.paths[file],
            start - media.first_frames[file],
            stop - media.first_frames[file],
            None,
            None,
            f"score {ethogram.scores[bout]:.3f}",
            None,
        )


def _observation(ethogram: Ethogram) -> tuple[object, ...]:
    """Return the cells that are the same in all rows: up to the column before the subject."""
    videos = ethogram.run["videos"]
    begun = ethogram.recorded_at
    return (
        printable(ethogram.name),
        None if begun is None else begun.isoformat(sep=" ", timespec="seconds"),
        _description(ethogram),
        "Media file",
        "player #1:" + ";".join(printable(video["path"]) for video in videos),
        "0.0",
        f"{ethogram.duration_us / 1e6:.3f}",
        ";".join(f"{_seconds(video):.3f}" for video in videos),
        ";".join(f"{video['fps']:.3f}" for video in videos),
    )


def _description(ethogram: Ethogram) -> str:
    model = ethogram.run["model"]
    smoothing = "smoothed" if ethogram.smoothing.as_document() else "not smoothed"
    return f"Labelled by {model['name']} version {model['version']} (i3d-triton), {smoothing}"


def _seconds(video: Mapping[str, Any]) -> float:
    """Return how long a video is, at its frame rate."""
    return float(video["frames"] / video["fps"]) if video["fps"] else 0.0


@dataclass(frozen=True, kw_only=True)
class _Media:
    """The files of a recording, and the number of each one's first frame in it."""

    paths: list[str]
    first_frames: list[int]

    @classmethod
    def of(cls, ethogram: Ethogram) -> _Media:
        videos = ethogram.run["videos"]
        frames = np.cumsum([0, *(int(video["frames"]) for video in videos[:-1])])
        paths = [printable(video["path"]) for video in videos]
        return cls(paths=paths, first_frames=frames.tolist())

    def holding(self, frame: int) -> int:
        """Return the index of the file that a frame is in."""
        return int(np.searchsorted(self.first_frames, frame, side="right")) - 1
