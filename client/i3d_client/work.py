"""One recording on its way from files to tables: what is done, what is left, what came out."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from i3d_client.contract import ModelContract
from i3d_client.errors import OtherRunError, OutputError, VideoError
from i3d_client.geometry import GEOMETRY_VERSION
from i3d_client.inference import identity_of
from i3d_client.inputs import Input
from i3d_client.journal import Journal, remove_journal, what_differs
from i3d_client.messages import Task
from i3d_client.options import Options
from i3d_client.printable import printable
from i3d_client.provenance import describe_run
from i3d_client.recording import Recording, open_recording
from i3d_client.results import RUN_FILE, Tally, check_tables, read_run, write_run, write_tables
from i3d_client.spans import Span, SpanResult, plan_spans
from i3d_client.temporal_head import TemporalHead, read_temporal_head, with_context
from i3d_client.triton import Model
from i3d_client.windows import WindowGrid

_RATE_TOLERANCE = 0.1
_ATTEMPTS = 3
_LEAST_SPAN_FRAMES = 128
_HASHED_AT_ONCE = 1 << 20
_PAUSE_S = 1.0
_PAUSE_FRAMES = 10
_TIMES_AT_ONCE = 1 << 12

State = Literal["done", "resumed", "skipped", "failed", "interrupted"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one recording.

    Attributes:
        given: its files, and its name below the output folder.
        state: ``done``; ``resumed``, a run before this one had done a part; ``skipped``, it had
            done all; ``failed``, there are no results; ``interrupted``, a part is done.
        folder: where its results are; None if there are none.
        run: the content of run.json; None if there are no results.
        tally: what the results hold; None if this run did not write them.
        problems: why it failed or is incomplete; empty if it is whole.
        warnings: what the user should know all the same.
        frames_kept: of a recording that is interrupted, those whose answers are in its journal;
            0 if this run did not come to open it.
        frames_now: those of them that this run did.
    """

    given: Input
    state: State
    folder: Path | None = None
    run: dict[str, Any] | None = None
    tally: Tally | None = None
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    frames_kept: int = 0
    frames_now: int = 0


