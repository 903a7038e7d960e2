"""Videos and annotations for ``i3d_bench.own_behaviours``: made from cages and real videos."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import av

from i3d_bench.cages import write_cages
from i3d_bench.cages.cages import VERSION
from i3d_bench.moving import COLUMNS, movement_of
from i3d_client.video import open_video

_FITTED_ANIMALS, _FITTED_FRAMES = 9, 6_000  # 30 minutes at 30 frames/s
_TESTED_ANIMALS, _TESTED_FRAMES = 3, 2_000
_NATURAL_FRAMES = 27_000
_SEED = 1
_CLIP_FRAMES = 16
Row = tuple[str, float, float, str]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Cages of animals to fit on, and of others to test on.

    Attributes:
        fitted: videos to fit on.
        tested: videos of other animals.
        annotations: of those to fit on, ``video,start_s,stop_s,label``.
        truth: of the others.
        animals: ``recording,animal`` of those to fit on.
        cages_version: of the generator.
    """

    fitted: tuple[Path, ...]
    tested: tuple[Path, ...]
    annotations: Path
    truth: Path
    animals: Path
    cages_version: int
    frames_fitted: int = _FITTED_ANIMALS * _FITTED_FRAMES
    frames_tested: int = _TESTED_ANIMALS * _TESTED_FRAMES


def write_split(folder: Path) -> Split:
    """Write the cages, or find them."""
    sets = [
        write_cages(
            folder / name,
            animals=animals,
            first_animal=first,
            seed=_SEED,
            schedule="balanced",
            frames_per_animal=frames,
            workers=2,
        )
        for name, animals, first, frames in (
            ("fitted", _FITTED_ANIMALS, 1, _FITTED_FRAMES),
            ("tested", _TESTED_ANIMALS, 1 + _FITTED_ANIMALS, _TESTED_FRAMES),
        )
    ]
    return Split(
        fitted=sets[0].videos,
        tested=sets[1].videos,
        annotations=sets[0].annotations,
        truth=sets[1].annotations,
        animals=sets[0].metadata,
        cages_version=VERSION,
    )


def write_natural(folder: Path, *, after: Split) -> tuple[Path, Path]:
    """Write a recording with natural shares, of an animal of its own, and its annotation."""
    cages = write_cages(
        folder,
        animals=1,
        first_animal=1 + len(after.fitted) + len(after.tested),
        seed=_SEED,
        schedule="natural",
        frames_per_animal=_NATURAL_FRAMES,
    )
    truth = write_rows(folder / "natural.csv", read_rows(cages.annotations))
    return cages.videos[0], truth


def frames_of(video: Path) -> int:
    """Return how many frames a video has."""
    return open_video(video).num_frames_expected


def frozen_cages(split: Split, folder: Path) -> tuple[list[Path], Path]:
    """Write the fitted cages again with every 16 frames replaced by the last; and annotations.

    So a window that begins where they do sees one picture. What is true of the picture is true of
    all 16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    known = read_rows(split.annotations)
    videos = []
    for video in split.fitted:
        frozen = folder / video.name
        fps, count = _freeze(video, frozen)
        intervals = [row for row in known if row[0] == video.name]
        for first in range(0, count, _CLIP_FRAMES):
            at_s = (first + _CLIP_FRAMES - 0.5) / fps
            label = next((row[3] for row in intervals if row[1] <= at_s < row[2]), None)
            if label is not None:
                rows.append((video.name, first / fps, (first + _CLIP_FRAMES) / fps, label))
        videos.append(frozen)
    return videos, write_rows(folder / "annotations.csv", rows)


def _freeze(video: Path, frozen: Path) -> tuple[float, int]:
    """Write a video of the last picture of every whole 16; return its rate and its frames."""
    with av.open(str(video)) as source, av.open(str(frozen), "w") as target:
        stream = source.streams.video[0]
        rate = open_video(video).fps
        out = target.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        out.width, out.height, out.pix_fmt = stream.width, stream.height, "yuv420p"
        count = 0
        for number, frame in enumerate(source.decode(stream)):
            if number % _CLIP_FRAMES == _CLIP_FRAMES - 1:
                picture = frame.to_ndarray(format="yuv420p")
                for _ in range(_CLIP_FRAMES):
                    again = av.VideoFrame.from_ndarray(picture, format="yuv420p")
                    again.pts, again.time_base = count, 1 / rate
                    target.mux(out.encode(again))
                    count += 1
        target.mux(out.encode())
    return float(rate), count


def shifted(split: Split, *, seconds: float) -> Path:
    """Write the annotations with those of the first video later."""
    return _changed(split, "shifted", lambda t: t + seconds)


def mistimed(split: Split, *, factor: float) -> Path:
    """Write the annotations with the times of the first video multiplied."""
    return _changed(split, "mistimed", lambda t: t * factor)


def swapped(split: Split) -> Path:
    """Write the annotations with those of the first two videos swapped."""
    first, second = (video.name for video in split.fitted[:2])
    names = {first: second, second: first}
    rows = [(names.get(row[0], row[0]), *row[1:]) for row in read_rows(split.annotations)]
    return write_rows(split.annotations.with_name("swapped.csv"), rows)


def _changed(split: Split, name: str, change: Callable[[float], float]) -> Path:
    first = split.fitted[0].name
    rows = [
        (video, change(start), change(stop), label)
        if video == first
        else (video, start, stop, label)
        for video, start, stop, label in read_rows(split.annotations)
    ]
    return write_rows(split.annotations.with_name(f"{name}.csv"), rows)


def first_part(video: Path, folder: Path, *, share: float) -> Path:
    """Write when the mouse moves during the first part of a video, as an annotation."""
    return _part(video, folder / "first_part.csv", (0.0, share))


def rest_of(video: Path, folder: Path, *, share: float) -> Path:
    """Write when the mouse moves during the rest of a video, as an annotation."""
    return _part(video, folder / "rest.csv", (share, 1.0))


def _part(video: Path, path: Path, shares: tuple[float, float]) -> Path:
    movement = movement_of(video)
    begin, end = (share * float(movement.times_s[-1]) for share in shares)
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = (
        (video.name, max(start, begin), min(stop, end), label)
        for start, stop, label in movement.intervals()
    )
    return write_rows(path, [row for row in inside if row[1] < row[2]])


def read_rows(path: Path) -> list[Row]:
    """Read ``video,start_s,stop_s,label``."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            (row["video"], float(row["start_s"]), float(row["stop_s"]), row["label"])
            for row in csv.DictReader(file)
        ]


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """Write ``video,start_s,stop_s,label``."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows((v, f"{a:.6f}", f"{b:.6f}", label) for v, a, b, label in rows)
    return path
