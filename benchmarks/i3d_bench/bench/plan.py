"""What is timed, in which order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from i3d_bench.bench import tensorflow
from i3d_bench.bench.options import Pipeline

JobT = TypeVar("JobT")


class Configuration(NamedTuple):
    """A pipeline at a precision on a number of cores, with one video.

    Attributes:
        pipeline: which.
        precision: of the model.
        cores: that the client is held to.
        video: place of the video among those that were given.
    """

    pipeline: Pipeline
    precision: str
    cores: int
    video: int

    @property
    def in_tensorflow(self) -> bool:
        """Whether it needs no server."""
        return self.pipeline.startswith(tensorflow.PREFIX)


def plan(
    *,
    pipelines: Sequence[Pipeline],
    precisions: Sequence[str],
    cores: Sequence[int],
    videos: int,
) -> list[Configuration]:
    """Return every configuration; those in TensorFlow at FP32 alone, whatever the server has."""
    return [
        Configuration(pipeline, precision, count, video)
        for video in range(videos)
        for count in cores
        for pipeline in pipelines
        for precision in (
            (tensorflow.PRECISION,) if pipeline.startswith(tensorflow.PREFIX) else precisions
        )
    ]


def interleaved(jobs: Sequence[JobT], repeats: int) -> Iterator[JobT]:
    """Yield all jobs, ``repeats`` times, each round beginning with another one.

    So what a machine does meanwhile (a load that comes and goes, a clock that falls with heat) is
    shared by all of them, and none comes always after the same one.
    """
    for repeat in range(repeats):
        first = repeat * len(jobs) // repeats
        yield from jobs[first:]
        yield from jobs[:first]


def default_cores(usable: int) -> tuple[int, ...]:
    """Return 1, 2, 4 … and all usable cores."""
    powers = [2**power for power in range(usable.bit_length()) if 2**power <= usable]
    return tuple(sorted({*powers, usable}))
