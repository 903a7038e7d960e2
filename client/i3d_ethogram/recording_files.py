"""The files that follow from one recording, beside its results.

``report.json`` says what each was made of, and what is still to be made. What was asked for once is
made again whenever it no longer agrees with the tables, or else removed, so that files beside each
other never disagree, also after a run that was killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file, write_errors
from i3d_client.errors import I3dError
from i3d_client.printable import printable
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
_BORIS_PROJECT, _NWB = "boris-project", "nwb"


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


def write_recording_files(folder: Path, ethogram: Ethogram, wanted: Wanted) -> list[str]:
    """Write what is not there yet, and what is there and no longer agrees.

    Args:
        folder: the recording's.
        ethogram: of the recording.
        wanted: what to write.

    Returns:
        What went wrong with single files; all others are written.

    Raises:
        OutputError: the folder cannot be written.
    """
    _remove_leftovers(folder)
    before = _read_report(folder)
    if OVERLAY in before and OVERLAY not in wanted.kinds:
        start_s, stop_s = before[OVERLAY].made_of.get("time_s") or (None, None)
        wanted = replace(wanted, overlay_start_s=start_s, overlay_stop_s=stop_s)
    made_of = {kind: _made_of(kind, folder, ethogram, wanted) for kind in _WRITERS}
    kept = {
        kind: made
        for kind, made in before.items()
        if made.made_of == made_of[kind] and _are_there(folder, made.files)
    }
    missing = [kind for kind in dict.fromkeys([*wanted.kinds, *before]) if kind not in kept]
    if not missing:
        return []
    pending = {
        kind: Made(made_of={}, files=before[kind].files) for kind in missing if kind in before
    }
    _write_report(folder, {**kept, **pending, **_nothing_yet(missing, pending)})
    problems = []
    for kind in missing:
        try:
            names = _WRITERS[kind](folder, ethogram, wanted)
        except I3dError as error:
            problems.append(str(error))
            _remove(folder, pending.get(kind))
            continue
        sizes = {name: (folder / name).stat().st_size for name in names}
        kept[kind] = Made(made_of=made_of[kind], files=sizes)
    _write_report(folder, kept)
    return problems


@dataclass(frozen=True, kw_only=True)
class Made:
    """Files of one kind.

    Attributes:
        made_of: what they follow from; empty if they are still to be made.
        files: their names, and sizes in bytes.
    """

    made_of: Mapping[str, Any]
    files: Mapping[str, int]


def _made_of(kind: str, folder: Path, ethogram: Ethogram, wanted: Wanted) -> dict[str, Any]:
    """Return plain values: what the files of a kind depend on."""
    recorded_at = ethogram.recorded_at
    values: dict[str, Any] = {
        "i3d": version("i3d-triton"),
        "scores": ethogram.run["files"][SCORES_FILE]["sha256"],
        "smoothing": ethogram.smoothing.as_document(),
        "recorded_at": None if recorded_at is None else recorded_at.isoformat(),
    }
    if kind in (_BORIS_PROJECT, _NWB):  # they name videos by the way from where they are
        values["folder"] = printable(folder.absolute())
        values["videos"] = None if wanted.videos is None else printable(wanted.videos.absolute())
    if kind == _NWB:
        values["animal"] = dict(wanted.animal)
    if kind == OVERLAY:
        times = (wanted.overlay_start_s, wanted.overlay_stop_s)
        values["time_s"] = None if times == (None, None) else list(times)
    return values


def _nothing_yet(missing: Sequence[str], pending: Mapping[str, Made]) -> dict[str, Made]:
    return {kind: Made(made_of={}, files={}) for kind in missing if kind not in pending}


def _read_report(folder: Path) -> dict[str, Made]:
    """Return what was made before, by kind; nothing if ``report.json`` is not one of ours."""
    try:
        document = json.loads((folder / REPORT_FILE).read_bytes())
        return {
            kind: Made(made_of=dict(made["made_of"]), files=_sizes(made["files"]))
            for kind, made in document["made"].items()
            if kind in _WRITERS
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return {}


def _sizes(files: Mapping[str, Any]) -> dict[str, int]:
    """Read names and sizes; a name that leads elsewhere is none of ours."""
    return {name: int(size) for name, size in files.items() if "/" not in name and name[0] != "."}


def _write_report(folder: Path, made: Mapping[str, Made]) -> None:
    document = {
        "made": {
            kind: {"made_of": dict(one.made_of), "files": dict(one.files)}
            for kind, one in made.items()
        }
    }
    with complete_file(folder / REPORT_FILE) as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _are_there(folder: Path, files: Mapping[str, int]) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in files.items()
    )


def _remove(folder: Path, made: Made | None) -> None:
    """Remove files that no longer agree with those beside them and cannot be made again."""
    for name in made.files if made is not None else ():
        with suppress(OSError):
            (folder / name).unlink()


def _remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left of files that libraries write by their path."""
    with write_errors(folder):
        for path in folder.glob(".*.part.*"):
            path.unlink()


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
    scores = open_scores(folder)
    write_nwb(folder, ethogram, scores, animal=wanted.animal, videos=wanted.videos)
    return [NWB_FILE]


def _deepethogram(folder: Path, ethogram: Ethogram, _wanted: Wanted) -> Sequence[str]:
    write_deepethogram(folder, ethogram)
    return deepethogram_files(ethogram)


def _boris_project(folder: Path, ethogram: Ethogram, wanted: Wanted) -> Sequence[str]:
    write_boris_project(folder, ethogram, open_scores(folder), videos=wanted.videos)
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
    _NWB: _nwb,
    "deepethogram": _deepethogram,
    _BORIS_PROJECT: _boris_project,
    OVERLAY: _overlay,
}
