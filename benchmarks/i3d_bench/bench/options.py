"""What ``i3d bench`` is to measure: made once at the edge and passed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from i3d_client.access import Access

Pipeline = Literal[
    "synchronous",
    "parallel",
    "asynchronous",
    "tf_synchronous",
    "tf_parallel",
    "tf_asynchronous",
]
PIPELINES: tuple[Pipeline, ...] = get_args(Pipeline)


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What to measure, and on which server.

    Attributes:
        videos: files.
        access: the server; None starts the real Triton on this machine for the run.
        repository: model repository of that one.
        cores: the numbers of cores that the client is held to, one after another.
        precisions: which; empty takes every one of the base that the server has.
        model_base: a model is ``<base>_<precision>``; None takes the only base there is.
        pipelines: which.
        batch: windows that a synchronous pipeline asks for at a time.
        repeats: of every measurement.
        windows: of each video; None takes as many as take about ``seconds``.
        seconds: of one run, about.
        timelines: whether a run of every pipeline is traced.
        price: as bench.json has it; None if no price was given.
    """

    videos: tuple[Path, ...]
    access: Access | None
    repository: Path
    cores: tuple[int, ...]
    precisions: tuple[str, ...] = ()
    model_base: str | None = None
    pipelines: tuple[Pipeline, ...] = PIPELINES
    batch: int = 4
    repeats: int = 3
    windows: int | None = None
    seconds: float = 30.0
    timelines: bool = True
    price: dict[str, Any] | None = None
