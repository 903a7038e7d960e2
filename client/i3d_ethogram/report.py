"""From the answers of a network to what a lab uses: everything that ``i3d report`` writes.

A recording is read, written and forgotten before the next one.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from i3d_client.durable import complete_file
from i3d_client.errors import I3dError, InputError, MissingExtraError
from i3d_client.inputs import Input
from i3d_client.journal import OutputLock
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import NO_METADATA, read_metadata
from i3d_ethogram.page.report_data import REPORT_PAGE, write_report
from i3d_ethogram.reading import find_recordings, read_ethogram
from i3d_ethogram.recorded_at import RecordedAt
from i3d_ethogram.recording_files import OVERLAY, PICTURES, REPORT_FILE, TABLES, Wanted
from i3d_ethogram.recording_writers import RecordingWriters
from i3d_ethogram.smoothing import NO_SMOOTHING, Smoothing
from i3d_ethogram.tables.experiment import Experiment

_LOCK_FILE = ".i3d-report-lock"
_EXTRA = "report"
_NEEDS = ("jinja2", "matplotlib")

Format = Literal["parquet", "nwb", "deepethogram", "boris-project"]
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """What to make of results.

    Attributes:
        recorded_at: when recordings began: a date and time, or a pattern of their names
            (``RecordedAt``). None: as an earlier report, or ``i3d classify``, was told.
        metadata: table of the animals. None: that of an earlier report.
        smoothing: of the labels.
        formats: other formats to write.
        overlay: write a video with the labels in it.
        overlay_start_s, overlay_stop_s: of frames shown in this time alone.
        videos: folder in which to look for videos that have moved.
        title: of the page.
        forget: leave out ``recorded_at`` and ``metadata`` of earlier reports.
    """

    recorded_at: str | None = None
    metadata: Path | None = None
    smoothing: Smoothing = NO_SMOOTHING
    formats: tuple[Format, ...] = ()
    overlay: bool = False
    overlay_start_s: float | None = None
    overlay_stop_s: float | None = None
    videos: Path | None = None
    title: str | None = None
    forget: bool = False


class RunReport:
    """The report at the end of ``i3d classify``: ``i3d_client.report.Report``."""

    def __init__(self, *, recorded_at: str | None, metadata: Path | None) -> None:
        self._options = ReportOptions(recorded_at=recorded_at, metadata=metadata)

    def check(self, inputs: Sequence[Input]) -> None:
        """See whether the options can be used with these recordings.

        Raises:
            InputError: they cannot.
        """
        text = self._options.recorded_at
        if text is not None:
            recorded_at = _recorded_at(text, len(inputs))
            for given in inputs:
                recorded_at.of(str(given.name))
        if self._options.metadata is not None:
            read_metadata(self._options.metadata)

    def write(self, out: Path, *, say: Say) -> bool:
        """Write the report of all results in ``out``; without its extra, the tables alone."""
        return write_reports(out, options=self._options, say=say, needs_pictures=False)


def write_reports(
    out: Path, *, options: ReportOptions, say: Say, needs_pictures: bool = True
) -> bool:
    """Write what follows from all results in a folder.

    Args:
        out: the folder that ``i3d classify --out`` was given.
        options: what to make.
        say: told what the user should know.
        needs_pictures: whether it is an error that pictures cannot be drawn here.

    Returns:
        Whether all could be written; ``say`` is told what could not.

    Raises:
        ResultError: there are no results.
        InputError: the metadata or the time of the recordings cannot be used.
        MissingExtraError: an optional part of the installation is needed.
        OutputError: the folder cannot be written, or another report is being made there.
    """
    names = find_recordings(out)
    options = _with_earlier(out, options, say)
    _check(options, names)
    metadata = NO_METADATA
    if options.metadata is not None:
        metadata = read_metadata(options.metadata).match(names)
    with_pictures = _can_draw(say, needed=needs_pictures)
    wanted = Wanted(
        kinds=(
            *TABLES,
            *options.formats,
            *([PICTURES] if with_pictures else []),
            *([OVERLAY] if options.overlay else []),
        ),
        videos=options.videos,
        overlay_start_s=options.overlay_start_s,
        overlay_stop_s=options.overlay_stop_s,
    )
    left_out: list[str] = []
    experiment = Experiment(metadata=metadata)

    def taken(writers: RecordingWriters) -> Iterator[Ethogram]:
        for ethogram in _each(out, names, options, left_out):
            animal = metadata.of(ethogram.name)
            writers.write(out / ethogram.name, ethogram, replace(wanted, animal=animal))
            experiment.add(ethogram)
            yield ethogram

    with (
        OutputLock(out, name=_LOCK_FILE),
        RecordingWriters(len(names), say=say) as writers,
    ):
        ethograms = taken(writers)
        first = next(ethograms, None)
        if first is not None:
            ethograms = chain([first], ethograms)
            if with_pictures:
                write_report(
                    out,
                    ethograms,
                    metadata=metadata,
                    title=options.title,
                    moved_to=options.videos,
                    left_out=left_out,
                )
            else:
                deque(ethograms, maxlen=0)
            experiment.write(out)
            _remember(out, options)
    for problem, number in Counter(left_out).items():
        say(f"error: {problem}" + (f" (of {number} recordings)" if number > 1 else ""))
    for warning in experiment.warnings():
        say(f"warning: {warning}")
    if first is not None:
        say(f"→ {out / REPORT_PAGE if with_pictures else out}")
    return not left_out and not writers.failed


def _with_earlier(out: Path, options: ReportOptions, say: Say) -> ReportOptions:
    """Take what an earlier report was told of the recordings, unless it is told anew."""
    if options.forget:
        return options
    try:
        known = json.loads((out / REPORT_FILE).read_bytes())
        recorded_at, metadata = known["recorded_at"], known["metadata"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return options
    if options.recorded_at is None and isinstance(recorded_at, str):
        say(f"--recorded-at {recorded_at!r}, as before (--forget leaves it out)")
        options = replace(options, recorded_at=recorded_at)
    if options.metadata is None and isinstance(metadata, str):
        say(f"--metadata {metadata}, as before (--forget leaves it out)")
        options = replace(options, metadata=Path(metadata))
    return options


def _remember(out: Path, options: ReportOptions) -> None:
    """Keep what is about the recordings, not about one report; put it on the disk."""
    metadata = options.metadata
    document = {
        "recorded_at": options.recorded_at,
        "metadata": None if metadata is None else str(metadata.absolute()),
    }
    with complete_file(out / REPORT_FILE) as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def _check(options: ReportOptions, names: Sequence[str]) -> None:
    """See that options make sense, before anything is written.

    Raises:
        InputError: one does not.
        MissingExtraError: what a format needs is not installed.
    """
    if options.recorded_at is not None:
        recorded_at = _recorded_at(options.recorded_at, len(names))
        for name in names:
            recorded_at.of(name)
    start_s, stop_s = options.overlay_start_s, options.overlay_stop_s
    if start_s is not None and stop_s is not None and start_s >= stop_s:
        raise InputError(f"overlay time {start_s:g} {stop_s:g}: expected the start before the stop")
    _require(options.formats)


def _recorded_at(text: str, recordings: int) -> RecordedAt:
    """Read ``--recorded-at``; several recordings cannot have begun at one moment."""
    recorded_at = RecordedAt.parse(text)
    if recorded_at.moment is not None and recordings > 1:
        raise InputError(
            f"recorded at {text!r}: is one moment, and there are {recordings} recordings. Give a "
            "pattern of their names, such as '%Y-%m-%d_%H-%M-%S'"
        )
    return recorded_at


def _require(formats: Sequence[Format]) -> None:
    """See that what other formats need is installed, before anything is written.

    Raises:
        MissingExtraError: it is not.
    """
    for name, extra, module in (("parquet", "parquet", "pyarrow"), ("nwb", "nwb", "ndx_ethogram")):
        if name in formats and not _is_installed(module):
            raise MissingExtraError(extra, needed_for=f"--format {name}")


def _can_draw(say: Say, *, needed: bool) -> bool:
    if all(map(_is_installed, _NEEDS)):
        return True
    missing = MissingExtraError(_EXTRA, needed_for="drawing pictures and report.html")
    if needed:
        raise missing
    say(f"tables alone: {missing}, then: i3d report")
    return False


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _each(
    out: Path, names: Sequence[str], options: ReportOptions, left_out: list[str]
) -> Iterator[Ethogram]:
    """Yield the ethogram of every recording whose results can be used; say why of the others."""
    for name in names:
        try:
            yield _read(out, name, options, len(names))
        except I3dError as error:
            left_out.append(str(error))


def _read(out: Path, name: str, options: ReportOptions, recordings: int) -> Ethogram:
    ethogram = read_ethogram(out, name, smoothing=options.smoothing)
    text = options.recorded_at or ethogram.run["options"].get("recorded_at")
    if text is None:
        return ethogram
    recorded_at = _recorded_at(text, recordings if options.recorded_at else 1)
    return replace(ethogram, recorded_at=recorded_at.of(name))
