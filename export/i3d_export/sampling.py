"""Which frames calibrate a precision, and which judge it: never the same ones.

Both take pieces of real video: the frames of one segment, or fewer where a video is too short,
which is then padded as the client pads. Calibration stays in one half of every stretch of a video
so that there are frames left to judge by, however short the video is.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import i3d_client.geometry
import i3d_client.video
from i3d_client.contract import ModelContract
from i3d_client.geometry import to_geometry
from i3d_client.video import Reader, Video, open_video
from i3d_export.errors import ExportError
from i3d_export.stage_cache import sha256_of

Ranges = tuple[tuple[int, int], ...]

# Frames between two pieces from which on entering anew at a key frame costs less than decoding.
_WORTH_A_SEEK = 128
_CODEC_THREADS = 2


@dataclass(frozen=True, kw_only=True)
class SampledVideo:
    """A video to take pieces from.

    Attributes:
        path: the file.
        sha256: of its content: frames are known by it, wherever the file is.
        num_frames: pictures that the file holds.
        calibration: half-open ranges of frames that calibration may take.
    """

    path: Path
    sha256: str
    num_frames: int
    calibration: Ranges


@dataclass(frozen=True, kw_only=True, order=True)
class Piece:
    """Frames ``[start, stop)`` of the video number ``video``; at most one segment's."""

    video: int
    start: int
    stop: int


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Pieces of videos, in order."""

    videos: tuple[SampledVideo, ...]
    pieces: tuple[Piece, ...]

    def ranges(self) -> dict[str, list[list[int]]]:
        """Return the frames that the pieces cover, merged, by the SHA-256 of their video."""
        found: dict[str, list[list[int]]] = {}
        for piece in sorted(self.pieces):
            covered = found.setdefault(self.videos[piece.video].sha256, [])
            if covered and piece.start <= covered[-1][1]:
                covered[-1][1] = max(covered[-1][1], piece.stop)
            else:
                covered.append([piece.start, piece.stop])
        return found

    def identity(self) -> dict[str, object]:
        """Return plain values that decide what the pieces hold, the decoding code included."""
        sources = (i3d_client.video, i3d_client.geometry)
        return {
            "pieces": [[self.videos[p.video].sha256, p.start, p.stop] for p in self.pieces],
            "decoded_by": [sha256_of(Path(str(source.__file__))) for source in sources],
        }


def sampled_video(
    path: Path, *, contract: ModelContract, calibration: Ranges | None = None
) -> SampledVideo:
    """Describe a video.

    Args:
        path: the file.
        contract: gives the length of a window.
        calibration: ranges of frames that calibration may take; None takes the first half of
            every stretch of the video, where a stretch is some windows long.

    Raises:
        VideoError: it cannot be read.
    """
    video = open_video(path)
    frames = video.num_frames_expected
    halves = _first_halves(frames, clip_frames=contract.clip_frames)
    return SampledVideo(
        path=path,
        sha256=sha256_of(path),
        num_frames=frames,
        calibration=halves if calibration is None else calibration,
    )


def calibration_sample(
    videos: Sequence[SampledVideo], *, contract: ModelContract, segments: int, seed: int
) -> Sample:
    """Choose pieces for calibration, spread over the videos; the same for the same seed."""
    random = np.random.default_rng(seed)
    free = [list(video.calibration) for video in videos]
    return _choose(videos, free, contract=contract, segments=segments, random=random)


def held_out_sample(
    videos: Sequence[SampledVideo],
    *,
    contract: ModelContract,
    windows: int,
    used: Mapping[str, Sequence[Sequence[int]]],
) -> Sample:
    """Choose pieces that hold about ``windows`` windows and none of the frames ``used``.

    Args:
        videos: to take them from.
        contract: the model's.
        windows: how many to look for; there may be fewer.
        used: ranges of frames that calibration took, by the SHA-256 of their video.
    """
    free = [gaps(video.num_frames, used.get(video.sha256, ())) for video in videos]
    segments = -(-windows // contract.windows_per_segment)
    return _choose(videos, free, contract=contract, segments=segments, random=None)


def gaps(frames: int, used: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Return the half-open ranges of a video's frames that ``used`` leaves, in order."""
    found, at = [], 0
    for first, stop in sorted((pair[0], pair[1]) for pair in used):
        found.append((at, min(first, frames)))
        at = max(at, stop)
    found.append((at, frames))
    return [(low, high) for low, high in found if high > low]


def window_count(piece: Piece, contract: ModelContract) -> int:
    """Return how many windows of a piece hold frames of their own alone."""
    return (piece.stop - piece.start - contract.clip_frames) // contract.stride + 1


def label_frames(piece: Piece, contract: ModelContract) -> NDArray[np.int64]:
    """Return the frames of the video that the labels of a piece's windows belong to, in order."""
    last = contract.label_frame == "last"
    within = contract.clip_frames - 1 if last else contract.clip_frames // 2
    windows = np.arange(window_count(piece, contract), dtype=np.int64)
    return piece.start + within + windows * contract.stride


def piece_of_windows(pieces: Sequence[Piece], contract: ModelContract) -> NDArray[np.int64]:
    """Return the number of the piece that each window comes from, for all windows in order."""
    counts = [window_count(piece, contract) for piece in pieces]
    return np.repeat(np.arange(len(pieces), dtype=np.int64), counts)


