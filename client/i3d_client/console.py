"""What ``i3d classify`` prints: progress, answers, the table at the end.

Rich on a terminal, plain lines elsewhere, or JSON lines. Answers go to standard output, all else to
standard error.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from i3d_client.classify import INTERRUPTED, Observer, classify_recordings
from i3d_client.contract import ModelContract
from i3d_client.dry_run import known_rate, plan, print_dry_run
from i3d_client.errors import I3dError
from i3d_client.inputs import Input
from i3d_client.log import JsonLog
from i3d_client.options import Options
from i3d_client.printable import printable
from i3d_client.recording import Recording, open_recording
from i3d_client.report import Report
from i3d_client.trace import TraceFile
from i3d_client.triton import Connection, Model
from i3d_client.work import Outcome, Work

_SHOWN_LABELS = 5
_JSON_PROGRESS_EVERY_S = 5.0


def run_classify(
    *,
    inputs: Sequence[Input],
    options: Options,
    trace: Path | None,
    log_json: bool,
    report: Report | None,
) -> int:
    """Classify recordings, show progress and answers, report, and return the exit status.

    Returns:
        0 if all is whole, 1 if anything failed or is incomplete, 130 if it was interrupted.
    """
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    started = time.perf_counter()
    with (
        nullcontext() if trace is None else TraceFile(trace) as trace_file,
        _JsonView() if log_json else _TextView(messages, inputs) as view,
    ):
        outcomes = asyncio.run(
            classify_recordings(inputs, options=options, observer=view, trace=trace_file)
        )
        view.summary(outcomes, seconds=time.perf_counter() - started)
        if any(outcome.state == "interrupted" for outcome in outcomes):
            return INTERRUPTED
        whole = not any(outcome.problems for outcome in outcomes)
        if report is not None and any(outcome.run is not None for outcome in outcomes):
            whole &= _make(report, options.out, view)
    return 0 if whole else 1


def _make(report: Report, out: Path, view: Observer) -> bool:
    """Make the report of results that are safe, whatever becomes of it."""
    try:
        return report.write(out, say=view.said)
    except I3dError as error:
        view.said(f"error: the report is not made: {error}")
        return False


def run_dry(*, inputs: Sequence[Input], options: Options) -> int:
    """Print what ``run_classify`` would do, and return the exit status.

    Returns:
        0 if every recording can be read, else 1.
    """
    model, contract = asyncio.run(_choose_model(options))
    opened: list[tuple[Input, Recording | I3dError]] = []
    for given in inputs:
        try:
            recording = open_recording(given.files, start_s=options.start_s, stop_s=options.stop_s)
        except I3dError as error:
            opened.append((given, error))
        else:
            opened.append((given, recording))
    rate = known_rate(options.out, model=model.name)
    dry_run = plan(opened, contract=contract, frames_per_s=rate)
    print_dry_run(dry_run, out=options.out, console=Console(highlight=False))
    return 1 if any(isinstance(recording, I3dError) for _, recording in opened) else 0


async def _choose_model(options: Options) -> tuple[Model, ModelContract]:
    async with Connection(options.access) as connection:
        return await connection.choose_model(options.model)


def note(message: str) -> None:
    """Print what the user should know before a run begins."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(message, markup=False)


