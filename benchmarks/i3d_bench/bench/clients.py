"""Processes that are held to a number of cores, and stay from one run to the next."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from i3d_bench.bench.errors import PipelineError

T = TypeVar("T")


@contextlib.contextmanager
def held_to(cores: int) -> Iterator[None]:
    """Hold this thread, and the processes that it starts, to the first ``cores`` usable cores."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(usable)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


class HeldProcess:
    """A process of its own on ``cores`` cores; a context manager.

    Args:
        cores: how many.
        prepare: called in it first.
        arguments: of ``prepare``.
    """

    def __init__(
        self,
        cores: int,
        prepare: Callable[..., None] | None = None,
        arguments: tuple[Any, ...] = (),
    ) -> None:
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))
        with held_to(cores):  # processes are started by the thread that asks for the first job
            found = self.call(_cores_held_to)
        if found != cores:
            raise PipelineError(f"expected {cores} cores, this process may use {found}")
        if prepare is not None:
            self.call(prepare, *arguments)

    def call(self, job: Callable[..., T], *arguments: Any) -> T:
        """Return what ``job`` returns there.

        Raises:
            PipelineError: it raised, or the process has died.
        """
        try:
            result, error = self._pool.submit(_attempt, job, arguments).result()
        except BrokenProcessPool as died:
            raise PipelineError("its process has died: is there too little memory?") from died
        if error is not None:
            raise PipelineError(error)
        return result  # type: ignore[no-any-return]

    def __enter__(self) -> HeldProcess:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)


def _attempt(job: Callable[..., Any], arguments: tuple[Any, ...]) -> tuple[Any, str | None]:
    """Call it; errors go back as text, since not every one can be pickled."""
    try:
        return job(*arguments), None
    except Exception as error:
        return None, f"{type(error).__name__}: {error}"


def _cores_held_to() -> int:
    return len(os.sched_getaffinity(0))
