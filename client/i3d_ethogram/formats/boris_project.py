"""``review.boris``: a project that BORIS opens with the video, for a person to go through.

One observation with a START and a STOP of each bout, and the mean score of the bout as the comment
of its START. The keys of the project are those that BORIS 8.27.4 writes, project format 7.0, which
BORIS 9 has as well. BORIS counts time in milliseconds: events are rounded to them when it opens the
project. BORIS has no word for frames that nobody scored: there no behaviour is shown, and the
observation's description names them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.durable import complete_file
from i3d_client.frame_status import STATUS_NAMES
from i3d_client.printable import printable
from i3d_client.scores_file import Scores
from i3d_ethogram.colours import colours_of
from i3d_ethogram.ethogram import UNSCORED, Ethogram, seconds_text
from i3d_ethogram.formats.origin import written_by
from i3d_ethogram.formats.video_files import first_frames_of_videos, relative_path, video_path

BORIS_PROJECT_FILE = "review.boris"
_FORMAT_VERSION = "7.0"
_PLAYERS = 8
_KEYS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
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
    codes = [_code(label) for label in ethogram.labels]
    observed_at = _observed_at(ethogram)
    paths = _paths(ethogram, folder, videos)
    project = {
        "time_format": "hh:mm:ss",
        "project_date": observed_at,
        "project_name": printable(ethogram.name),
        "project_description": f"Written by {written_by()} for review.",
        "project_format_version": _FORMAT_VERSION,
        "subjects_conf": {},
        "behaviors_conf": _behaviours(ethogram.labels, codes),
        "observations": {
            printable(ethogram.name): {
                "file": _files(paths),
                "type": "MEDIA",
                "date": observed_at,
                "description": _description(ethogram),
                "time offset": 0.0,
                "events": list(_events(ethogram, codes)),
                "observation time interval": [0, 0],
                "independent_variables": {},
                "visualize_spectrogram": False,
                "visualize_waveform": False,
                "media_creation_date_as_offset": False,
                "media_scan_sampling_duration": 0,
                "image_display_duration": 1,
                "close_behaviors_between_videos": False,
                "media_info": _media_info(ethogram, scores, paths),
            }
        },
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    with complete_file(folder / BORIS_PROJECT_FILE) as file:
        # BORIS opens it in the encoding of the machine: ASCII is the same in all of them.
        file.write(json.dumps(project, indent=1) + "\n")


def _code(label: str) -> str:
    return label.replace("|", "/")  # between modifiers in BORIS, which refuses it elsewhere


def _behaviours(labels: Sequence[str], codes: Sequence[str]) -> dict[str, dict[str, Any]]:
    colours = colours_of(labels)
    keys = _keys(labels)
    return {
        str(place): {
            "type": "State event",
            "key": key,
            "code": code,
            "description": "",
            "color": colours[label],
            "category": "",
            "modifiers": "",
            "excluded": "",
            "coding map": "",
        }
        for place, (label, code, key) in enumerate(zip(labels, codes, keys, strict=True))
    }


def _keys(labels: Sequence[str]) -> list[str]:
    """Choose a key of the keyboard for each behaviour, of its own letters if one is free.

    When all keys are taken, behaviours share their first letter; then BORIS asks which is meant.
    """
    keys: list[str] = []
    for label in labels:
        own = [letter for letter in label.lower() if letter in _KEYS]
        free = (key for key in [*own, *_KEYS] if key not in keys)
        keys.append(next(free, own[0] if own else _KEYS[0]))
    return keys


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


def _events(ethogram: Ethogram, codes: Sequence[str]) -> Iterator[list[Any]]:
    """Yield time in seconds, subject, behaviour, modifier, comment, and frame in its video."""
    frames = _frames_in_videos(ethogram)
    for run in np.flatnonzero(ethogram.codes != UNSCORED).tolist():
        code, score = codes[ethogram.codes[run]], f"{ethogram.scores[run]:.3f}"
        for place, comment in ((run, score), (run + 1, "")):
            seconds = int(ethogram.times_us[place]) / 1e6
            yield [seconds, "", code, "", comment, int(frames[place])]


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


def _files(paths: Sequence[str]) -> dict[str, list[str]]:
    others: dict[str, list[str]] = {str(player): [] for player in range(2, _PLAYERS + 1)}
    return {"1": list(paths), **others}


def _media_info(ethogram: Ethogram, scores: Scores, paths: Sequence[str]) -> dict[str, Any]:
    videos = ethogram.run["videos"]
    return {
        "length": dict(zip(paths, _lengths_s(ethogram, scores), strict=True)),
        "fps": dict(zip(paths, (float(video["fps"]) for video in videos), strict=True)),
        "hasVideo": dict.fromkeys(paths, True),
        "hasAudio": dict.fromkeys(paths, False),
        "offset": {"1": 0.0},
    }


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
