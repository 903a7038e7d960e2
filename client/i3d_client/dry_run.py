"""``i3d classify --dry-run``: what would be classified, and how long it would take."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from i3d_client.contract import ModelContract
from i3d_client.errors import I3dError
from i3d_client.inputs import Input
from i3d_client.printable import printable
from i3d_client.recording import Recording
from i3d_client.results import RUN_FILE
from i3d_client.video import Video
from i3d_client.windows import WindowGrid

_COLUMNS = ("recording", "files", "frames", "h:mm:ss", "resolution", "fps", "windows", "results")
_LEFT = ("recording", "results")


@dataclass(frozen=True, kw_only=True)
class PlannedRecording:
    """What is known of a recording before it is classified.

    Attributes:
        input: its files and output folder.
        num_frames: pictures that the files hold.
        duration_s: from the first picture's time to the end of the last, over all files.
        resolutions: (width, height) of the pictures as they are shown, those that occur.
        fps: average frame rates of the files, those that occur.
        num_windows: to be asked of the model; None without a contract.
        warnings: of the files, with their names, and where one of them seems cut off.
        problem: why it cannot be classified, in which case all numbers are 0; None if it can.
    """

    input: Input
    num_frames: int = 0
    duration_s: float = 0.0
    resolutions: tuple[tuple[int, int], ...] = ()
    fps: tuple[float, ...] = ()
    num_windows: int | None = None
    warnings: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a run would do.

    Attributes:
        recordings: in order.
        frames_per_s: how fast earlier runs were; None if unknown.
    """

    recordings: tuple[PlannedRecording, ...]
    frames_per_s: float | None

    @property
    def num_frames(self) -> int:
        """Frames of all recordings that can be read."""
        return sum(recording.num_frames for recording in self.recordings)

    @property
    def num_windows(self) -> int | None:
        """Windows of all recordings that can be read; None without a contract."""
        counts = [item.num_windows for item in self.recordings if item.problem is None]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    @property
    def duration_s(self) -> float:
        """Duration of all recordings that can be read."""
        return sum(recording.duration_s for recording in self.recordings)

    @property
    def expected_s(self) -> float | None:
        """Time that the run would take; None if no rate is known."""
        return None if self.frames_per_s is None else self.num_frames / self.frames_per_s


def plan(
    recordings: Sequence[tuple[Input, Recording | I3dError]],
    *,
    contract: ModelContract | None,
    frames_per_s: float | None,
) -> DryRun:
    """Work out what a run would do.

    Args:
        recordings: each as ``open_recording`` gives it, or the error with which it was refused.
        contract: of the model that would be asked; None if it is not known.
        frames_per_s: as ``known_rate`` gives it.
    """
    planned = tuple(
        PlannedRecording(input=given, problem=str(recording))
        if isinstance(recording, I3dError)
        else _plan_recording(given, recording, contract)
        for given, recording in recordings
    )
    return DryRun(recordings=planned, frames_per_s=frames_per_s)


def _plan_recording(
    given: Input, recording: Recording, contract: ModelContract | None
) -> PlannedRecording:
    num_frames, videos = recording.num_frames, recording.videos
    return PlannedRecording(
        input=given,
        num_frames=num_frames,
        duration_s=_duration_s(recording),
        resolutions=tuple(dict.fromkeys(_shown_size(video) for video in videos)),
        fps=tuple(dict.fromkeys(float(video.fps) for video in videos)),
        num_windows=None if contract is None else _num_windows(num_frames, contract),
        warnings=tuple(_warnings(videos)),
    )


def _duration_s(recording: Recording) -> float:
    """Return the time from the first picture to the last, and one frame's duration."""
    first = recording.times_s(0, 1)[0]
    last = recording.times_s(recording.num_frames - 1, recording.num_frames)[0]
    return float(last - first) + float(1 / recording.videos[-1].fps)


def _shown_size(video: Video) -> tuple[int, int]:
    turned = video.rotation in (90, 270)
    return (video.height, video.width) if turned else (video.width, video.height)


def _num_windows(num_frames: int, contract: ModelContract) -> int:
    return WindowGrid(num_frames, contract.clip_frames, contract.stride).count


