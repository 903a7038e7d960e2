"""What the page keeps of one recording, once its ethogram is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.made_by import MadeBy, made_by
from i3d_ethogram.page.video_links import VideoFile, video_files
from i3d_ethogram.statistics import (
    bout_counts,
    bout_lengths_us,
    budget_us,
    first_bout_us,
    transitions,
)
from i3d_ethogram.tables.hours import Hour, hours_of

DOUBTFUL_BELOW = 0.5
LONGEST = 3
_STRETCHES_SHOWN = 10
_LENGTH_STEP_US = 100


class Part(NamedTuple):
    """Consecutive frames that a table of the page names, and that can be looked at.

    ``label`` is None for unscored frames, and for a stretch of several labels.
    """

    start_us: int
    stop_us: int
    start_frame: int
    stop_frame: int
    label: str | None
    score: float
    status: Status

    @property
    def duration_us(self) -> int:
        """In µs."""
        return self.stop_us - self.start_us


class Lengths(NamedTuple):
    """Lengths of bouts, to a tenth of a millisecond, each with how many bouts have it.

    Lengths are whole numbers of frames, so few differ, however many bouts there are.
    """

    us: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def all_us(self) -> NDArray[np.int64]:
        """One length a bout, increasing."""
        return np.repeat(self.us, self.counts)


class Following(NamedTuple):
    """Which bout follows which, where one does: (p,) arrays."""

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    counts: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class RecordingNumbers:
    """Numbers of a recording. Arrays over labels are in the order of ``labels``."""

    name: str
    labels: tuple[str, ...]
    start_us: int
    duration_us: int
    recorded_at: datetime | None
    fps: float
    made_by: MadeBy
    run: Mapping[str, Any]
    label_us: NDArray[np.int64]
    unscored_us: int
    bouts: NDArray[np.int64]
    lengths: Sequence[Lengths]
    first_bout_us: Sequence[int | None]
    following: Following
    hours: Sequence[Hour]
    unscored_us_of: Mapping[Status, int]
    unscored: Sequence[Part]
    doubtful_us: int
    doubtful: Sequence[Part]
    longest: Sequence[Part]
    videos: Sequence[VideoFile]


def numbers_of(ethogram: Ethogram, *, out: Path, moved_to: Path | None) -> RecordingNumbers:
    """Return what a page shows of a recording whose results are in ``out``.

    Args:
        ethogram: of the recording.
        out: the folder of all results.
        moved_to: a folder in which to look for videos that are not where they were.
    """
    label_us, unscored_us = budget_us(ethogram)
    lengths, counts = ethogram.durations_us, transitions(ethogram)
    before, after = np.nonzero(counts)
    doubtful_us, doubtful = _doubtful(ethogram)
    without = np.flatnonzero(~ethogram.scored)
    return RecordingNumbers(
        name=ethogram.name,
        labels=ethogram.labels,
        start_us=int(ethogram.times_us[0]),
        duration_us=ethogram.duration_us,
        recorded_at=ethogram.recorded_at,
        fps=ethogram.fps,
        made_by=made_by(ethogram),
        run=ethogram.run,
        label_us=label_us,
        unscored_us=unscored_us,
        bouts=bout_counts(ethogram),
        lengths=[tally(of_label) for of_label in bout_lengths_us(ethogram)],
        first_bout_us=first_bout_us(ethogram),
        following=Following(before, after, counts[before, after]),
        hours=hours_of(ethogram),
        unscored_us_of={
            status: int(lengths[ethogram.statuses == status].sum())
            for status in Status
            if status != Status.SCORED and np.any(ethogram.statuses == status)
        },
        unscored=parts(ethogram, _longest(without, lengths[without])),
        doubtful_us=doubtful_us,
        doubtful=doubtful,
        longest=_longest_of_labels(ethogram),
        videos=video_files(ethogram, out=out, moved_to=moved_to),
    )


def tally(lengths_us: NDArray[np.int64], counts: NDArray[np.int64] | None = None) -> Lengths:
    """Count equal lengths; ``counts`` says how many bouts each of ``lengths_us`` stands for."""
    rounded = (lengths_us + _LENGTH_STEP_US // 2) // _LENGTH_STEP_US * _LENGTH_STEP_US
    us, place = np.unique(rounded, return_inverse=True)
    return Lengths(us, np.bincount(place, weights=counts, minlength=len(us)).astype(np.int64))


def parts(ethogram: Ethogram, runs: NDArray[np.int64]) -> list[Part]:
    """Describe runs of an ethogram, by their numbers."""
    return [_part(ethogram, run, run + 1) for run in runs.tolist()]


def _part(ethogram: Ethogram, first: int, stop: int) -> Part:
    lengths = np.diff(ethogram.first_frames[first : stop + 1])
    code = int(ethogram.codes[first]) if stop == first + 1 else UNSCORED
    return Part(
        start_us=int(ethogram.times_us[first]),
        stop_us=int(ethogram.times_us[stop]),
        start_frame=int(ethogram.first_frames[first]),
        stop_frame=int(ethogram.first_frames[stop]),
        label=None if code == UNSCORED else ethogram.labels[code],
        score=float(np.average(ethogram.scores[first:stop], weights=lengths)),
        status=Status(ethogram.statuses[first]),
    )


def _longest(runs: NDArray[np.int64], lengths_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the few longest runs, in order of time."""
    return np.sort(runs[np.argsort(-lengths_us, kind="stable")[:_STRETCHES_SHOWN]])


def _longest_of_labels(ethogram: Ethogram) -> list[Part]:
    """Return the longest bouts of each label, by label, the longest first."""
    lengths = np.where(ethogram.scored, ethogram.durations_us, 0)
    order = np.lexsort((ethogram.times_us[:-1], -lengths, ethogram.codes))
    codes = ethogram.codes[order]
    rank = np.arange(len(order)) - np.searchsorted(codes, codes)
    return parts(ethogram, order[(rank < LONGEST) & ethogram.scored[order]])


def _doubtful(ethogram: Ethogram) -> tuple[int, list[Part]]:
    """Return the time of bouts with a low score, and the longest stretches of such bouts."""
    low = ethogram.scored & (np.nan_to_num(ethogram.scores, nan=1.0) < DOUBTFUL_BELOW)
    edges = np.diff(low.astype(np.int8), prepend=0, append=0)
    firsts, stops = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    lengths = ethogram.times_us[stops] - ethogram.times_us[firsts]
    longest = _longest(np.arange(len(lengths)), lengths)
    shown = zip(firsts[longest].tolist(), stops[longest].tolist(), strict=True)
    return int(lengths.sum()), [_part(ethogram, first, stop) for first, stop in shown]
