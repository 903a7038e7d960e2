"""What made the results, and from what: once for all recordings that were made alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from i3d_client.printable import printable
from i3d_ethogram.page.report_recording import RecordingNumbers

View = dict[str, Any]
_NAMED = 20


def made_by(recordings: Sequence[RecordingNumbers]) -> list[View]:
    """Return each way in which recordings were made: model, software, options; and which they are.

    Where the options differ in the server's address alone, that is two ways.
    """
    kinds: dict[str, tuple[View, list[str]]] = {}
    for recording in recordings:
        kind = _kind(recording)
        key = json.dumps(kind, sort_keys=True)
        kinds.setdefault(key, (kind, []))[1].append(printable(recording.name))
    return [
        {**kind, "names": names[:_NAMED], "more": max(0, len(names) - _NAMED)}
        for kind, names in kinds.values()
    ]


def source_of(recording: RecordingNumbers) -> View:
    """Return the files that a recording was made from, and when."""
    run = recording.run
    return {
        "name": printable(recording.name),
        "started_at": run.get("run", {}).get("started_at", ""),
        "videos": run["videos"],
        "frames": ", ".join(
            f"{name.replace('_', ' ')} {count}"
            for name, count in run.get("frames", {}).items()
            if name in ("decoded", "scored") or (count and name in ("lost", "given_up", "hidden"))
        ),
    }


def _kind(recording: RecordingNumbers) -> View:
    run = recording.run
    model = run["model"]
    return {
        "model": recording.made_by.model,
        "smoothing": recording.made_by.smoothing,
        "packages": ", ".join(f"{name} {of}" for name, of in run.get("packages", {}).items()),
        "documents": {
            "Options": _text(run.get("options")),
            "Contract": _text(model.get("contract")),
            "Build": _text(model.get("build")),
        },
    }


def _text(document: object) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False)
