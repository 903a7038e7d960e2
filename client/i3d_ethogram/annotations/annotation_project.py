"""A BORIS project: JSON, often compressed, of any number of observations.

Fields as BORIS 8.27.4 writes them (``config.py`` and ``project_functions.py``) and as the projects
of its tests have them. State events have no sign of start or stop: the odd ones of a subject,
behaviour and modifiers start, the even ones stop.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_boris import (
    Chosen,
    Event,
    Observation,
    annotation_of,
    is_of_subject,
    paired,
    subject_of,
)
from i3d_ethogram.annotations.annotation_text import microseconds


def read_project(text: str, file: Path, *, chosen: Chosen) -> list[Annotation]:
    """Return an annotation for each chosen observation that has events.

    Observations of folders of pictures are passed over: their events have no times.

    Raises:
        InputError: it is no BORIS project, or an observation has events of several subjects and
            none is chosen.
    """
    try:
        project = json.loads(text)
        behaviours = {entry["code"]: entry["type"] for entry in project["behaviors_conf"].values()}
        observations = dict(project["observations"])
        found = [
            _annotation(name, document, behaviours, file, chosen)
            for name, document in observations.items()
            if chosen.observation in (None, name) and _has_times(document)
        ]
        return [annotation for annotation in found if annotation.intervals or annotation.left_out]
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        raise InputError(
            f"{printable(file)}: not a BORIS project as expected: {type(error).__name__} {error}. "
            "Export the events from BORIS instead, as TSV"
        ) from error


def _annotation(
    name: str,
    document: Mapping[str, Any],
    behaviours: Mapping[str, str],
    file: Path,
    chosen: Chosen,
) -> Annotation:
    media, lengths_us, fps = _media(document)
    observation = Observation(
        file=file,
        kind="BORIS project",
        name=name,
        media=media,
        media_lengths_us=lengths_us,
        fps=fps,
        time_offset_us=_microseconds(document.get("time offset", 0), file, name),
        labels=tuple(code for code, kind in behaviours.items() if kind.startswith("State")),
    )
    said = [(event[1], event[2]) for event in document["events"]]
    wanted = subject_of(said, chosen.subject, observation)
    events: list[Event] = []
    seen: Counter[tuple[str, str, str]] = Counter()
    of_subject = [
        event for event in document["events"] if is_of_subject(event[1], event[2], wanted=wanted)
    ]
    for time, who, code, modifiers in sorted(
        (event[:4] for event in of_subject), key=lambda event: float(event[0])
    ):
        key = (who, code, str(modifiers))
        status = "POINT"
        if behaviours.get(code, "State event").startswith("State"):
            status = "STOP" if seen[key] % 2 else "START"
            seen[key] += 1
        events.append(
            Event(
                time_us=_microseconds(time, file, name),
                subject=who,
                label=code,
                modifiers=str(modifiers),
                status=status,
            )
        )
    intervals, left_out = paired(events)
    return annotation_of(observation, intervals, left_out)


def _has_times(document: Mapping[str, Any]) -> bool:
    return bool(document["events"]) and document.get("type") != "IMAGES"


def _media(
    document: Mapping[str, Any],
) -> tuple[tuple[str, ...], tuple[int, ...], float | None]:
    """Return the first player's files, how long each is in µs, and frames per second."""
    files = document.get("file") or {}
    first: Sequence[str] = files.get("1", ()) if isinstance(files, Mapping) else ()
    info = document.get("media_info") or {}
    lengths = info.get("length") or {}
    fps = info.get("fps") or {}
    known = tuple(round(float(lengths[name]) * 1e6) for name in first if name in lengths)
    return (
        tuple(first),
        known if len(known) == len(first) else (),
        float(fps[first[0]]) if first and first[0] in fps else None,
    )


def _microseconds(seconds: object, file: Path, observation: str) -> int:
    def error(problem: str) -> InputError:
        return InputError(f"{printable(file)}, observation {printable(observation)!r}: {problem}")

    return microseconds(str(seconds), error)
