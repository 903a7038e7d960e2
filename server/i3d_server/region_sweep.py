"""Has a Triton on this host forget the shared memory of clients that are gone.

A client removes what it shared, and what killed ones before it left. Where no other client comes,
a server would hold that memory for as long as it runs: so it looks by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from i3d_client.shared_memory import remove_dead_regions
from i3d_client.triton import Connection

_EVERY_S = 10.0


@contextlib.contextmanager
def sweeping_regions(address: str, *, every_s: float = _EVERY_S) -> Iterator[None]:
    """Remove the regions of clients that are gone, again and again, until the context ends.

    Args:
        address: ``HOST:PORT`` of a Triton that sees this host's /dev/shm.
        every_s: seconds from one time to the next.
    """
    ended = threading.Event()

    def sweep() -> None:
        while not ended.wait(every_s):
            asyncio.run(_sweep(address))

    thread = threading.Thread(target=sweep, name="sweep regions", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(every_s)


async def _sweep(address: str) -> None:
    async with Connection(address) as connection:
        await remove_dead_regions(connection)
