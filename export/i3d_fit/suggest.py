"""What to annotate next, from results of ``i3d classify``: what ``i3d suggest`` does."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from i3d_client.errors import ResultError
from i3d_client.printable import printable
from i3d_client.results import RUN_FILE, read_run
from i3d_client.scores_file import SCORES_FILE
from i3d_client.windows import WindowGrid
from i3d_ethogram.formats.video_files import video_path
from i3d_ethogram.reading import find_recordings, open_scores
from i3d_ethogram.run_document import check_run
from i3d_fit.suggestion_files import (
    SuggestedVideo,
    unused_project,
    write_suggestions_project,
    write_suggestions_table,
)
from i3d_fit.suggestions import ScoredRecording, Suggestion, suggest


def suggest_from_results(
    results: Path, *, out: Path, count: int, videos: Path | None = None
) -> tuple[list[Suggestion], Path]:
    """Write the stretches of which a model is least sure, as a BORIS project and as a table.

    Args:
        results: a recording's folder, or the folder of all of them.
        out: the project; the table lies beside it, with the suffix ``.csv``. A project there in
            which a person has annotated something stays, and a number is added to the name.
        count: stretches of all recordings together, at most.
        videos: folder in which to look for videos that are not where they were.

    Returns:
        The stretches, the least sure first, and the project.

    Raises:
        ResultError: results cannot be used, or are of models with different labels.
        OutputError: a file cannot be written.
    """
    folder, names = _recordings(results)
    runs = {name: _run(folder / name) for name in names}
    labels, clip_frames = _one_model(runs)
    found = suggest(
        (_scored(folder / name, name, run) for name, run in runs.items()),
        labels=labels,
        clip_frames=clip_frames,
        count=count,
    )
    first_frames = {name: int(run["frames"]["first"]) for name, run in runs.items()}
    found = [_in_recording(one, first_frames[one.recording]) for one in found]
    out = unused_project(out)
    write_suggestions_table(out.with_suffix(".csv"), found)
    models = ", ".join(sorted({str(run["model"]["name"]) for run in runs.values()}))
    write_suggestions_project(
        out,
        found,
        labels=labels,
        videos={name: _videos(run, videos) for name, run in runs.items()},
        made_by=f"The model {printable(models)} is least sure of them.",
    )
    return found, out


def _recordings(results: Path) -> tuple[Path, list[str]]:
    """Return the folder of all results and the recordings in it that are meant."""
    if (results / RUN_FILE).is_file():
        return results.parent, [results.name]
    return results, find_recordings(results)


def _run(folder: Path) -> Mapping[str, Any]:
    run = read_run(folder)
    if run is None:
        raise ResultError(f"{printable(folder / RUN_FILE)}: is not a result of i3d classify")
    check_run(folder / RUN_FILE, run)
    return run


def _one_model(runs: Mapping[str, Mapping[str, Any]]) -> tuple[tuple[str, ...], int]:
    """Return the labels and the frames of a window that all recordings have."""
    first = next(iter(runs))
    contract = runs[first]["model"]["contract"]
    for name, run in runs.items():
        if run["model"]["contract"]["labels"] != contract["labels"]:
            raise ResultError(
                f"{printable(name)} and {printable(first)}: expected results of models with the "
                f"same labels, got {run['model']['name']} and {runs[first]['model']['name']}. Name "
                "one recording's own folder"
            )
    clips = max(int(run["model"]["contract"]["clip_frames"]) for run in runs.values())
    return tuple(contract["labels"]), clips


def _scored(folder: Path, name: str, run: Mapping[str, Any]) -> ScoredRecording:
    """Read a recording's probabilities, of all its windows at once."""
    open_scores(folder)  # says what is wrong with them
    with np.load(folder / SCORES_FILE, allow_pickle=False) as arrays:
        probabilities, scored = arrays["probabilities"], arrays["scored"]
        times_us = arrays["times_us"]
    contract = run["model"]["contract"]
    grid = WindowGrid(len(times_us) - 1, contract["clip_frames"], contract["stride"])
    return ScoredRecording(
        name=name,
        probabilities=probabilities,
        starts=grid.starts(0, grid.count),
        annotated=~scored,
        times_us=times_us,
    )


def _in_recording(one: Suggestion, first_frame: int) -> Suggestion:
    """Count frames from the recording's first one, also where only a part was classified."""
    return dataclasses.replace(
        one,
        start_frame=one.start_frame + first_frame,
        stop_frame=one.stop_frame + first_frame,
    )


def _videos(run: Mapping[str, Any], moved_to: Path | None) -> SuggestedVideo:
    described: Sequence[Mapping[str, Any]] = run["videos"]
    return SuggestedVideo(
        paths=tuple(video_path(video, videos=moved_to) for video in described),
        lengths_s=tuple(int(video["frames"]) / float(video["fps"]) for video in described),
        fps=tuple(float(video["fps"]) for video in described),
        first_frames=tuple(accumulate((int(video["frames"]) for video in described), initial=0))[
            :-1
        ],
    )


def lines_of(suggestions: Sequence[Suggestion], *, most: int) -> Iterator[str]:
    """Yield a line for each of the first stretches, for people."""
    for one in suggestions[:most]:
        yield (
            f"{printable(one.recording)}  {one.start_s:.1f}–{one.stop_s:.1f} s  "
            f"{printable(one.first)} or {printable(one.second)}? margin {one.margin:.2f}"
        )
