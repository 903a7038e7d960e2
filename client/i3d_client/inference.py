"""One model on one server: the answers for segments, through whatever happens to the server.

Frames go through gRPC, or lie in system shared memory if the server is on this host. Both give the
same answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from i3d_client.access import Access
from i3d_client.contract import (
    FEATURE_SIZE,
    OUTPUT_FEATURES,
    OUTPUT_PROBABILITIES,
    ModelContract,
)
from i3d_client.errors import (
    I3dError,
    ModelChangedError,
    ModelNotFoundError,
    ModelNotReadyError,
    RegionUnknownError,
    RequestRejectedError,
    ServerUnavailableError,
)
from i3d_client.priority import Priority
from i3d_client.segments import Buffers, Segment
from i3d_client.shared_memory import Region
from i3d_client.transport import Transport
from i3d_client.triton import Connection, Model, Placed

_LOOPBACK = ("localhost:", "127.", "[::1]:")
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 5.0
_SAID_AFTER_S = 1.0
_LONGEST_ANSWER_S = 600.0
_SHORTEST_ANSWER_S = 10.0
_MAY_PASS = (ServerUnavailableError, ModelNotFoundError, ModelNotReadyError)
_AnswerT = TypeVar("_AnswerT")


@dataclass(frozen=True, kw_only=True, eq=False)
class Outputs:
    """What a model answers for a segment.

    Attributes:
        probabilities: (N, classes) float32.
        features: (N, 1024) float32; None if they were not asked for.
    """

    probabilities: NDArray[np.float32]
    features: NDArray[np.float32] | None


class Inference:
    """Asks one model; an async context manager.

    Args:
        connection: to the server.
        model: as the run began with it; another one in its place is refused.
        in_flight: segments that are asked for at a time, at most.
        transport: ``auto`` takes shared memory where the server is on this host.
        priority: of the requests; None leaves it to the model.
        give_up_after_s: how long the server may be away, or refuse for want of room.
        features: whether to ask for features, too.
        on_trouble: called with a message when the server is away, and with None when it is back.
    """

    def __init__(
        self,
        connection: Connection,
        model: Model,
        *,
        in_flight: int,
        transport: Transport = "auto",
        priority: Priority | None = None,
        give_up_after_s: float,
        features: bool = False,
        on_trouble: Callable[[str | None], None] = lambda _message: None,
    ) -> None:
        if model.contract is None:
            raise ValueError(f"model {model.name} carries no contract")
        self.contract: ModelContract = model.contract
        self._connection = connection
        self._model = model
        self._in_flight = in_flight
        self._buffers: Buffers | None = None
        self._wanted = transport
        self._priority = priority
        self._give_up_after_s = give_up_after_s
        self._sizes = {OUTPUT_PROBABILITIES: len(self.contract.labels)}
        if features:
            self._sizes[OUTPUT_FEATURES] = FEATURE_SIZE
        self._on_trouble = on_trouble
        # One that neither answers nor refuses is away, too.
        self._answer_within_s = min(max(give_up_after_s, _SHORTEST_ANSWER_S), _LONGEST_ANSWER_S)
        self._in_trouble = 0
        self._region: Region | None = None
        self._registering = asyncio.Lock()

    async def __aenter__(self) -> Inference:
        if may_share_memory(self._connection.access, self._wanted):
            await self._share_memory()
        if self._region is not None:
            self._buffers = Buffers(self._region.segments)
        else:
            self._buffers = Buffers.for_segments(self.contract, self._in_flight)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if self._region is None:
            return
        self._region.close()
        if kind is None:  # else requests may still be read: remove_dead_regions does it later
            with contextlib.suppress(I3dError):  # a server that is away has forgotten it
                await self._connection.unregister_region(self._region.name)

    @property
    def transport(self) -> Transport:
        """What is used: ``grpc`` or ``shared memory``."""
        return "grpc" if self._region is None else "shared memory"

    @property
    def buffers(self) -> Buffers:
        """Memory for the segments that are asked for, while the context is entered."""
        if self._buffers is None:
            raise RuntimeError("buffers of an Inference that was not entered")
        return self._buffers

    async def ask(self, segment: Segment) -> Outputs | None:
        """Return what the model says of a segment; None if none of its windows can be scored.

        Waits and asks again while the server is away or has no room.

        Raises:
            ServerUnavailableError: for longer than ``give_up_after_s``.
            ModelChangedError: the server came back with another model.
            RequestRejectedError, AccessDeniedError: the server refuses the request.
        """
        if not any(window.scored for window in segment.windows):
            return None
        try:
            return await self._ask(segment)
        except ServerUnavailableError as error:
            return await self._retry(lambda: self._ask_anew(segment), error)
        except RegionUnknownError:  # a server that was restarted in between
            return await self._retry(lambda: self._ask_anew(segment), None)

    async def check_model(self) -> None:
        """See that the server's model still is the one that the run began with.

        A server may come back with another one between two requests, without one that fails. So
        answers count once a check after them has passed.

        Raises:
            ServerUnavailableError, ModelChangedError: as ``ask``.
        """
        try:
            await self._check_model()
        except _MAY_PASS as error:
            await self._retry(self._check_model, error)

    async def _ask_anew(self, segment: Segment) -> Outputs:
        await self._check_model()
        await self._register_again()
        return await self._ask(segment)

    async def _retry(
        self, action: Callable[[], Awaitable[_AnswerT]], last: I3dError | None
    ) -> _AnswerT:
        """Do what has failed with ``last`` until it succeeds; None: for the first time."""
        since = time.monotonic()
        wait_s = _FIRST_WAIT_S
        said = False
        try:
            while (away_s := time.monotonic() - since) < self._give_up_after_s:
                if last is not None:
                    if not said and away_s > _SAID_AFTER_S:
                        said = True
                        self._in_trouble += 1
                        if self._in_trouble == 1:
                            self._on_trouble(str(last))
                    await asyncio.sleep(random.uniform(wait_s / 2, wait_s))  # noqa: S311 - jitter
                    wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
                try:
                    answer = await action()
                except (*_MAY_PASS, RegionUnknownError) as again:
                    last = again
                else:
                    if said and self._in_trouble == 1:
                        self._on_trouble(None)
                    return answer
        finally:
            self._in_trouble -= said
        raise ServerUnavailableError(
            f"gave up after {self._give_up_after_s:g} s (--give-up-after): {last}"
        )

    async def _ask(self, segment: Segment) -> Outputs:
        placed = None
        if self._region is not None:
            offset = segment.buffer.number * self._region.segment_bytes
            placed = Placed(region=self._region.name, offset=offset)
        outputs = await self._connection.infer(
            self._model.name,
            segment.frames,
            outputs=list(self._sizes),
            placed=placed,
            priority=self._priority,
            timeout_s=self._answer_within_s,
        )
        for name, size in self._sizes.items():
            expected = (self.contract.windows_per_segment, size)
            if outputs[name].shape != expected:
                columns = "classes" if name == OUTPUT_PROBABILITIES else "features"
                raise RequestRejectedError(
                    f"model {self._model.name}: {name}: expected {expected} (windows, {columns}) "
                    f"as its contract says, got {outputs[name].shape}: export the model again"
                )
        return Outputs(
            probabilities=outputs[OUTPUT_PROBABILITIES], features=outputs.get(OUTPUT_FEATURES)
        )

    async def _check_model(self) -> None:
        now, _contract = await self._connection.choose_model(self._model.name)
        if identity_of(now) != identity_of(self._model):
            raise ModelChangedError(
                f"model {now.name} at {self._connection.server} is no longer the one that this run "
                "began with: its answers would be mixed. Serve the old one again and give the same "
                "command, or begin anew with --overwrite or another --out"
            )

    async def _register_again(self) -> None:
        """See that the server knows the region: one that was restarted does not."""
        if self._region is None:
            return
        async with self._registering:
            if self._region.name not in await self._connection.registered_regions():
                await self._connection.register_region(self._region.name, self._region.num_bytes)

    async def _share_memory(self) -> None:
        try:
            region = Region(self.contract.segment_shape, self._in_flight + Buffers.SPARE)
        except OSError as error:
            if self._wanted == "shared memory":
                raise I3dError(f"shared memory: {error}") from error
            return
        try:
            await self._connection.register_region(region.name, region.num_bytes)
        except I3dError as error:
            # A server that is away is told of it when it is back.
            away = isinstance(error, ServerUnavailableError)
            if self._wanted != "shared memory" or not away:
                region.close()
                if self._wanted == "shared memory":
                    raise
                return
        self._region = region


def may_share_memory(access: Access, transport: Transport) -> bool:
    """Whether frames may go to the server through shared memory: never through TLS.

    Raises:
        I3dError: they must, and there are credentials.
    """
    if access.credentials is not None:
        if transport == "shared memory":
            raise I3dError(
                "a lab server takes no shared memory: leave out --transport 'shared memory', or "
                "the credentials"
            )
        return False
    return transport == "shared memory" or (
        transport == "auto" and access.server.startswith(_LOOPBACK)
    )


def identity_of(model: Model) -> dict[str, object]:
    """Return what must stay the same for answers to be of one run: a JSON document."""
    contract = None if model.contract is None else json.loads(model.contract.to_json())
    return {
        "name": model.name,
        "version": model.version,
        "engine": model.engine,
        "contract": contract,
        "build": model.build,
    }
