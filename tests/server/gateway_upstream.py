"""A stand-in for Triton that holds requests until it is told, and counts them.

What the real Triton cannot be made to say: how many requests it had at a time, and whether any
came. Tests of what Triton itself does use the real one.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import grpc
from tritonclient.grpc import service_pb2 as protocol

INFER = "/inference.GRPCInferenceService/ModelInfer"


class Upstream:
    def __init__(self) -> None:
        self.address = ""
        self.calls: list[str] = []
        self.in_flight = self.most_in_flight = 0
        self.answered = 0
        self.released = asyncio.Event()

    async def answer(self, _request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await self.released.wait()
            await asyncio.sleep(0.01)
            self.answered += 1
            return protocol.ModelInferResponse(model_name="held").SerializeToString()
        finally:
            self.in_flight -= 1

    async def answer_at_once(self, _request: bytes, _context: grpc.aio.ServicerContext) -> bytes:
        return b""

    async def has(self, in_flight: int) -> None:
        async with asyncio.timeout(10):
            while self.in_flight != in_flight:
                await asyncio.sleep(0.01)


class _Every(grpc.GenericRpcHandler):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        self._upstream.calls.append(details.method)
        held = details.method == INFER
        answer = self._upstream.answer if held else self._upstream.answer_at_once
        return grpc.unary_unary_rpc_method_handler(answer)


@contextlib.asynccontextmanager
async def counting_upstream() -> AsyncIterator[Upstream]:
    """Answer inference after ``released`` is set, every other call at once."""
    upstream = Upstream()
    server = grpc.aio.server(
        options=[("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    )
    server.add_generic_rpc_handlers([_Every(upstream)])
    port = server.add_insecure_port("127.0.0.1:0")
    upstream.address = f"127.0.0.1:{port}"
    await server.start()
    try:
        yield upstream
    finally:
        upstream.released.set()
        await server.stop(grace=1)
