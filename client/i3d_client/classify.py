"""Classify videos and write their ethograms: what ``i3d classify`` does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_client.errors import OutputError, VideoError
from i3d_client.options import Options
from i3d_client.provenance import describe_run
from i3d_client.results import Ethogram, check_writable, make_ethogram, write_results
from i3d_client.streaming import Window, classify_windows
from i3d_client.triton import Connection, Model
from i3d_client.video import DecodeCounts, Video, open_video

_RATE_TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one video.

    Attributes:
        video: its path.
        folder: where its results are; None if there are none.
        ethogram: None if it failed.
        seconds: from the video's opening to its results on the disk.
        problems: why it failed or is incomplete; empty if it is whole.
        warnings: what the user should know all the same.
    """

    video: Path
    folder: Path | None = None
    ethogram: Ethogram | None = None
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


Progress = Callable[[Path, int, int], None]
"""Called with a video, its frames done so far and its frames in all."""


async def classify_videos(
    videos: Sequence[Path],
    *,
    options: Options,
    on_progress: Progress = lambda _video, _done, _total: None,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> list[Outcome]:
    """Classify videos one after another; one that fails leaves the others alone.

    Args:
        videos: files.
        options: server, model and output folder.
        on_progress: called as frames are done.
        on_outcome: called when a video has ended, well or not.

    Returns:
        What became of each video, in order.

    Raises:
        ServerError: the server or the model is not there, or refuses.
        ContractError: the model cannot be used.
        OutputError: the output folder cannot be written, or two videos would share one.
    """
    folders = _folders(videos, options.out)
    async with Connection(options.server) as connection:
        model, contract = await connection.choose_model(options.model)
        check_writable(options.out)
        outcomes = []
        for path, folder in zip(videos, folders, strict=True):
            try:
                outcome = await _classify_video(
                    path,
                    folder=folder,
                    connection=connection,
                    model=model,
                    contract=contract,
                    options=options,
                    on_progress=on_progress,
                )
            except VideoError as error:
                outcome = Outcome(video=path, problems=(str(error),))
            outcomes.append(outcome)
            on_outcome(outcome)
        return outcomes


def _folders(videos: Sequence[Path], out: Path) -> list[Path]:
    """Give each video its folder: its name, with the extension."""
    taken: dict[str, Path] = {}
    for path in videos:
        if path.name in taken:
            raise OutputError(
                f"{taken[path.name]} and {path}: both would be written to {out / path.name}. "
                "Classify them with two different --out folders"
            )
        taken[path.name] = path
    return [out / path.name for path in videos]


async def _classify_video(
    path: Path,
    *,
    folder: Path,
    connection: Connection,
    model: Model,
    contract: ModelContract,
    options: Options,
    on_progress: Progress,
) -> Outcome:
    started_at, start = datetime.now(UTC), time.perf_counter()
    video = await asyncio.to_thread(open_video, path)
    on_progress(path, 0, video.num_frames_expected)
    counts = DecodeCounts()
    windows: list[Window] = []
    stream = classify_windows(
        video,
        connection=connection,
        model=model.name,
        contract=contract,
        counts=counts,
        in_flight=options.in_flight,
    )
    async with aclosing(stream):
        async for window in stream:
            windows.append(window)
            on_progress(path, window.stop_frame, video.num_frames_expected)
    if not counts.decoded:
        raise VideoError(f"{path}: no frame of it can be decoded")
    times_s = video.times_s(counts.num_frames)
    ethogram = make_ethogram(windows, times_s=times_s, contract=contract)
    outcome = Outcome(
        video=path,
        folder=folder,
        ethogram=ethogram,
        problems=_problems(video, counts),
        warnings=_warnings(video, counts, contract),
    )
    seconds = time.perf_counter() - start
    run = describe_run(
        video=video,
        counts=counts,
        ethogram=ethogram,
        model=model,
        contract=contract,
        options={**asdict(options), "out": str(options.out)},
        problems=outcome.problems,
        warnings=outcome.warnings,
        started_at=started_at,
        seconds=seconds,
    )
    await asyncio.to_thread(write_results, ethogram, run=run, folder=folder)
    return replace(outcome, seconds=seconds)


def _problems(video: Video, counts: DecodeCounts) -> tuple[str, ...]:
    problems = []
    if video.cut_short is not None:
        problems.append(f"the file seems cut off: {video.cut_short}; the rest is not classified")
    if counts.lost:
        first = ", ".join(str(frame) for frame in counts.lost_frames[:5])
        more = ", …" if counts.lost > 5 else ""
        problems.append(
            f"{counts.lost} of {counts.num_frames} frames cannot be decoded ({first}{more}): they "
            "and the windows that contain them are unscored"
        )
    if video.timestamps is None and counts.num_frames < video.num_frames_expected:
        problems.append(
            f"the file holds {video.num_frames_expected} packets, but only {counts.num_frames} "
            "pictures come out of them: times after the missing ones may be early"
        )
    return tuple(problems)


def _warnings(video: Video, counts: DecodeCounts, contract: ModelContract) -> tuple[str, ...]:
    warnings = list(video.warnings)
    if abs(float(video.fps) / contract.trained_fps - 1) > _RATE_TOLERANCE:
        warnings.append(
            f"{float(video.fps):.6g} frames/s, but the model was trained at "
            f"{contract.trained_fps:.6g}: movements look slower or faster to it than they are"
        )
    if counts.num_frames < contract.clip_frames:
        warnings.append(
            f"{counts.num_frames} frames are fewer than a window of {contract.clip_frames}: "
            "padded with the last frame, and one label for all"
        )
    return tuple(warnings)


def exit_status(outcomes: Sequence[Outcome]) -> int:
    """Return 0 if every video is whole, else 1."""
    return 1 if any(outcome.problems for outcome in outcomes) else 0