def _warnings(videos: Sequence[Video]) -> Iterator[str]:
    for video in videos:
        name = printable(video.path)
        if video.cut_short is not None:
            yield f"{name}: the file seems cut off: {video.cut_short}"
        for warning in video.warnings:
            yield f"{name}: {warning}"


def known_rate(out: Path, *, model: str | None = None) -> float | None:
    """Return how many frames a second earlier runs classified, their median; None if unknown.

    Args:
        out: folder of results; every ``run.json`` in it counts, and one that is not ours or
            cannot be read does not.
        model: counts runs of this model alone; None counts all.
    """
    rates = []
    for folder, _, names in os.walk(out):
        if RUN_FILE in names:
            rate = _rate(Path(folder) / RUN_FILE, model)
            rates += [] if rate is None else [rate]
    return median(rates) if rates else None


def _rate(file: Path, model: str | None) -> float | None:
    try:
        run: Any = json.loads(file.read_text(encoding="utf-8"))
        rate, name = float(run["run"]["frames_per_s"]), run["model"]["name"]
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    if model is not None and name != model:
        return None
    return rate if math.isfinite(rate) and rate > 0 else None


def print_dry_run(dry_run: DryRun, *, out: Path, console: Console) -> None:
    """Print a table of the recordings, the order of their files, problems, and the totals.

    Args:
        dry_run: as ``plan`` gives it.
        out: folder of results.
        console: a terminal gets a table; a file or pipe gets each recording on a line of its
            own, whole, with tabs between the cells.
    """
    rows = [list(_row(recording, out)) for recording in dry_run.recordings]
    if console.is_terminal:
        console.print(_table(rows))
    else:
        for row in (_COLUMNS, *rows):
            console.file.write("\t".join(row) + "\n")  # print would expand the tabs
    for line in _lines_below(dry_run, out):
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table()
    for column in _COLUMNS:
        if column in _LEFT:
            table.add_column(column, overflow="fold", min_width=len(column))
        else:
            table.add_column(column, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _row(recording: PlannedRecording, out: Path) -> Iterator[str]:
    yield printable(recording.input.name)
    yield str(len(recording.input.files))
    if recording.problem is not None:
        yield from ["–"] * 5
        yield "cannot be read"
        return
    yield f"{recording.num_frames:,}"
    yield _clock(recording.duration_s)
    yield ", ".join(f"{width} × {height}" for width, height in recording.resolutions)
    yield ", ".join(f"{fps:.6g}" for fps in recording.fps)
    yield _count(recording.num_windows)
    yield printable(out / recording.input.name)


def _count(count: int | None) -> str:
    return "–" if count is None else f"{count:,}"


def _lines_below(dry_run: DryRun, out: Path) -> Iterator[str]:
    for recording in dry_run.recordings:
        name = printable(recording.input.name)
        if len(recording.input.files) > 1:
            yield f"{name} is, in this order:"
            yield from (f"  {printable(file)}" for file in recording.input.files)
        yield from (f"warning: {warning}" for warning in recording.warnings)
        if recording.problem is not None:
            yield f"error: {recording.problem}"
    unreadable = sum(recording.problem is not None for recording in dry_run.recordings)
    yield (
        f"{_plural(len(dry_run.recordings), 'recording')}, {dry_run.num_frames:,} frames, "
        f"{_clock(dry_run.duration_s)}, {_count(dry_run.num_windows)} windows"
        + (f"; {unreadable} cannot be read" if unreadable else "")
    )
    yield _expectation(dry_run, out)


def _expectation(dry_run: DryRun, out: Path) -> str:
    if dry_run.expected_s is None:
        return f"expected time: unknown, for {printable(out)} holds no earlier run to go by"
    rate = dry_run.frames_per_s or 0.0
    return (
        f"expected time: about {_about(dry_run.expected_s)}, at the "
        f"{rate:,.{0 if rate >= 10 else 2}f} frames/s of the runs in {printable(out)}"
    )


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _clock(seconds: float) -> str:
    """Return hours, minutes and seconds to a tenth, ``1:02:03.4``."""
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes // 60}:{minutes % 60:02}:{rest // 10:02}.{rest % 10}"


def _about(seconds: float) -> str:
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = math.ceil(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
