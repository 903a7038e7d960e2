"""Triton ends and comes back, or one of two is dead: clients ask again, and are served."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from tests.server.gateway_labs import Credentials, Labs, needs_nginx
from tests.server.gateway_upstream import INFER, counting_upstream
from tests.server.test_gateway_hostile import GOOD
from tests.server.tiny_network import CONTRACT

from i3d_bench.simulated_accelerator import write_simulated_accelerator
from i3d_server.gateway import running_gateway
from i3d_server.triton_process import Ports, RunningTriton, running_triton

pytestmark = needs_nginx


@pytest.fixture
def labs(tmp_path: Path) -> Labs:
    return Labs(tmp_path / "labs")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    write_simulated_accelerator(folder, contract=CONTRACT, seconds_per_window=0.01)
    return folder


async def statuses(address: str, lab: Credentials, *, seconds: float) -> list[grpc.StatusCode]:
    """Ask with four requests in flight for a time; what each was answered with, in order."""
    found: list[grpc.StatusCode] = []
    ends = time.monotonic() + seconds

    async def ask(infer: grpc.aio.UnaryUnaryMultiCallable) -> None:
        while time.monotonic() < ends:
            try:
                await infer(GOOD, timeout=10)
            except grpc.aio.AioRpcError as error:
                found.append(error.code())
                await asyncio.sleep(0.05)
            else:
                found.append(grpc.StatusCode.OK)

    async with lab.channel(address) as channel, asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(ask(channel.unary_unary(INFER)))
    return found


def kill(triton: RunningTriton) -> None:
    """As when memory runs out; its supervisor then tidies up and ends."""
    supervisor = triton.process.pid
    (child,) = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
    os.kill(int(child), signal.SIGKILL)
    triton.process.wait(20)


def test_triton_is_killed_and_comes_back(labs: Labs, repository: Path) -> None:
    lab = labs.add("lab-a")

    async def run() -> None:
        with ExitStack() as stack:
            triton = stack.enter_context(running_triton(repository))
            gateway = stack.enter_context(
                running_gateway(labs_gateway=labs.gateway, triton_servers=[triton.address])
            )
            asking = asyncio.create_task(statuses(gateway.address, lab, seconds=2.5))
            await asyncio.sleep(1)
            kill(triton)
            found = await asking
            assert set(found) == {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
            assert found[0] is grpc.StatusCode.OK
            assert found[-1] is grpc.StatusCode.UNAVAILABLE
            again = await asyncio.to_thread(
                stack.enter_context, running_triton(repository, ports=Ports(grpc=triton.ports.grpc))
            )
            assert again.address == triton.address
            found = await statuses(gateway.address, lab, seconds=1.5)
            assert found[-10:] == [grpc.StatusCode.OK] * 10

    asyncio.run(run())


def test_one_of_two_is_dead_from_the_start(labs: Labs) -> None:
    lab = labs.add("lab-a", in_flight=20)

    async def run() -> None:
        async with counting_upstream() as dead:
            pass
        async with counting_upstream() as alive:
            alive.released.set()
            servers = [dead.address, alive.address]
            with running_gateway(labs_gateway=labs.gateway, triton_servers=servers) as gateway:
                found = await statuses(gateway.address, lab, seconds=1)
        assert len(found) > 20
        assert set(found) == {grpc.StatusCode.OK}

    asyncio.run(run())


def test_the_server_with_fewer_requests_is_asked(labs: Labs) -> None:
    lab = labs.add("lab-a", in_flight=20)

    async def run() -> None:
        async with counting_upstream() as first, counting_upstream() as second:
            servers = [first.address, second.address]
            with running_gateway(labs_gateway=labs.gateway, triton_servers=servers) as gateway:
                async with lab.channel(gateway.address) as channel:
                    held = [
                        asyncio.ensure_future(channel.unary_unary(INFER)(b"")) for _ in "123456"
                    ]
                    await first.has(in_flight=3)
                    await second.has(in_flight=3)
                    first.released.set()
                    await first.has(in_flight=0)
                    held += [asyncio.ensure_future(channel.unary_unary(INFER)(b"")) for _ in "123"]
                    await asyncio.wait(held[6:], timeout=10)
                    assert first.answered == 6
                    second.released.set()
                    await asyncio.gather(*held)

    asyncio.run(run())


@pytest.fixture
def two_tritons(repository: Path) -> Iterator[tuple[RunningTriton, RunningTriton]]:
    with running_triton(repository) as first, running_triton(repository) as second:
        yield first, second


@pytest.mark.faults
def test_one_of_two_is_killed_and_comes_back(
    labs: Labs, repository: Path, two_tritons: tuple[RunningTriton, RunningTriton]
) -> None:
    lab = labs.add("lab-a")
    first, second = two_tritons

    async def run() -> None:
        servers = [first.address, second.address]
        with running_gateway(labs_gateway=labs.gateway, triton_servers=servers) as gateway:
            asking = asyncio.create_task(statuses(gateway.address, lab, seconds=6))
            await asyncio.sleep(2)
            kill(first)
            found = await asking
            assert set(found) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
            # Those that were in it; whatever came after went to the other one.
            assert found.count(grpc.StatusCode.UNAVAILABLE) <= 16
            assert found[-10:] == [grpc.StatusCode.OK] * 10
            with running_triton(repository, ports=Ports(grpc=first.ports.grpc)):
                kill(second)
                await asyncio.sleep(6)  # until it is tried again
                found = await statuses(gateway.address, lab, seconds=2)
                assert found[-10:] == [grpc.StatusCode.OK] * 10

    asyncio.run(run())
