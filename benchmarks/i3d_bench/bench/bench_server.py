"""The server of a bench: one that is there, or the real Triton on this machine for the run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from i3d_bench.bench.options import BenchOptions
from i3d_bench.bench.server_view import ServedModel, ServerView, find_models
from i3d_client.access import Access
from i3d_client.contract import ModelContract
from i3d_client.triton import Connection, Model

_NOT_EMBEDDED = (
    "wire alone: a null model can only be started on this machine (--embedded)",
    "the server's machine: its processor, GPU and load are not told to a client",
    "GPU utilisation and memory: Triton's metrics are not on the port of its gRPC",
)


@dataclass(frozen=True, kw_only=True)
class BenchServer:
    """A server, and the models to be measured.

    Attributes:
        access: how to reach it.
        embedded: whether it was started for this bench.
        view: what can be seen of it.
        base: a model is ``<base>_<precision>``.
        models: by precision, in the order in which they are measured.
        contract: of all of them.
    """

    access: Access
    embedded: bool
    view: ServerView
    base: str
    models: dict[str, ServedModel]
    contract: ModelContract

    @property
    def simulated(self) -> bool:
        """Whether the device is a simulation."""
        return any(one.simulated_seconds_per_window is not None for one in self.models.values())


@contextmanager
def bench_server(options: BenchOptions) -> Iterator[BenchServer]:
    """Reach the server, or start one; see which models there are.

    Raises:
        BenchError: it has not what is asked for.
        I3dError: it cannot be reached or started.
    """
    if options.access is not None:
        with _seen(options, options.access, server_pid=None) as server:
            yield server
        return
    from i3d_server.launcher import serving

    with (
        serving(options.repository, models=_names(options)) as served,
        _seen(
            options, Access(server=served.triton.address), server_pid=served.triton.process.pid
        ) as server,
    ):
        yield server


def _names(options: BenchOptions) -> list[str] | None:
    """Return what to load; None is everything."""
    if options.model_base is None or not options.precisions:
        return None
    return [f"{options.model_base}_{precision}" for precision in options.precisions]


@contextmanager
def _seen(
    options: BenchOptions, access: Access, *, server_pid: int | None
) -> Iterator[BenchServer]:
    base, found = asyncio.run(_find(access, options.model_base, options.precisions))
    view = ServerView(access, server_pid=server_pid)
    try:
        if server_pid is None:
            view.could_not_see += _NOT_EMBEDDED
        models = {
            precision: view.describe(precision, model, contract)
            for precision, model, contract in found
        }
        yield BenchServer(
            access=access,
            embedded=server_pid is not None,
            view=view,
            base=base,
            models=models,
            contract=found[0][2],
        )
    finally:
        view.close()


async def _find(
    access: Access, base: str | None, precisions: Sequence[str]
) -> tuple[str, list[tuple[str, Model, ModelContract]]]:
    async with Connection(access) as connection:
        return await find_models(connection, base=base, precisions=tuple(precisions))
