"""A folder of recordings of synthetic cages."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from i3d_bench.cages.behaviours import SCHEDULES, Schedule
from i3d_bench.cages.errors import CagesError
from i3d_bench.cages.recording import write_recording
from i3d_bench.cages.truth import FrameLabels, write_animals, write_frames, write_intervals
from i3d_client.durable import complete_path

VERSION = 2  # of what the pictures look like: raised when the same seed gives others
_MADE_BY = "cages.json"


@dataclass(frozen=True, kw_only=True)
class Cages:
    """What was written.

    Attributes:
        videos: one an animal.
        animals: their names.
        annotations: ``video,start_s,stop_s,label`` of all videos.
        metadata: ``recording,animal``.
        truth: ``frame,label`` of each video.
    """

    videos: tuple[Path, ...]
    animals: tuple[str, ...]
    annotations: Path
    metadata: Path
    truth: tuple[Path, ...]


def write_cages(
    folder: Path,
    *,
    animals: int,
    seed: int,
    schedule: Schedule,
    frames_per_animal: int,
    first_animal: int = 1,
    workers: int = 1,
) -> Cages:
    """Write one recording an animal, or find those that were written with the same arguments.

    Args:
        folder: is made; one that holds other cages is refused.
        animals: how many.
        seed: of everything. Animal 7 of a seed is the same whichever animals are written.
        schedule: ``balanced``: all behaviours equally long, in bouts of 1–6 s; ``natural``: with
            a laboratory's shares of time and lengths of bouts, which needs an hour or so.
        frames_per_animal: length of each recording, at 30 frames/s.
        first_animal: number of the first one, so that sets can be of different animals.
        workers: processes.

    Raises:
        CagesError: an argument is out of range, or the folder holds other cages.
    """
    asked: dict[str, object] = {
        "version": VERSION,
        "animals": animals,
        "first_animal": first_animal,
        "seed": seed,
        "schedule": schedule,
        "frames_per_animal": frames_per_animal,
    }
    _check(asked, workers)
    numbers = range(first_animal, first_animal + animals)
    names = tuple(f"animal{number:02d}" for number in numbers)
    cages = Cages(
        videos=tuple(folder / f"{name}.mp4" for name in names),
        animals=names,
        annotations=folder / "annotations.csv",
        metadata=folder / "animals.csv",
        truth=tuple(folder / "truth" / f"{name}.csv" for name in names),
    )
    if _found(folder / _MADE_BY, asked):
        return cages
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(_write_animal, video, truth, number, seed, schedule, frames_per_animal)
            for video, truth, number in zip(cages.videos, cages.truth, numbers, strict=True)
        ]
        labels = [job.result() for job in jobs]
    video_names = [video.name for video in cages.videos]
    write_intervals(cages.annotations, list(zip(video_names, labels, strict=True)))
    write_animals(cages.metadata, list(zip(video_names, names, strict=True)))
    with complete_path(folder / _MADE_BY) as path:
        path.write_text(json.dumps(asked, indent=2) + "\n", encoding="utf-8")
    return cages


def _write_animal(
    video: Path, truth: Path, number: int, seed: int, schedule: Schedule, num_frames: int
) -> FrameLabels:
    recording = write_recording(
        video, number=number, seed=seed, schedule=schedule, num_frames=num_frames
    )
    write_frames(truth, recording.frame_labels)
    return recording.frame_labels


def _check(asked: dict[str, object], workers: int) -> None:
    for name, value in {**asked, "workers": workers}.items():
        if name not in ("seed", "schedule") and (not isinstance(value, int) or value < 1):
            raise CagesError(f"{name}: expected a whole number of 1 or more, got {value!r}")
    if not isinstance(asked["seed"], int) or asked["seed"] < 0:
        raise CagesError(f"seed: expected a whole number of 0 or more, got {asked['seed']!r}")
    if asked["schedule"] not in SCHEDULES:
        raise CagesError(f"schedule: expected {' or '.join(SCHEDULES)}, got {asked['schedule']!r}")


def _found(made_by: Path, asked: dict[str, object]) -> bool:
    """Whether the folder has what is asked; ``cages.json`` is written last."""
    if not made_by.is_file():
        return False
    made = json.loads(made_by.read_text(encoding="utf-8"))
    if made != asked:
        raise CagesError(
            f"{made_by.parent}: holds cages made with {made}, asked for are {asked}. "
            "Name another folder, or delete this one"
        )
    return True