class _Rate(ProgressColumn):
    """Frames per second, that as a multiple of real time, and the time that is left."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        if not speed:
            return Text("")
        parts = [f"{speed:,.0f} frames/s"]
        if task.fields.get("fps"):
            parts.append(f"{speed / task.fields['fps']:.1f} × real time")
        if task.total is not None and not task.finished:
            parts.append(f"{_duration((task.total - task.completed) / speed)} left")
        return Text(", ".join(parts))


class _TextView(Observer):
    """Progress bars on a terminal, and lines of text."""

    def __init__(self, messages: Console, inputs: Sequence[Input]) -> None:
        self._messages = messages
        self._num_inputs = len(inputs)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Rate(),
            console=messages,
            disable=not messages.is_terminal,
            speed_estimate_period=60,
        )
        self._all: TaskID | None = None
        self._tasks: dict[Input, TaskID] = {}
        self._done: dict[Input, int] = {}
        self._total: dict[Input, int] = {}
        self._ended = 0

    def __enter__(self) -> _TextView:
        self._bars.start()
        if self._num_inputs > 1:
            self._all = self._bars.add_task("all", total=None)
        return self

    def __exit__(self, *_error: object) -> None:
        self._bars.stop()

    def opened(self, work: Work) -> None:
        given, recording = work.given, work.recording
        fps = float(recording.fps)
        self._total[given] = recording.num_frames
        self._tasks[given] = self._bars.add_task(
            printable(given.name),
            total=recording.num_frames,
            completed=work.frames_before,
            fps=fps,
        )
        if work.frames_before:
            share = work.frames_before / recording.num_frames
            self._print(f"{printable(given.name)}: going on, {share:.0%} was done before")
        self._update_all(fps)

    def advanced(self, work: Work, frames: int) -> None:
        self._done[work.given] = frames
        self._bars.update(self._tasks[work.given], completed=frames)
        self._update_all(float(work.recording.fps))

    def _update_all(self, fps: float) -> None:
        if self._all is not None:
            known = len(self._total) == self._num_inputs
            self._bars.update(
                self._all,
                description=f"{self._ended} of {self._num_inputs} videos",
                completed=sum(self._done.values()),
                total=sum(self._total.values()) if known else None,
                fps=fps,
            )

    def ended(self, outcome: Outcome) -> None:
        self._ended += 1
        if outcome.given in self._tasks:
            self._bars.remove_task(self._tasks.pop(outcome.given))
        self._total.setdefault(outcome.given, 0)
        self._print_answer(outcome)
        for warning in outcome.warnings:
            self._print(f"warning: {_about(outcome, warning)}")
        for problem in outcome.problems:
            self._print(f"error: {_about(outcome, problem)}")

    def said(self, message: str) -> None:
        self._print(message)

    def _print(self, text: str) -> None:
        self._messages.print(text, markup=False)

    def _print_answer(self, outcome: Outcome) -> None:
        answers = Console(highlight=False, soft_wrap=True)
        name = printable(outcome.given.files[0])
        if outcome.state == "skipped":
            answers.print(f"{name}: done before → {outcome.folder}", markup=False)
        if outcome.tally is None or outcome.run is None:
            return
        tally = outcome.tally
        answers.print(
            f"{name}: {tally.frames_scored} of {tally.num_frames} frames scored, {tally.windows} "
            f"windows, {outcome.run['run']['frames_per_s']:,.0f} frames/s",
            markup=False,
        )
        shares = tally.share_of_labels()
        for label, share in shares[:_SHOWN_LABELS]:
            answers.print(f"  {share:6.1%}  {label}", markup=False)
        if len(shares) > _SHOWN_LABELS:
            answers.print(f"  and {len(shares) - _SHOWN_LABELS} labels more", markup=False)
        answers.print(f"  → {outcome.folder}", markup=False)

    def summary(self, outcomes: Sequence[Outcome], *, seconds: float) -> None:
        """Print what became of all recordings, if there was more than one or not all is well."""
        self._bars.stop()
        if len(outcomes) == 1 and not outcomes[0].problems and outcomes[0].run:
            return
        totals = _totals(outcomes)
        table = Table(box=None, pad_edge=False, show_header=False)
        states = [f"{totals[state]} {state}" for state in _STATES if totals[state]]
        table.add_row("videos", f"{len(outcomes)}: {', '.join(states)}")
        if any(outcome.run is not None for outcome in outcomes):
            table.add_row(
                "frames",
                f"{totals['from_header']:,} by header, {totals['decoded']:,} decoded, "
                f"{totals['scored']:,} scored, {totals['lost']:,} lost",
            )
        rate = totals["frames_now"] / seconds
        table.add_row("time", f"{_duration(seconds)}, {rate:,.0f} frames/s")
        self._messages.print(table)
        incomplete = sum(bool(outcome.problems) for outcome in outcomes)
        if incomplete:
            self._print(f"{incomplete} of {len(outcomes)} videos failed or are incomplete:")
            for outcome in outcomes:
                for problem in outcome.problems[:1]:
                    self._print(f"  {_about(outcome, problem)}")
        if totals["interrupted"]:
            kept = totals["kept"]
            said = f" {kept:,} frames of what was begun are kept;" if kept else ""
            self._print(f"interrupted;{said} the same command goes on from here")


def _about(outcome: Outcome, message: str) -> str:
    """Name the video first, unless the message does."""
    name = printable(outcome.given.files[0])
    return message if message.startswith(name) else f"{name}: {message}"


_STATES = ("done", "resumed", "skipped", "failed", "interrupted")


def _totals(outcomes: Sequence[Outcome]) -> dict[str, int]:
    names = (*_STATES, "from_header", "decoded", "scored", "lost", "kept", "frames_now")
    totals = dict.fromkeys(names, 0)
    for outcome in outcomes:
        totals[outcome.state] += 1
        totals["kept"] += outcome.frames_kept
        totals["frames_now"] += outcome.frames_now
        if outcome.run is not None:
            frames = outcome.run["frames"]
            totals["from_header"] += frames["from_header"] or 0
            for key in ("decoded", "scored", "lost"):
                totals[key] += frames[key]
            if outcome.state != "skipped":
                totals["frames_now"] += outcome.run["run"]["frames"]
    return totals


class _JsonView(Observer):
    """One JSON object a line on standard error."""

    def __init__(self) -> None:
        self._log = JsonLog(sys.stderr)
        self._said: dict[Input, float] = {}

    def __enter__(self) -> _JsonView:
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def opened(self, work: Work) -> None:
        self._log.event(
            "opened",
            name=work.given.name,
            files=list(work.given.files),
            frames=work.recording.num_frames,
            frames_done_before=work.frames_before,
        )

    def advanced(self, work: Work, frames: int) -> None:
        now = time.monotonic()
        if now - self._said.get(work.given, 0.0) >= _JSON_PROGRESS_EVERY_S:
            self._said[work.given] = now
            self._log.event(
                "progress", name=work.given.name, frames=frames, of=work.recording.num_frames
            )

    def ended(self, outcome: Outcome) -> None:
        run = outcome.run or {}
        self._log.event(
            "ended",
            name=outcome.given.name,
            state=outcome.state,
            folder=outcome.folder,
            problems=list(outcome.problems),
            warnings=list(outcome.warnings),
            frames=run.get("frames"),
            run=run.get("run"),
        )

    def said(self, message: str) -> None:
        self._log.event("message", text=message)

    def summary(self, outcomes: Sequence[Outcome], *, seconds: float) -> None:
        """Log what became of all recordings."""
        self._log.event("summary", videos=len(outcomes), seconds=seconds, **_totals(outcomes))


def _duration(seconds: float) -> str:
    """Write a time as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{seconds:.1f} s"
