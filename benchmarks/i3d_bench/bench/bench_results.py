"""A ``bench.json``, read once: what tables, figures and pages are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.bench.bench_file import read_bench_file
from i3d_bench.bench.executed import EXECUTED
from i3d_bench.bench.prices import Price, prices_of
from i3d_client.errors import ResultError
from i3d_client.printable import printable

_SHOWN = (
    "simulated",
    "machine",
    "server",
    "videos",
    "contract",
    "model_base",
    "batch_wanted",
    "repeats",
    "left_out",
    "not_timed",
)
DEVICE, COMPUTE = "device", "compute"
SYNCHRONOUS, ASYNCHRONOUS = "synchronous", "asynchronous"
TENSORFLOW = "tf_"  # before the name of a pipeline
REFERENCE_PRECISION = "fp32"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One pipeline at one precision on so many cores, on one video, repeated.

    Attributes:
        cores: that the client was held to.
        batch: windows that a synchronous pipeline awaited at a time.
        seconds: of every repeat; median and quartiles are of these.
        start_s: of them, what was taken before the work began, and to end after it.
        scaled_seconds_per_video_hour: of an hour of video, by the median, if all of the run time
            grew with the video, the start too: ``seconds_per_video_hour`` of the file.
        device_busy: share of the run, 0 … 1; None if it could not be seen.
        client_processor_s: processor time of the client; None if it could not be seen.
        other_segments: that the server answered others meanwhile, so that device_busy is None;
            None if that could not be seen.
    """

    pipeline: str
    precision: str
    cores: int
    video: str
    num_frames: int
    windows: int
    batch: int | None
    seconds: tuple[float, ...]
    start_s: float
    median_s: float
    q1_s: float
    q3_s: float
    scaled_seconds_per_video_hour: float
    device_busy: float | None
    client_processor_s: float | None
    other_segments: int | None

    @property
    def video_hours(self) -> float:
        """Hours of video that the run covered."""
        return self.median_s / self.scaled_seconds_per_video_hour

    @property
    def seconds_per_video_hour(self) -> float:
        """Run time of an hour of video, by the median."""
        return self._of_an_hour(self.median_s)

    @property
    def quartiles_per_video_hour(self) -> tuple[float, float]:
        """First and third quartile of the repeats, seconds of an hour of video."""
        return self._of_an_hour(self.q1_s), self._of_an_hour(self.q3_s)

    def _of_an_hour(self, seconds: float) -> float:
        return per_video_hour(seconds, start_s=self.start_s, video_hours=self.video_hours)


def per_video_hour(seconds: float, *, start_s: float, video_hours: float) -> float:
    """Return what an hour of video takes: the start once, and the rest as it grows with video."""
    return max(0.0, seconds - start_s) / video_hours + start_s


@dataclass(frozen=True, kw_only=True)
class Bound:
    """A part of the work that was timed alone; ``precision`` is None where there is no network."""

    bound: str
    precision: str | None
    cores: int
    video: str
    num_frames: int
    median_s: float
    frames_per_s: float
    seconds_per_video_hour: float


@dataclass(frozen=True, kw_only=True)
class TimelineRow:
    """What one worker, or the device, did when: ``(start_s, stop_s, what)``."""

    row: str
    spans: tuple[tuple[float, float, str], ...]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A run that was traced.

    Attributes:
        file: for ui.perfetto.dev.
        seconds: that it took.
        device_row: what the device's row, and its share, are made of.
        cores_busy_percent: processor time over the time of the client's cores.
        device_busy_percent: of the run; None if it could not be seen.
    """

    pipeline: str
    precision: str
    cores: int
    file: str
    seconds: float
    device_row: str
    rows: tuple[TimelineRow, ...]
    cores_busy_percent: float | None
    device_busy_percent: float | None

    @property
    def device_is_seen(self) -> bool:
        """Whether the device's row has its own time, not that of requests."""
        device = [row for row in self.rows if row.row == DEVICE]
        return any(what == COMPUTE for row in device for _, _, what in row.spans)


