"""The files that follow from one recording, beside its results.

``report.json`` is written last: what it says was written, of these answers and with this smoothing,
is there, and is not written again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file, write_errors
from i3d_client.scores_file import SCORES_FILE
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.boris_project import BORIS_PROJECT_FILE, write_boris_project
from i3d_ethogram.formats.deepethogram_csv import deepethogram_files, write_deepethogram
from i3d_ethogram.formats.nwb_file import NWB_FILE, write_nwb
from i3d_ethogram.formats.overlay import OVERLAY_FILE, write_overlay
from i3d_ethogram.formats.parquet_file import PARQUET_FILE, write_parquet
from i3d_ethogram.pictures.picture import PNG_FILE, SVG_FILE, write_pictures
from i3d_ethogram.reading import open_scores
from i3d_ethogram.tables.boris_events import BORIS_FILE, write_boris_events
from i3d_ethogram.tables.boris_tabular import TABULAR_FILE, write_boris_tabular
from i3d_ethogram.tables.bouts_table import BOUTS_FILE, write_bouts
from i3d_ethogram.tables.hours import HOURS_FILE, write_hours

REPORT_FILE = "report.json"
TABLES = ("bouts", "hours", "boris")
PICTURES = "pictures"
OVERLAY = "overlay"
_ANEW = frozenset({OVERLAY, "nwb"})
"""What also depends on options that report.json does not have."""

Files = dict[str, int]
"""Names of files, and their sizes in bytes."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What to write of a recording.

    Attributes:
        kinds: of ``TABLES``, ``pictures``, ``overlay`` and the formats of ``i3d report``.
        videos: folder in which to look for videos that have moved.
        animal: what is known of it, by the metadata's columns.
        overlay_start_s, overlay_stop_s: of the overlay, frames shown in this time alone.
    """

    kinds: tuple[str, ...]
    videos: Path | None = None
    animal: Mapping[str, str] = field(default_factory=dict)
    overlay_start_s: float | None = None
    overlay_stop_s: float | None = None


def write_recording(folder: Path, ethogram: Ethogram, wanted: Wanted) -> None:
    """Write what is not there yet; an overlay and NWB always.

    Args:
        folder: the recording's.
        ethogram: of the recording.
        wanted: what to write.

    Raises:
        OutputError: a file cannot be written; those before it are whole.
        ResultError, VideoError: the results or the video cannot be used.
    """
    made_of = {
        "i3d": version("i3d-triton"),
        "scores": ethogram.run["files"][SCORES_FILE]["sha256"],
        "smoothing": ethogram.smoothing.as_document(),
        "recorded_at": ethogram.recorded_at and ethogram.recorded_at.isoformat(),
    }
    written, stale = _written_before(folder, made_of)
    for kind in _ANEW.intersection(wanted.kinds):
        written.pop(kind, None)
    missing = [kind for kind in dict.fromkeys([*wanted.kinds, *stale]) if kind not in written]
    if not missing:
        return
    with write_errors(folder):
        (folder / REPORT_FILE).unlink(missing_ok=True)  # until all that it said is true again
    for kind in missing:
        names = _WRITERS[kind](folder, ethogram, wanted)
        written[kind] = {name: (folder / name).stat().st_size for name in names}
    with complete_file(folder / REPORT_FILE) as file:
        document = {**made_of, "files": written}
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _written_before(folder: Path, made_of: Mapping[str, Any]) -> tuple[dict[str, Files], list[str]]:
    """Return the files of each kind that is made of the same and whole, and the other kinds.

    Those were asked for once: beside new tables they would not agree with them.
    """
    try:
        document = json.loads((folder / REPORT_FILE).read_bytes())
        files = dict(document["files"])
        same = {key: document.get(key) for key in made_of} == made_of
        whole = {kind: names for kind, names in files.items() if _are_there(folder, names)}
        written = whole if same else {}
        return written, [kind for kind in files if kind in _WRITERS and kind not in written]
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}, []


def _are_there(folder: Path, files: Files) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in files.items()
    )


_Writer = Callable[[Path, Ethogram, Wanted], Sequence[str]]


def _bouts(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_bouts(folder, ethogram)
    return [BOUTS_FILE]


def _hours(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_hours(folder, ethogram)
    return [HOURS_FILE]


def _boris(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_boris_events(folder, ethogram)
    write_boris_tabular(folder, ethogram)
    return [BORIS_FILE, TABULAR_FILE]


def _pictures(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_pictures(folder, ethogram)
    return [PNG_FILE, SVG_FILE]


def _parquet(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_parquet(folder, ethogram, open_scores(folder))
    return [PARQUET_FILE]


def _nwb(folder: Path, ethogram: Ethogram, wanted: Wanted) -> Sequence[str]:
    write_nwb(folder, ethogram, open_scores(folder), animal=wanted.animal)
    return [NWB_FILE]


def _deepethogram(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_deepethogram(folder, ethogram)
    return deepethogram_files(ethogram)


def _boris_project(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_boris_project(folder, ethogram, open_scores(folder))
    return [BORIS_PROJECT_FILE]


def _overlay(folder: Path, ethogram: Ethogram, wanted: Wanted) -> Sequence[str]:
    write_overlay(
        folder,
        ethogram,
        open_scores(folder),
        videos=wanted.videos,
        start_s=wanted.overlay_start_s,
        stop_s=wanted.overlay_stop_s,
    )
    return [OVERLAY_FILE]


_WRITERS: dict[str, _Writer] = {
    "bouts": _bouts,
    "hours": _hours,
    "boris": _boris,
    PICTURES: _pictures,
    "parquet": _parquet,
    "nwb": _nwb,
    "deepethogram": _deepethogram,
    "boris-project": _boris_project,
    OVERLAY: _overlay,
}