def read_pieces(
    sample: Sample, *, contract: ModelContract
) -> Iterator[tuple[Piece, NDArray[np.uint8]]]:
    """Decode the pieces as the client would; each is ``(S, height, width, channels)``, uint8.

    A piece is given as soon as its last frame is decoded; of a video only the frames of pieces
    that have begun are held. A piece with a frame that cannot be decoded is left out. Between
    pieces that lie far apart nothing is decoded, where the decoder can enter the video.

    Raises:
        VideoError: a video cannot be read.
    """
    for number, video in enumerate(sample.videos):
        pieces = sorted(piece for piece in sample.pieces if piece.video == number)
        if pieces:
            yield from _read_video(video, pieces, contract)


def _read_video(
    video: SampledVideo, pieces: list[Piece], contract: ModelContract
) -> Iterator[tuple[Piece, NDArray[np.uint8]]]:
    opened = open_video(video.path)
    with Reader(codec_threads=_CODEC_THREADS) as reader:
        for run in _runs(pieces, opened.key_frames):
            yield from _read_run(reader, opened, run, contract)


def _runs(pieces: Sequence[Piece], key_frames: NDArray[np.int64]) -> list[list[Piece]]:
    """Split pieces, in order of their starts, where entering the video anew costs less.

    That is where many frames lie between two of them, and the decoder can enter within these:
    from an earlier key frame it would decode again what it has decoded.
    """
    runs: list[list[Piece]] = []
    stop = 0
    for piece in pieces:
        entry = key_frames[np.searchsorted(key_frames, piece.start, side="right") - 1]
        if not runs or (piece.start - stop > _WORTH_A_SEEK and entry >= stop):
            runs.append([])
        runs[-1].append(piece)
        stop = max(stop, piece.stop)
    return runs


def _read_run(
    reader: Reader, opened: Video, pieces: list[Piece], contract: ModelContract
) -> Iterator[tuple[Piece, NDArray[np.uint8]]]:
    held: dict[int, NDArray[np.uint8]] = {}
    first, stop = pieces[0].start, max(piece.stop for piece in pieces)
    pictures = reader.frames(opened.stretch(first, stop))
    for number, picture in enumerate(pictures, start=first):
        if picture is not None:
            row = np.empty(contract.frame_shape, np.uint8)
            to_geometry(picture, row, contract=contract, rotation=opened.rotation)
            held[number] = row
        while pieces and pieces[0].stop <= number + 1:
            piece = pieces.pop(0)
            if all(frame in held for frame in range(piece.start, piece.stop)):
                yield piece, _segment(piece, held, contract)
        for frame in [frame for frame in held if not pieces or frame < pieces[0].start]:
            del held[frame]


def _segment(
    piece: Piece, held: Mapping[int, NDArray[np.uint8]], contract: ModelContract
) -> NDArray[np.uint8]:
    last = piece.stop - 1
    frames = range(piece.start, piece.start + contract.segment_frames)
    return np.stack([held[min(frame, last)] for frame in frames])


def _choose(
    videos: Sequence[SampledVideo],
    free: Sequence[Sequence[tuple[int, int]]],
    *,
    contract: ModelContract,
    segments: int,
    random: np.random.Generator | None,
) -> Sample:
    possible = [_possible_pieces(number, ranges, contract) for number, ranges in enumerate(free)]
    shares = _shares([len(pieces) for pieces in possible], segments)
    chosen = [
        pieces[index]
        for pieces, share in zip(possible, shares, strict=True)
        for index in _spread(len(pieces), share, random)
    ]
    if not chosen:
        names = ", ".join(str(video.path) for video in videos)
        raise ExportError(
            f"expected a stretch of at least {contract.clip_frames} frames that calibration did "
            f"not use, got none in {names or 'no video'}: name other videos, or longer ones"
        )
    return Sample(videos=tuple(videos), pieces=tuple(chosen))


def _possible_pieces(
    number: int, ranges: Sequence[tuple[int, int]], contract: ModelContract
) -> list[Piece]:
    """Every place for a piece in the ranges; a range too short for a segment is one piece."""
    pieces: list[Piece] = []
    for first, stop in ranges:
        length = min(contract.segment_frames, stop - first)
        if length >= contract.clip_frames:
            pieces += [
                Piece(video=number, start=start, stop=start + length)
                for start in range(first, stop - length + 1)
            ]
    return pieces


def _shares(available: Sequence[int], wanted: int) -> list[int]:
    """Share ``wanted`` evenly; what one cannot give, the others give as far as they can."""
    shares = [0] * len(available)
    left = wanted
    while left:
        open_ones = [i for i, count in enumerate(available) if shares[i] < count]
        if not open_ones:
            break
        each = max(1, left // len(open_ones))
        for i in open_ones:
            more = min(each, available[i] - shares[i], left)
            shares[i] += more
            left -= more
    return shares


def _spread(available: int, share: int, random: np.random.Generator | None) -> list[int]:
    """Return ``share`` different places, one in each of equal parts, in order."""
    edges = np.linspace(0, available, share + 1).astype(int)
    if random is None:
        return [int(low + high - 1) // 2 for low, high in itertools.pairwise(edges)]
    return [int(random.integers(low, high)) for low, high in itertools.pairwise(edges)]


def _first_halves(frames: int, *, clip_frames: int, most: int = 32) -> Ranges:
    stretches = max(1, min(most, frames // (8 * clip_frames)))
    edges = np.linspace(0, frames, stretches + 1).astype(int)
    return tuple((int(low), int(low + high) // 2) for low, high in itertools.pairwise(edges))
