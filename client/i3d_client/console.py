"""What the commands print: progress, answers, tables. Rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from i3d_client.classify import Outcome, classify_videos, exit_status
from i3d_client.errors import I3dError
from i3d_client.geometry import use_one_opencv_thread
from i3d_client.options import Options
from i3d_client.triton import Connection, Model

_SHOWN_LABELS = 5


class _Rate(ProgressColumn):
    """Frames per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} frames/s")


def run_classify(*, videos: Sequence[Path], options: Options) -> int:
    """Classify videos, show progress and answers, and return the exit status."""
    use_one_opencv_thread()
    messages = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), _Rate(), TimeRemainingColumn())
    with Progress(*columns, console=messages, disable=not messages.is_terminal) as bars:
        tasks: dict[Path, TaskID] = {}

        def on_progress(video: Path, done: int, total: int) -> None:
            if video not in tasks:
                tasks[video] = bars.add_task(video.name, total=total)
            bars.update(tasks[video], completed=done)

        def on_outcome(outcome: Outcome) -> None:
            if outcome.video in tasks:
                bars.remove_task(tasks[outcome.video])
            _print_outcome(outcome, messages)

        outcomes = asyncio.run(
            classify_videos(videos, options=options, on_progress=on_progress, on_outcome=on_outcome)
        )
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    if failed:
        messages.print(f"{failed} of {len(outcomes)} videos failed or are incomplete", markup=False)
    return exit_status(outcomes)


def _print_outcome(outcome: Outcome, messages: Console) -> None:
    answers = Console(highlight=False, soft_wrap=True)
    if outcome.ethogram is not None:
        ethogram = outcome.ethogram
        rate = ethogram.num_frames / outcome.seconds
        answers.print(
            f"{outcome.video}: {ethogram.num_frames_scored} of {ethogram.num_frames} frames "
            f"scored, {len(ethogram.windows)} windows, {rate:,.0f} frames/s",
            markup=False,
        )
        shares = ethogram.share_of_labels()
        for label, share in shares[:_SHOWN_LABELS]:
            answers.print(f"  {share:6.1%}  {label}", markup=False)
        if len(shares) > _SHOWN_LABELS:
            answers.print(f"  and {len(shares) - _SHOWN_LABELS} labels more", markup=False)
        answers.print(f"  → {outcome.folder}", markup=False)
    for warning in outcome.warnings:
        messages.print(f"warning: {outcome.video}: {warning}", markup=False)
    for problem in outcome.problems:
        where = "" if problem.startswith(str(outcome.video)) else f"{outcome.video}: "
        messages.print(f"error: {where}{problem}", markup=False)


def print_models(*, server: str) -> int:
    """Print a table of the server's models and return the exit status."""
    described = asyncio.run(_describe_models(server))
    console = Console(highlight=False, soft_wrap=True)
    if not described:
        console.print(f"{server} serves no model", markup=False)
        return 1
    for name, model in described:
        for line in _description(name, model):
            console.print(line, markup=False)
    return 0


def _description(name: str, model: Model | I3dError) -> list[str]:
    if isinstance(model, I3dError):
        return [f"{name}  unusable", f"  {model}"]
    state = "ready" if model.ready else "not ready"
    lines = [f"{name}  {state}", f"  {model.engine}, {model.precision}, version {model.version}"]
    if model.contract is None:
        return [*lines, "  carries no contract: not exported by `i3d export`"]
    contract = model.contract
    shown = ", ".join(contract.labels[:_SHOWN_LABELS])
    more = ", …" if len(contract.labels) > _SHOWN_LABELS else ""
    return [
        *lines,
        f"  frames of {contract.height} × {contract.width}, {contract.colour}",
        f"  windows of {contract.clip_frames} frames every {contract.stride}, "
        f"{contract.windows_per_segment} a request; label of the {contract.label_frame} frame",
        f"  {len(contract.labels)} labels: {shown}{more}",
    ]


async def _describe_models(server: str) -> list[tuple[str, Model | I3dError]]:
    described: list[tuple[str, Model | I3dError]] = []
    async with Connection(server) as connection:
        for name in await connection.model_names():
            try:
                described.append((name, await connection.model(name)))
            except I3dError as error:
                described.append((name, error))
    return described
