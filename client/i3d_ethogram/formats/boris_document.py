"""A project of BORIS as one document: behaviours, observations of videos, events.

The keys are those that BORIS 8.27.4 writes, project format 7.0, which BORIS 9 has as well. BORIS
counts time in milliseconds: events are rounded to them when it opens the project.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file
from i3d_client.printable import printable
from i3d_ethogram.colours import colours_of

_FORMAT_VERSION = "7.0"
_PLAYERS = 8
_KEYS = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, kw_only=True)
class BorisVideo:
    """A video of an observation.

    Attributes:
        path: from the project's folder, or absolute.
        length_s: how long it is, seconds.
        fps: frames per second.
    """

    path: str
    length_s: float
    fps: float


@dataclass(frozen=True, kw_only=True)
class BorisEvent:
    """A start or a stop of a behaviour; BORIS takes them in turn.

    Attributes:
        time_s: from the start of the observation's first video.
        code: the behaviour's, as ``code_of`` gives it.
        comment: what stands beside it.
        frame: its number in the video in which it lies.
    """

    time_s: float
    code: str
    comment: str
    frame: int


@dataclass(frozen=True, kw_only=True)
class BorisObservation:
    """An observation: videos that follow one another, and what happens in them.

    Attributes:
        name: of the observation; no other one of the project has it.
        videos: in order.
        observed_at: ISO date and time.
        description: for people.
        events: in the order of their times.
    """

    name: str
    videos: Sequence[BorisVideo]
    observed_at: str
    description: str
    events: Sequence[BorisEvent]


def code_of(label: str) -> str:
    """Return a label as BORIS takes it: ``|`` stands between modifiers there."""
    return label.replace("|", "/")


def project_document(
    *,
    name: str,
    description: str,
    observed_at: str,
    labels: Sequence[str],
    observations: Sequence[BorisObservation],
) -> dict[str, Any]:
    """Return a project as plain values.

    Args:
        name: of the project.
        description: of the project.
        observed_at: ISO date and time of the project.
        labels: of its behaviours, all with a start and a stop.
        observations: of its videos.
    """
    return {
        "time_format": "hh:mm:ss",
        "project_date": observed_at,
        "project_name": printable(name),
        "project_description": description,
        "project_format_version": _FORMAT_VERSION,
        "subjects_conf": {},
        "behaviors_conf": _behaviours(labels),
        "observations": {printable(one.name): _observation(one) for one in observations},
        "behavioral_categories": [],
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }


def write_project(path: Path, document: dict[str, Any]) -> None:
    """Write a project, complete or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as file:
        # BORIS opens it in the encoding of the machine: ASCII is the same in all of them.
        file.write(json.dumps(document, indent=1) + "\n")


def _behaviours(labels: Sequence[str]) -> dict[str, dict[str, Any]]:
    colours = colours_of(labels)
    return {
        str(place): {
            "type": "State event",
            "key": key,
            "code": code_of(label),
            "description": "",
            "color": colours[label],
            "category": "",
            "modifiers": "",
            "excluded": "",
            "coding map": "",
        }
        for place, (label, key) in enumerate(zip(labels, _keys(labels), strict=True))
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


def _observation(one: BorisObservation) -> dict[str, Any]:
    return {
        "file": _files([video.path for video in one.videos]),
        "type": "MEDIA",
        "date": one.observed_at,
        "description": one.description,
        "time offset": 0.0,
        "events": [
            [event.time_s, "", event.code, "", event.comment, event.frame] for event in one.events
        ],
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "media_creation_date_as_offset": False,
        "media_scan_sampling_duration": 0,
        "image_display_duration": 1,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {video.path: video.length_s for video in one.videos},
            "fps": {video.path: video.fps for video in one.videos},
            "hasVideo": {video.path: True for video in one.videos},
            "hasAudio": {video.path: False for video in one.videos},
            "offset": {"1": 0.0},
        },
    }


def _files(paths: Sequence[str]) -> dict[str, list[str]]:
    others: dict[str, list[str]] = {str(player): [] for player in range(2, _PLAYERS + 1)}
    return {"1": list(paths), **others}