@dataclass(kw_only=True)
class Work:
    """A recording that is being classified.

    Attributes:
        given: its files and name.
        recording: what is known of them.
        journal: what is done.
        waiting: spans that no worker has, in order.
        running: how many a worker has.
        frames_before: done by runs before this one.
        frames_now: done by this run.
        failure: why it cannot be done at all.
        temporal_head: what answers in place of the network's last layer; None: nothing does.
    """

    given: Input
    folder: Path
    model: Model
    contract: ModelContract
    options: Options
    identity: dict[str, Any]
    recording: Recording
    journal: Journal
    waiting: list[Span]
    stamps: list[tuple[int, int]]
    warnings: list[str]
    running: int = 0
    frames_before: int = 0
    frames_now: int = 0
    failure: str | None = None
    temporal_head: TemporalHead | None = None
    given_up: list[tuple[int, int | None, str]] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    started: float = field(default_factory=time.perf_counter)
    _attempts: dict[int, int] = field(default_factory=dict)

    @property
    def advance(self) -> int:
        """N · stride: frames from one segment to the next."""
        return self.contract.windows_per_segment * self.contract.stride

    @property
    def grid(self) -> WindowGrid:
        """Windows of the recording."""
        return WindowGrid(
            self.recording.num_frames, self.contract.clip_frames, self.contract.stride
        )

    @property
    def num_segments(self) -> int:
        """Segments of the recording."""
        return self.grid.num_segments(self.contract.windows_per_segment)

    @property
    def frames_kept(self) -> int:
        """How many frames the journal has the results of."""
        missing = (self._frames_of(*gap) for gap in self.journal.missing(self.num_segments))
        return self.recording.num_frames - sum(stop - first for first, stop in missing)

    def task(self, span: Span, *, all_cores: int) -> Task:
        """Describe a span to a worker."""
        first, stop = span.first_segment, span.stop_segment
        last = stop is None or stop >= self.num_segments
        end = None
        if stop is not None and not last:
            end = (stop - 1) * self.advance + self.contract.segment_frames
        one_pass = stop is None
        return Task(
            stretches=tuple(self.recording.stretches(first * self.advance, end)),
            first_segment=first,
            stop_segment=None if last else stop,
            report_segments=max(1, self.options.span_frames // self.advance),
            codec_threads=all_cores if one_pass else 1,
        )

    def keep(self, result: SpanResult) -> None:
        """Take a result of a span, or of a part of one.

        Raises:
            OutputError: it cannot be written.
        """
        self.journal.write(result)
        self.frames_now += result.decoded + len(result.lost_frames)
        if result.num_frames is not None:
            self.recording = self.recording.with_frames_found(result.num_frames)

    def put_back(self, span: Span, done_to: int, *, died: str | None) -> str | None:
        """Put back what is left of a span whose worker died; say so if it is given up instead.

        Args:
            span: as it was given.
            done_to: the segment before which results of it have come.
            died: how the worker died, if that may be because of this span.
        """
        if done_to > span.first_segment:
            if span.stop_segment is None:
                done_to = self.go_back(done_to)
            span = Span(first_segment=done_to, stop_segment=span.stop_segment)
        if span.stop_segment is not None and span.first_segment >= span.stop_segment:
            return None
        attempt = self._attempts.get(span.first_segment, 0) + (died is not None)
        self._attempts[span.first_segment] = attempt
        if died is None or attempt < _ATTEMPTS:
            self.waiting.insert(0, span)
            return None
        self.given_up.append((span.first_segment, span.stop_segment, died))
        first, stop = self._frames_of(span.first_segment, span.stop_segment)
        return (
            f"frames {first} to {stop - 1} are given up: {_ATTEMPTS} workers in a row died there "
            f"({died})"
        )

    def go_back(self, segment: int) -> int:
        """Return where to go on after what is done before ``segment``, which is no more kept there.

        Where frames are only counted by decoding them, ``segment`` may be the end; then its tail
        window, and how many frames there are, follow from frames before it.
        """
        if self.recording.counted_exactly or self.journal.num_frames is not None:
            return segment
        reach = -(-self.contract.segment_frames // self.advance)
        self.journal.forget_from(max(0, segment - reach))
        missing = self.journal.missing(self.num_segments)
        return missing[0][0] if missing else segment

    def _frames_of(self, first: int, stop: int | None) -> tuple[int, int]:
        stop = self.num_segments if stop is None else stop
        return self.grid.frames_of_segments(first, stop, self.contract.windows_per_segment)

    def interrupted(self) -> Outcome:
        """Say what is kept of a recording that will not be finished now."""
        return Outcome(
            given=self.given,
            state="interrupted",
            frames_kept=self.frames_kept,
            frames_now=self.frames_now,
        )

    def finish(self) -> Outcome:
        """Write the results.

        Raises:
            OutputError: they cannot be written; the journal stays.
        """
        if self.failure is not None:
            return Outcome(given=self.given, state="failed", problems=(self.failure,))
        if not self.given_up and not any(result.decoded for result in self._results()):
            problem = f"{self._shown}: no frame of it can be decoded"
            return Outcome(given=self.given, state="failed", problems=(problem,))
        grid = self.grid
        first_frame = self.recording.first_frame
        tally = write_tables(
            self.folder,
            spans=self._answers,
            grid=grid,
            times_us=self.recording.times_us,
            contract=self.contract,
            first_frame=first_frame,
            spans_with_features=self._with_features if self.options.features else None,
        )
        problems = tuple(self._problems(tally))
        warnings = (*self.warnings, *self._warnings())
        run = describe_run(
            recording=self.recording,
            tally=tally,
            model=self.model,
            contract=self.contract,
            identity=self.identity,
            options=self.options.as_given(),
            problems=problems,
            warnings=warnings,
            started_at=self.started_at,
            seconds=time.perf_counter() - self.started,
            frames_before=self.frames_before,
            frames_now=self.frames_now,
        )
        write_run(self.folder, run)
        if not self.given_up:
            self.journal.remove()
        return Outcome(
            given=self.given,
            state="resumed" if self.frames_before else "done",
            folder=self.folder,
            run=run,
            tally=tally,
            problems=problems,
            warnings=warnings,
        )

    @property
    def _shown(self) -> str:
        return printable(self.given.files[0])

    def _answers(self) -> Iterator[SpanResult]:
        if self.temporal_head is None:
            return self._results()
        return with_context(
            self._results(features=True),
            self.temporal_head,
            grid=self.grid,
            windows_per_segment=self.contract.windows_per_segment,
        )

    def _with_features(self) -> Iterator[SpanResult]:
        return self._results(features=True)

    def _results(self, *, features: bool = False) -> Iterator[SpanResult]:
        """Yield the spans' results in order, with an empty one for what was given up."""
        at = 0
        for result in self.journal.results(features=features):
            if result.first_segment > at:
                yield self._nothing(at, result.first_segment)
            yield result
            at = result.stop_segment
        if at < self.num_segments:
            yield self._nothing(at, self.num_segments)

    def _nothing(self, first: int, stop: int) -> SpanResult:
        start, end = self.grid.windows_of_segments(first, stop, self.contract.windows_per_segment)
        return SpanResult(
            first_segment=first,
            stop_segment=stop,
            probabilities=np.zeros((end - start, len(self.contract.labels)), np.float32),
            scored=np.zeros(end - start, bool),
            decoded=0,
            lost_frames=np.empty(0, np.int64),
            failed=True,
        )

    def _problems(self, tally: Tally) -> Iterator[str]:
        for video in self.recording.videos:
            if video.cut_short is not None:
                yield f"the file seems cut off: {video.cut_short}; the rest is not classified"
        for path, stamp, content in zip(
            self.given.files, self.stamps, self.identity["input"], strict=True
        ):
            if _has_changed(path, stamp, content["sha256"]):
                yield (
                    f"{printable(path)} changed while it was read: is it still being recorded? "
                    "What it held at first is classified; give it again, with --overwrite, when "
                    "it is complete"
                )
        for first_segment, stop_segment, reason in self.given_up:
            first, stop = self._frames_of(first_segment, stop_segment)
            yield (
                f"frames {first} to {stop - 1} are unscored: {_ATTEMPTS} workers in a row died "
                f"there ({reason}). The same command tries them again"
            )
        if tally.lost:
            shown = ", ".join(map(str, tally.first_lost))
            more = ", …" if tally.lost > len(tally.first_lost) else ""
            yield (
                f"{tally.lost} of {tally.num_frames} frames cannot be decoded ({shown}{more}): "
                "they and the windows that contain them are unscored"
            )
        expected = sum(video.num_frames_expected for video in self.recording.videos)
        found_to = self.recording.first_frame + tally.num_frames
        if (
            not self.recording.counted_exactly
            and self.options.stop_s is None
            and (found_to < expected)
        ):
            yield (
                f"the file holds {expected} packets, but only {found_to} pictures come out of "
                "them: times after the missing ones may be early"
            )

    def _warnings(self) -> Iterator[str]:
        contract, num_frames = self.contract, self.recording.num_frames
        fps = float(self.recording.fps)
        if abs(fps / contract.trained_fps - 1) > _RATE_TOLERANCE:
            yield (
                f"{fps:.6g} frames/s, but the model was trained at {contract.trained_fps:.6g}: "
                "movements look slower or faster to it than they are"
            )
        pauses, seconds = self._pauses()
        if pauses:
            yield (
                f"pauses: {pauses} frames stay for longer than {_PAUSE_S:g} s, {seconds:.1f} s in "
                "all, which count as their labels; was the camera off?"
            )
        if num_frames < contract.clip_frames:
            yield (
                f"{num_frames} frames are fewer than a window of {contract.clip_frames}: "
                "padded with the last frame, and one label for all"
            )

    def _pauses(self) -> tuple[int, float]:
        """Count frames after which no other comes for long, and the seconds that they stay."""
        least_us = 1e6 * max(_PAUSE_S, _PAUSE_FRAMES / float(self.recording.fps))
        number, us = 0, 0
        for first in range(0, self.recording.num_frames, _TIMES_AT_ONCE):
            stop = min(first + _TIMES_AT_ONCE, self.recording.num_frames)
            lengths = np.diff(self.recording.times_us(first, stop + 1))
            long = lengths[lengths > least_us]
            number, us = number + len(long), us + int(long.sum())
        return number, us / 1e6


def prepare(
    given: Input,
    *,
    model: Model,
    contract: ModelContract,
    options: Options,
    check: Callable[[], None] = lambda: None,
) -> Work | Outcome:
    """See what a recording is and what of it is done already. Reads its files; use a thread.

    Args:
        given: its files and name.
        model: as the server describes it.
        contract: the model's.
        options: of the run.
        check: called often; what it raises ends the reading.

    Returns:
        The work that is left; or the outcome, if there is none, or it cannot be done.

    Raises:
        OutputError: the output folder cannot be used.
    """
    folder = options.out / given.name
    try:
        return _prepare(given, folder, model, contract, options, check)
    except (VideoError, OtherRunError) as error:
        return Outcome(given=given, state="failed", problems=(str(error),))


def _prepare(
    given: Input,
    folder: Path,
    model: Model,
    contract: ModelContract,
    options: Options,
    check: Callable[[], None],
) -> Work | Outcome:
    def opened() -> Recording:
        return open_recording(
            given.files, start_s=options.start_s, stop_s=options.stop_s, check=check
        )

    if options.overwrite:
        remove_journal(folder)
        _remove_run(folder)
    run = read_run(folder)
    warnings: list[str] = []
    with ThreadPoolExecutor(1) as pool:
        stamps = [_stamp(path) for path in given.files]
        hashing = pool.submit(lambda: [_sha256(path, check) for path in given.files])
        if run is None:  # else it may be done, and need not be opened
            recording = opened()
        hashes = hashing.result()
    identity: dict[str, Any] = {
        "input": [
            {"bytes": stamp[0], "sha256": sha256}
            for stamp, sha256 in zip(stamps, hashes, strict=True)
        ],
        "model": identity_of(model),
        "geometry_version": GEOMETRY_VERSION,
        "start_s": options.start_s,
        "stop_s": options.stop_s,
    }
    if options.features:  # else absent, as in what was written before there were any
        identity["features"] = True
    temporal_head = None
    if options.temporal_head is not None:
        temporal_head = read_temporal_head(
            options.temporal_head,
            contract=contract,
            checkpoint_sha256=model.build.get("checkpoint_sha256"),
        )
        identity["temporal_head"] = temporal_head.sha256
    identity = json.loads(json.dumps(identity))
    if run is not None:
        if differences := what_differs(run.get("identity", {}), identity):
            raise OtherRunError(
                f"{folder}: holds results of another run: {'; '.join(differences)}. Begin anew "
                "with --overwrite, or choose another --out"
            )
        damage = check_tables(folder, run)
        if damage is None and not run["frames"]["given_up"]:
            remove_journal(folder)  # left if the run was killed right after it wrote run.json
            return Outcome(
                given=given,
                state="skipped",
                folder=folder,
                run=run,
                problems=tuple(run["problems"]),
            )
        if damage is not None:
            warnings.append(f"{damage}: classified again")
        recording = opened()
    journal = Journal(folder, identity)
    if journal.damaged:
        warnings.append(
            f"{journal.damaged} files of the journal were damaged: what they held is classified "
            "again"
        )
    if journal.num_frames is not None:
        recording = recording.with_frames_found(journal.num_frames)
    work = Work(
        given=given,
        folder=folder,
        model=model,
        contract=contract,
        options=options,
        identity=identity,
        recording=recording,
        journal=journal,
        waiting=[],
        stamps=stamps,
        temporal_head=temporal_head,
        warnings=[*warnings, *(text for video in recording.videos for text in video.warnings)],
    )
    if not recording.counted_exactly and journal.num_frames is None:
        work.go_back(journal.reach)
    missing = journal.missing(work.num_segments)
    reason = recording.one_pass
    if reason is None:
        work.waiting = _spans(work, missing)
    elif missing:
        journal.forget_from(missing[0][0])
        work.waiting = [Span(first_segment=missing[0][0], stop_segment=None)]
        if recording.num_frames > options.span_frames:
            work.warnings.append(f"{reason}: decoded in one pass")
    work.frames_before = work.frames_kept
    return work


def _spans(work: Work, missing: list[tuple[int, int]]) -> list[Span]:
    """Cut so that every worker gets some, but not shorter than a group of pictures."""
    keys = work.recording.key_frames
    group = work.recording.num_frames // len(keys)
    return plan_spans(
        missing,
        key_frames=keys,
        frames_per_segment=work.advance,
        span_frames=work.options.span_frames,
        least_frames=max(group, _LEAST_SPAN_FRAMES),
        workers=work.options.workers,
    )


def _remove_run(folder: Path) -> None:
    try:
        (folder / RUN_FILE).unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"{folder / RUN_FILE}: cannot be removed: {error.strerror}") from error


def _stamp(path: Path) -> tuple[int, int]:
    """Size in bytes and time of the last change: a file that changes shows it here."""
    try:
        status = path.stat()
    except OSError:
        return (0, 0)  # opening it says what is wrong
    return (status.st_size, status.st_mtime_ns)


def _has_changed(path: Path, stamp: tuple[int, int], sha256: str) -> bool:
    """Whether a file is not what it was; one that was only touched is."""
    size, changed_ns = _stamp(path)
    if (size, changed_ns) == stamp:
        return False
    try:
        return size != stamp[0] or _sha256(path, lambda: None) != sha256
    except VideoError:
        return True


def _sha256(path: Path, check: Callable[[], None]) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(_HASHED_AT_ONCE):
                digest.update(block)
                check()
    except OSError as error:
        raise VideoError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    return digest.hexdigest()
