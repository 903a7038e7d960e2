"""From a recording's folder to its ethogram, in passes over the frames, none of which is held.

What is held is a label and a status a frame, 3 bytes, and the runs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_client.errors import ContractError, ResultError
from i3d_client.folder_search import natural_order
from i3d_client.printable import printable
from i3d_client.results import RUN_FILE, difference_of, read_run
from i3d_client.scores_file import SCORES_FILE, Scores
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.run_document import CLASSIFY_AGAIN, check_run
from i3d_ethogram.smoothing import NO_SMOOTHING, Smoothing, frame_codes, median_codes, merge_runs


def find_recordings(out: Path) -> list[str]:
    """Return the names of the recordings with results in ``out``, in natural order.

    Raises:
        ResultError: there is none, or it is a recording's folder itself.
    """
    found = []
    for folder, folders, files in os.walk(out):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if RUN_FILE in files:
            found.append(os.path.relpath(folder, out))
    if found == ["."]:
        raise ResultError(
            f"{printable(out)}: is the folder of one recording. Name the one around it, which "
            "i3d classify --out was given"
        )
    if not found:
        raise ResultError(
            f"{printable(out)}: no results in it. Expected the folder that i3d classify --out was "
            f"given, in which each recording has a folder with {RUN_FILE}"
        )
    return sorted(found, key=natural_order)


def open_scores(folder: Path) -> Scores:
    """Open a recording's ``scores.npz``.

    Raises:
        ResultError: it is not there, not whole, or made by another version; its content is not
            compared with what ``run.json`` recorded, its size is.
    """
    return _open_scores(folder, _whole_run(folder), content=False)


def read_ethogram(
    out: Path,
    name: str,
    *,
    smoothing: Smoothing = NO_SMOOTHING,
    recorded_at: datetime | None = None,
) -> Ethogram:
    """Read a recording's results.

    Args:
        out: the folder of all results.
        name: the recording's folder in it.
        smoothing: of the labels.
        recorded_at: when the recording began.

    Raises:
        ResultError: they are not there, not whole, or made by another version.
    """
    run = _whole_run(out / name)
    scores = _open_scores(out / name, run, content=True)
    codes, statuses = _codes(scores, smoothing)
    starts = np.flatnonzero(_changes(codes, statuses))
    runs = merge_runs(
        first_frames=np.append(starts, scores.num_frames),
        times_us=_times_us(scores, starts),
        codes=codes[starts],
        statuses=statuses[starts],
        labels=scores.labels,
        smoothing=smoothing,
    )
    return Ethogram(
        name=name,
        labels=scores.labels,
        first_frames=runs.first_frames + scores.first_frame,
        times_us=runs.times_us,
        codes=runs.codes,
        statuses=runs.statuses,
        scores=_mean_scores(scores, runs.first_frames, runs.codes),
        fps=float(run["videos"][0]["fps"]),
        recorded_at=recorded_at,
        smoothing=smoothing,
        run=run,
    )


def _whole_run(folder: Path) -> Mapping[str, Any]:
    run = read_run(folder)
    if run is None:
        raise ResultError(
            f"{printable(folder)}: no whole results in it ({RUN_FILE} is not there, or not ours). "
            "Was the run interrupted? The same i3d classify goes on"
        )
    if not isinstance(run.get("files"), dict) or SCORES_FILE not in run["files"]:
        raise ResultError(
            f"{printable(folder)}: has no {SCORES_FILE}: an earlier version of i3d wrote it. "
            f"{CLASSIFY_AGAIN}"
        )
    check_run(folder / RUN_FILE, run)
    return run


def _open_scores(folder: Path, run: Mapping[str, Any], *, content: bool) -> Scores:
    path = folder / SCORES_FILE
    changed = difference_of(path, run["files"][SCORES_FILE], content=content)
    if changed is not None:
        raise ResultError(f"{printable(path)}: cannot be used: {changed}. {CLASSIFY_AGAIN}")
    try:
        contract = ModelContract.from_json(json.dumps(run["model"]["contract"]))
    except ContractError as error:
        raise ResultError(
            f"{printable(folder / RUN_FILE)}: model.contract: {error}. {CLASSIFY_AGAIN}"
        ) from error
    return Scores(path, contract)


def _codes(scores: Scores, smoothing: Smoothing) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    """Return the label and the status of each frame: (n,) int16 and (n,) uint8."""
    codes = np.full(scores.num_frames, UNSCORED, np.int16)
    statuses = np.zeros(scores.num_frames, np.uint8)
    at, before = 0, UNSCORED
    for batch in scores.batches():
        part = slice(at, at + len(batch.statuses))
        codes[part] = frame_codes(batch, smoothing, before=before)
        statuses[part] = batch.statuses
        at, before = part.stop, int(codes[part.stop - 1])
    if smoothing.median_frames is not None:
        codes = median_codes(codes, smoothing.median_frames)
    return codes, statuses


def _changes(codes: NDArray[np.int16], statuses: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Mark the frames where a run begins: (n,) bool."""
    begins = np.ones(len(codes), np.bool_)
    begins[1:] = (codes[1:] != codes[:-1]) | (statuses[1:] != statuses[:-1])
    return begins


def _times_us(scores: Scores, starts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return when the frames ``starts`` are shown, and the end: (r + 1,) int64."""
    times, at = np.empty(len(starts) + 1, np.int64), 0
    for batch in scores.batches():
        stop = at + len(batch.statuses)
        first, last = np.searchsorted(starts, (at, stop))
        times[first:last] = batch.times_us[starts[first:last] - at]
        times[-1] = batch.times_us[-1]
        at = stop
    return times


def _mean_scores(
    scores: Scores, first_frames: NDArray[np.int64], codes: NDArray[np.int16]
) -> NDArray[np.float64]:
    """Return the mean probability of each run's label over its frames; NaN without one."""
    sums, at = np.zeros(len(codes)), 0
    for batch in scores.batches():
        stop = at + len(batch.statuses)
        run_of = np.searchsorted(first_frames, np.arange(at, stop), side="right") - 1
        chosen = codes[run_of]
        of_label = batch.probabilities[np.arange(stop - at), np.maximum(chosen, 0)]
        np.add.at(sums, run_of, of_label)
        at = stop
    means: NDArray[np.float64] = sums / np.diff(first_frames)
    means[codes == UNSCORED] = np.nan
    return means