@dataclass(frozen=True, kw_only=True)
class BenchResults:
    """A whole ``bench.json``.

    Attributes:
        sha256: of the file, in hexadecimal.
        document: the file, for what is only shown.
        precisions: the first is the one that the others are compared with.
        agreement: by what was compared, as in the file.
        prices: the first is the one that was asked for; none if no price was given.
    """

    sha256: str
    document: Mapping[str, Any]
    precisions: tuple[str, ...]
    agreement: Mapping[str, Mapping[str, Any]]
    runs: tuple[Run, ...]
    bounds: tuple[Bound, ...]
    timelines: tuple[Timeline, ...]
    prices: tuple[Price, ...]

    @property
    def simulated(self) -> bool:
        """Whether the accelerator only sleeps."""
        return bool(self.document["simulated"])

    @property
    def stopped_by(self) -> str | None:
        """What ended the bench early; None if it went to its end."""
        if self.document.get("complete", True):
            return None
        return str(self.document.get("stopped_by") or "it does not say by what")

    @property
    def executed(self) -> Mapping[str, Mapping[str, Any] | None]:
        """What precisions were executed in, as ``i3d_bench.bench.executed`` has it."""
        found: Mapping[str, Mapping[str, Any] | None] = self.document["server"].get(EXECUTED) or {}
        return found

    @property
    def videos(self) -> tuple[str, ...]:
        """Names of the videos that have a run, in the file's order."""
        measured = {run.video for run in self.runs}
        return tuple(
            video["name"] for video in self.document["videos"] if video["name"] in measured
        )

    @property
    def pipelines(self) -> tuple[str, ...]:
        """That have a run, in the file's order."""
        return tuple(dict.fromkeys(run.pipeline for run in self.runs))

    @property
    def cores(self) -> tuple[int, ...]:
        """Numbers of cores that have a run, rising."""
        return tuple(sorted({run.cores for run in self.runs}))

    def bounds_of(self, video: str) -> list[Bound]:
        """Return the bounds that were timed with a video, in the file's order."""
        return [bound for bound in self.bounds if bound.video == video]

    def runs_of(
        self,
        *,
        pipeline: str | None = None,
        precision: str | None = None,
        cores: int | None = None,
        video: str | None = None,
    ) -> list[Run]:
        """Return the runs that have all that is given, in the file's order."""
        return [
            run
            for run in self.runs
            if pipeline in (None, run.pipeline)
            and precision in (None, run.precision)
            and cores in (None, run.cores)
            and video in (None, run.video)
        ]


def read_results(path: Path) -> BenchResults:
    """Read a ``bench.json``.

    Raises:
        ResultError: it is not there, or not what ``i3d bench`` of this release writes.
    """
    document, sha256 = read_bench_file(path)
    try:
        return _results(document, sha256=sha256)
    except KeyError as error:
        raise ResultError(f"{printable(path)}: not whole: {error} is missing") from error
    except (TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
        raise ResultError(f"{printable(path)}: a value is not as expected: {error}") from error


def _results(document: Mapping[str, Any], *, sha256: str) -> BenchResults:
    missing = [key for key in _SHOWN if key not in document]
    if missing:
        raise KeyError(missing[0])
    return BenchResults(
        sha256=sha256,
        document=document,
        precisions=tuple(document["precisions"]),
        agreement=document["agreement"],
        runs=tuple(_run(run) for run in document["runs"]),
        bounds=tuple(_bound(bound) for bound in document["bounds"]),
        timelines=tuple(_timeline(timeline) for timeline in document["timelines"]),
        prices=prices_of(document["price"]),
    )


def _run(run: Mapping[str, Any]) -> Run:
    return Run(
        pipeline=str(run["pipeline"]),
        precision=str(run["precision"]),
        cores=int(run["cores"]),
        video=str(run["video"]),
        num_frames=int(run["num_frames"]),
        windows=int(run["windows"]),
        batch=None if run["batch"] is None else int(run["batch"]),
        seconds=tuple(float(seconds) for seconds in run["seconds"]),
        start_s=_start(run),
        median_s=_above_0(run["median_s"]),
        q1_s=_above_0(run["q1_s"]),
        q3_s=_above_0(run["q3_s"]),
        scaled_seconds_per_video_hour=_above_0(run["seconds_per_video_hour"]),
        device_busy=_known(run["device_busy"]),
        client_processor_s=_known(run["client_processor_s"]),
        other_segments=run.get("other_segments"),
    )


def _start(run: Mapping[str, Any]) -> float:
    start_s, median_s = float(run["start_s"]), _above_0(run["median_s"])
    if not 0 <= start_s < median_s:
        raise ValueError(f"start_s: expected 0 or more, below median_s {median_s}, got {start_s}")
    return start_s


def _bound(bound: Mapping[str, Any]) -> Bound:
    return Bound(
        bound=str(bound["bound"]),
        precision=bound["precision"],
        cores=int(bound["cores"]),
        video=str(bound["video"]),
        num_frames=int(bound["num_frames"]),
        median_s=_above_0(bound["median_s"]),
        frames_per_s=_above_0(bound["frames_per_s"]),
        seconds_per_video_hour=_above_0(bound["seconds_per_video_hour"]),
    )


def _timeline(timeline: Mapping[str, Any]) -> Timeline:
    busy = timeline["busy_percent"]
    return Timeline(
        pipeline=str(timeline["pipeline"]),
        precision=str(timeline["precision"]),
        cores=int(timeline["cores"]),
        file=str(timeline["file"]),
        seconds=_above_0(timeline["seconds"]),
        device_row=str(timeline["device_row"]),
        rows=tuple(
            TimelineRow(row=str(row["row"]), spans=_spans(row["spans"])) for row in timeline["rows"]
        ),
        cores_busy_percent=_known(busy["cores"]),
        device_busy_percent=_known(busy["device"]),
    )


def _spans(spans: Sequence[Sequence[Any]]) -> tuple[tuple[float, float, str], ...]:
    return tuple((float(start), float(stop), str(what)) for start, stop, what in spans)


def _known(value: float | None) -> float | None:
    return None if value is None else float(value)


def _above_0(value: Any) -> float:
    number = float(value)
    if not number > 0:
        raise ValueError(f"expected a number above 0, got {value!r}")
    return number
