"""What is shown while features are computed: one bar on a terminal, a line a video elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from i3d_client.classify import Observer
from i3d_client.inputs import Input
from i3d_client.printable import printable
from i3d_client.work import Outcome, Work


class FeatureProgress(Observer):
    """Shows how far the features are; a context manager.

    Args:
        num_videos: of which features are computed.
        say: told what else happens.
    """

    def __init__(self, *, num_videos: int, say: Callable[[str], None]) -> None:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._say = say
        self._num_videos = num_videos
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._frames: dict[Input, int] = {}
        self._before: dict[Input, int] = {}
        self._total: dict[Input, int] = {}
        self._ended: set[Input] = set()
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        self._bar.start()
        self._task = self._bar.add_task("features", total=None, rate="")
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def opened(self, work: Work) -> None:
        """Count a video's frames in."""
        self._total[work.given] = work.recording.num_frames
        self._before[work.given] = work.frames_before
        if work.frames_before:
            share = work.frames_before / work.recording.num_frames
            self._say(
                f"{_name(work.given)}: going on, {share:.0%} of its features were done before"
            )

    def advanced(self, work: Work, frames: int) -> None:
        """Move the bar."""
        self._frames[work.given] = frames
        self._show()

    def ended(self, outcome: Outcome) -> None:
        """Say what there is to say of a video that is done."""
        self._ended.add(outcome.given)
        if outcome.run is not None and outcome.state != "skipped":
            run = outcome.run["run"]
            self._say(
                f"features of {_name(outcome.given)}: {run['frames']:,} frames; "
                f"{self._rate():,.0f} frames/s so far"
            )
        for warning in outcome.warnings:
            self._say(f"warning: {_name(outcome.given)}: {warning}")
        self._show()

    def said(self, message: str) -> None:
        """Pass on what the client says."""
        self._say(message)

    def _show(self) -> None:
        if self._task is None:
            return
        done = sum(self._frames.values())
        known = len(self._ended.union(self._total)) == self._num_videos
        self._bar.update(
            self._task,
            description=f"features: {len(self._ended)} of {self._num_videos} videos",
            completed=done,
            total=sum(self._total.values()) if known and self._total else None,
            rate=f"{self._rate():,.0f} frames/s",
        )

    def _rate(self) -> float:
        """Return frames a second of all videos together."""
        now = sum(self._frames.values()) - sum(self._before.values())
        return now / max(time.monotonic() - self._started, 1e-3)


def _name(given: Input) -> str:
    return printable(given.files[0].name)
