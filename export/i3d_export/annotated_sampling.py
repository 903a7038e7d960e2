"""Which frames calibrate and judge where a person has said what they show: every class alike.

Pieces are chosen one after the other, each time one that adds most. A window adds the less the
more windows of its class are chosen already, and somewhat less the more of its stretch, which is a
run of frames of one class: so rare classes are not left out, long stretches do not take
everything, and what a class did in different places has its part. No two pieces share a frame.
The choice is the same for the same videos and annotations.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_export.accuracy import UNLABELLED, Classes
from i3d_export.sampling import Piece, Ranges, Sample, SampledVideo, gaps, label_frames

Free = Sequence[Sequence[tuple[int, int]]]

# Of pieces that add nearly as much, one of the video that has given fewest is drawn by lot.
_NEARLY_AS_GOOD = 0.8
_SEED = 400


def halves_of_stretches(classes: Classes, *, clip_frames: int) -> Ranges:
    """Return the frames of a video that calibration may take.

    Of a stretch of at least two windows the first half; of a class's shorter ones, down to one
    window, every second. So what is seen more than once leaves something to judge by.

    Args:
        classes: of each frame, ``(frames,)``, int64.
        clip_frames: T.
    """
    ranges: list[tuple[int, int]] = []
    short_ones: dict[int, int] = {}
    for start, stop in _stretches(classes):
        label = int(classes[start])
        if stop - start >= 2 * clip_frames:
            ranges.append((start, (start + stop) // 2))
        elif stop - start >= clip_frames:
            short_ones[label] = short_ones.get(label, 0) + 1
            if short_ones[label] % 2 == 0:
                ranges.append((start, stop))
    return tuple(ranges)


def annotated_calibration(
    videos: Sequence[SampledVideo],
    classes: Sequence[Classes],
    *,
    contract: ModelContract,
    segments: int,
) -> Sample | None:
    """Choose ``segments`` pieces, or fewer, for calibration; None if none shows a class."""
    free = [video.calibration for video in videos]
    return _choose(videos, classes, free, contract=contract, segments=segments)


def annotated_held_out(
    videos: Sequence[SampledVideo],
    classes: Sequence[Classes],
    *,
    contract: ModelContract,
    segments: int,
    used: Mapping[str, Sequence[Sequence[int]]],
) -> Sample | None:
    """Choose ``segments`` pieces, or fewer, that hold none of the frames ``used``.

    Args:
        videos: to take them from.
        classes: of each frame of each video, as ``annotations.frame_classes`` gives them.
        contract: the model's.
        segments: how many.
        used: ranges of frames that calibration took, by the SHA-256 of their video.

    Returns:
        None if no piece has a window that shows a class.
    """
    free = [gaps(video.num_frames, used.get(video.sha256, ())) for video in videos]
    return _choose(videos, classes, free, contract=contract, segments=segments)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidates:
    """Pieces that may be chosen.

    Attributes:
        pieces: n of them.
        stretches: ``(n, N)``, the stretch of each window, counted over all videos; -1 for none.
        stretch_class: ``(stretches,)``, the class of each.
    """

    pieces: list[Piece]
    stretches: NDArray[np.int64]
    stretch_class: NDArray[np.int64]


def _choose(
    videos: Sequence[SampledVideo],
    classes: Sequence[Classes],
    free: Free,
    *,
    contract: ModelContract,
    segments: int,
) -> Sample | None:
    candidates = _candidates(classes, free, contract)
    places = _greedily(candidates, segments)
    pieces = tuple(sorted(candidates.pieces[place] for place in places))
    return Sample(videos=tuple(videos), pieces=pieces) if pieces else None


def _candidates(classes: Sequence[Classes], free: Free, contract: ModelContract) -> _Candidates:
    pieces: list[Piece] = []
    rows: list[NDArray[np.int64]] = []
    stretch_class: list[int] = []
    for number, (of_video, ranges) in enumerate(zip(classes, free, strict=True)):
        stretch_of = np.full(len(of_video), UNLABELLED, np.int64)
        for start, stop in _stretches(of_video):
            stretch_of[start:stop] = len(stretch_class)
            stretch_class.append(int(of_video[start]))
        for piece in _places(number, ranges, contract):
            row = np.full(contract.windows_per_segment, UNLABELLED, np.int64)
            frames = label_frames(piece, contract)
            row[: len(frames)] = stretch_of[frames]
            pieces.append(piece)
            rows.append(row)
    return _Candidates(
        pieces=pieces,
        stretches=np.array(rows, np.int64).reshape(len(rows), contract.windows_per_segment),
        stretch_class=np.array(stretch_class, np.int64),
    )


def _places(video: int, ranges: Sequence[tuple[int, int]], contract: ModelContract) -> list[Piece]:
    """Return places for a piece, half a window apart; a range too short for a segment is one."""
    found = []
    for first, stop in ranges:
        length = min(contract.segment_frames, stop - first)
        if length >= contract.clip_frames:
            starts = range(first, stop - length + 1, contract.clip_frames // 2)
            found += [Piece(video=video, start=at, stop=at + length) for at in starts]
    return found


def _greedily(candidates: _Candidates, wanted: int) -> list[int]:
    """Return which candidates are chosen, in the order of choice."""
    windows, classes = candidates.stretches, candidates.stretch_class
    chosen: list[int] = []
    if not len(windows):
        return chosen
    videos = np.array([piece.video for piece in candidates.pieces])
    starts = np.array([piece.start for piece in candidates.pieces])
    stops = np.array([piece.stop for piece in candidates.pieces])
    lots = np.random.default_rng(_SEED).random(len(windows))
    free = np.ones(len(windows), np.bool_)
    of_stretch = np.zeros(len(classes))
    of_class = np.zeros(int(classes.max(initial=0)) + 1)
    of_video = np.zeros(int(videos.max()) + 1)
    while len(chosen) < wanted:
        # One entry more, for windows of no stretch: they are numbered -1.
        worth = np.append(1 / ((1 + of_class[classes]) * np.sqrt(1 + of_stretch)), 0.0)
        gains = worth[windows].sum(axis=1) * free
        if gains.max() <= 0:
            return chosen
        good = np.flatnonzero(gains >= _NEARLY_AS_GOOD * gains.max())
        best = good[np.lexsort((lots[good], of_video[videos[good]]))[0]]
        chosen.append(int(best))
        shown = windows[best][windows[best] >= 0]
        np.add.at(of_stretch, shown, 1)
        np.add.at(of_class, classes[shown], 1)
        of_video[videos[best]] += 1
        free &= (videos != videos[best]) | (stops <= starts[best]) | (starts >= stops[best])
    return chosen


def _stretches(classes: Classes) -> list[tuple[int, int]]:
    """Return the half-open runs of frames of one class, those without a class left out."""
    borders = [0, *(np.flatnonzero(np.diff(classes)) + 1).tolist(), len(classes)]
    return [
        (start, stop)
        for start, stop in itertools.pairwise(borders)
        if stop > start and classes[start] != UNLABELLED
    ]
