"""The gateway lets labs in by certificate, to some calls, so many at a time; real nginx."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import grpc
import pytest
from tests.server.gateway_labs import Credentials, Labs, needs_nginx
from tests.server.gateway_upstream import INFER, Upstream, counting_upstream
from tests.server.raw_http2 import (
    DATA,
    GOAWAY,
    RST_STREAM,
    frame,
    frame_kinds,
    opening,
    read_all,
    request_head,
    tls,
)

from i3d_server.errors import ServerStartError
from i3d_server.gateway import RunningGateway, running_gateway

pytestmark = needs_nginx
SERVICE = "/inference.GRPCInferenceService/"
ALLOWED = [
    *("ServerLive", "ServerReady", "ModelReady", "ServerMetadata", "ModelMetadata"),
    *("ModelConfig", "ModelStatistics", "ModelInfer"),
]
DENIED = [
    *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    *("SystemSharedMemoryStatus", "SystemSharedMemoryRegister", "SystemSharedMemoryUnregister"),
    *("CudaSharedMemoryStatus", "CudaSharedMemoryRegister", "CudaSharedMemoryUnregister"),
    *("TraceSetting", "LogSettings", "ModelStreamInfer", "ModelInferX", "modelinfer"),
]
OTHER_PATHS = [
    f"{SERVICE}RepositoryIndex/../ModelInfer",
    f"{SERVICE}ModelInfer?RepositoryIndex",
    f"{SERVICE}ModelInfer/",
    f"{SERVICE}%4dodelInfer",
    "/inference.grpcinferenceservice/ModelInfer",
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/metrics",
    "/",
]
LARGE = bytes(9_633_863)  # as large as a request of kinetics400


async def status_of(
    credentials: Credentials, address: str, *, method: str = INFER, request: bytes = b""
) -> grpc.StatusCode:
    async with credentials.channel(address) as channel:
        try:
            await channel.unary_unary(method)(request, timeout=20)
        except grpc.aio.AioRpcError as error:
            return error.code()
    return grpc.StatusCode.OK


@asynccontextmanager
async def gateway_to_upstream(
    labs: Labs, **options: int
) -> AsyncIterator[tuple[RunningGateway, Upstream]]:
    async with counting_upstream() as upstream:
        with running_gateway(
            labs_gateway=labs.gateway, triton_servers=[upstream.address], **options
        ) as gateway:
            yield gateway, upstream


@pytest.fixture
def labs(tmp_path: Path) -> Labs:
    return Labs(tmp_path / "labs")


def test_only_a_live_certificate_of_this_server_comes_through(labs: Labs, tmp_path: Path) -> None:
    lab = labs.add("lab-a")
    revoked = labs.add("lab-b")
    labs.revoke("lab-b")
    refused = {
        "no certificate": labs.without_certificate(),
        "another server's": labs.trusted_by(Labs(tmp_path / "other").add("lab-a")),
        "expired": labs.add_expired("lab-c"),
        "revoked": revoked,
        "the gateway's own": labs.server_as_client(),
    }

    async def run() -> None:
        async with gateway_to_upstream(labs) as (gateway, upstream):
            upstream.released.set()
            for why, credentials in refused.items():
                for method in (INFER, f"{SERVICE}ServerReady"):
                    status = await status_of(
                        credentials, gateway.address, method=method, request=LARGE
                    )
                    assert status is grpc.StatusCode.UNAUTHENTICATED, why
            async with grpc.aio.insecure_channel(gateway.address) as channel:
                with pytest.raises(grpc.aio.AioRpcError):
                    await channel.unary_unary(INFER)(b"", timeout=10)
            assert upstream.calls == []
            assert await status_of(lab, gateway.address) is grpc.StatusCode.OK
            assert upstream.calls == [INFER]
            for line in gateway.access_log.read_text().splitlines()[:-1]:
                assert json.loads(line)["lab"] == ""

    asyncio.run(run())


def test_calls_that_labs_have_no_need_of_are_denied(labs: Labs) -> None:
    lab = labs.add("lab-a")

    async def run() -> None:
        async with gateway_to_upstream(labs) as (gateway, upstream):
            upstream.released.set()
            for method in [*(f"{SERVICE}{name}" for name in DENIED), *OTHER_PATHS]:
                status = await status_of(lab, gateway.address, method=method, request=LARGE)
                assert status is grpc.StatusCode.PERMISSION_DENIED, method
            assert upstream.calls == []
            methods = [*(f"{SERVICE}{name}" for name in ALLOWED), "/grpc.health.v1.Health/Check"]
            for method in methods:
                assert await status_of(lab, gateway.address, method=method) is grpc.StatusCode.OK
            assert upstream.calls == methods

    asyncio.run(run())


def test_a_lab_has_no_more_in_flight_than_its_cap_and_others_have_theirs(labs: Labs) -> None:
    lab_a, lab_b = labs.add("lab-a", in_flight=3), labs.add("lab-b", in_flight=2)

    async def run() -> None:
        async with (
            gateway_to_upstream(labs) as (gateway, upstream),
            lab_a.channel(gateway.address) as first,
            lab_a.channel(gateway.address) as second,
            lab_b.channel(gateway.address) as other,
        ):
            held = [channel.unary_unary(INFER)(LARGE) for channel in (first, second, first)]
            await upstream.has(in_flight=3)
            for channel in (first, second):
                with pytest.raises(grpc.aio.AioRpcError, match="in flight") as refused:
                    await channel.unary_unary(INFER)(LARGE, timeout=10)
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
            await first.unary_unary(f"{SERVICE}ServerReady")(
                b"", timeout=10
            )  # only inference is capped
            held += [other.unary_unary(INFER)(LARGE) for _ in range(2)]
            await upstream.has(in_flight=5)
            assert upstream.most_in_flight == 5
            upstream.released.set()
            await asyncio.gather(*held)
            await first.unary_unary(INFER)(LARGE, timeout=10)

    asyncio.run(run())


def test_a_request_that_is_too_large_is_not_to_be_sent_again(labs: Labs) -> None:
    lab = labs.add("lab-a")

    async def run() -> None:
        async with gateway_to_upstream(labs, max_request_mb=10) as (gateway, upstream):
            upstream.released.set()
            assert await status_of(lab, gateway.address, request=LARGE) is grpc.StatusCode.OK
            for size in (10 * 2**20, 40 * 2**20):
                status = await status_of(lab, gateway.address, request=bytes(size))
                assert status is grpc.StatusCode.INVALID_ARGUMENT
            assert upstream.answered == 1

    asyncio.run(run())


def test_revoking_a_lab_drops_no_other_labs_requests(labs: Labs) -> None:
    lab_a, lab_b = labs.add("lab-a"), labs.add("lab-b")

    async def run() -> None:
        async with (
            gateway_to_upstream(labs) as (gateway, upstream),
            lab_a.channel(gateway.address) as revoked,
            lab_b.channel(gateway.address) as other,
        ):
            held = [other.unary_unary(INFER)(LARGE) for _ in range(4)]
            of_revoked = revoked.unary_unary(INFER)(LARGE)
            await upstream.has(in_flight=5)
            with gateway.followed():
                labs.revoke("lab-a")
            # On the connection that it had before, too.
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await revoked.unary_unary(INFER)(b"", timeout=10)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
            upstream.released.set()
            await asyncio.gather(*held, of_revoked)
            assert upstream.answered == 5
            await other.unary_unary(INFER)(LARGE, timeout=10)

    asyncio.run(run())


def test_a_lab_that_is_added_comes_in_and_a_broken_file_changes_nothing(labs: Labs) -> None:
    lab_a = labs.add("lab-a")

    async def run() -> None:
        async with gateway_to_upstream(labs) as (gateway, upstream):
            upstream.released.set()
            with gateway.followed():
                lab_b = labs.add("lab-b", in_flight=1)
            assert await status_of(lab_b, gateway.address) is grpc.StatusCode.OK
            whole = (labs.gateway / "caps.conf").read_text()
            for name in ("caps.conf", "revoked.pem", "server.key"):
                before = (labs.gateway / name).read_bytes()
                with gateway.followed(kept=True):
                    (labs.gateway / name).write_bytes(before[: len(before) // 2])
                assert await status_of(lab_b, gateway.address) is grpc.StatusCode.OK
                (labs.gateway / name).write_bytes(before)
            assert (labs.gateway / "caps.conf").read_text() == whole
            with gateway.followed():
                labs.revoke("lab-b")
            assert await status_of(lab_b, gateway.address) is grpc.StatusCode.UNAUTHENTICATED
            assert await status_of(lab_a, gateway.address) is grpc.StatusCode.OK

    asyncio.run(run())


def test_a_renewed_lab_s_certificates_share_a_cap_until_it_is_revoked(
    labs: Labs, tmp_path: Path
) -> None:
    old = labs.copied(labs.add("lab-a", in_flight=1), tmp_path / "handed-over")
    other = labs.add("lab-b")

    async def run() -> None:
        async with (
            gateway_to_upstream(labs) as (gateway, upstream),
            old.channel(gateway.address) as before,
        ):
            held = before.unary_unary(INFER)(LARGE)
            await upstream.has(in_flight=1)
            new = labs.renew("lab-a")
            assert await status_of(new, gateway.address) is grpc.StatusCode.UNAVAILABLE
            upstream.released.set()
            await held
            for credentials in (old, new):
                assert await status_of(credentials, gateway.address) is grpc.StatusCode.OK
            with gateway.followed():
                labs.revoke("lab-a")
            for credentials in (old, new):
                status = await status_of(credentials, gateway.address)
                assert status is grpc.StatusCode.UNAUTHENTICATED
            assert await status_of(other, gateway.address) is grpc.StatusCode.OK

    asyncio.run(run())


def test_a_certificate_that_is_not_listed_has_no_cap_and_is_refused(labs: Labs) -> None:
    lab, listed = labs.add("lab-a"), labs.add("lab-b")

    async def run() -> None:
        async with gateway_to_upstream(labs) as (gateway, upstream):
            upstream.released.set()
            assert await status_of(lab, gateway.address) is grpc.StatusCode.OK
            caps = labs.gateway / "caps.conf"
            with gateway.followed():
                caps.write_text(caps.read_text().replace('    "lab-a" yes;\n', ""))
            assert await status_of(lab, gateway.address) is grpc.StatusCode.UNAUTHENTICATED
            assert await status_of(listed, gateway.address) is grpc.StatusCode.OK
            assert upstream.answered == 2

    asyncio.run(run())


def test_the_log_has_a_json_object_a_request(labs: Labs) -> None:
    lab = labs.add("lab-a")

    async def run() -> tuple[str, list[dict[str, object]]]:
        # Two processes may write their lines in another order than they answered in.
        async with gateway_to_upstream(labs, processes=1) as (gateway, upstream):
            upstream.released.set()
            await status_of(lab, gateway.address, request=LARGE)
            await status_of(lab, gateway.address, method=f"{SERVICE}TraceSetting")
            await status_of(lab, gateway.address, method=f'{SERVICE}"}}quoted')
            await status_of(labs.without_certificate(), gateway.address)
            async with asyncio.timeout(5):
                while len(lines := gateway.access_log.read_text().splitlines()) < 4:
                    await asyncio.sleep(0.02)
            return upstream.address, [json.loads(line) for line in lines]

    address, (infer, trace, quoted, stranger) = asyncio.run(run())
    keys = "time lab call status grpc_status bytes_in bytes_out seconds upstream"
    assert list(infer) == keys.split()
    assert infer["lab"] == trace["lab"] == quoted["lab"] == "lab-a"
    assert stranger["lab"] == ""
    assert [infer["call"], trace["call"], quoted["call"]] == ["ModelInfer", "TraceSetting", ""]
    statuses = [line["grpc_status"] for line in (infer, trace, quoted, stranger)]
    assert statuses == ["0", "7", "7", "16"]
    assert [infer["upstream"], trace["upstream"], stranger["upstream"]] == [address, "", ""]
    assert len(LARGE) < int(str(infer["bytes_in"])) < len(LARGE) + 10_000
    assert 0 < float(str(infer["seconds"])) < 20
    assert infer["status"] == 200
    assert datetime.fromisoformat(str(infer["time"])).tzinfo is not None


def test_a_log_that_is_large_is_put_aside(labs: Labs) -> None:
    lab = labs.add("lab-a")

    async def run() -> None:
        async with gateway_to_upstream(labs, log_rotate_mb=1) as (gateway, upstream):
            upstream.released.set()
            aside = [gateway.access_log.with_name(f"access.jsonl.{number}") for number in (1, 2)]
            for _ in range(2):
                with gateway.access_log.open("a") as log:
                    log.write("x" * 2**20 + "\n")
                    large = os.fstat(log.fileno()).st_ino
                async with asyncio.timeout(30):
                    while not gateway.access_log.exists() or _is(gateway.access_log, large):
                        await asyncio.sleep(0.02)
                    while _holds(gateway, aside[0]):  # nginx's processes open it one by one
                        await asyncio.sleep(0.02)
                    await status_of(lab, gateway.address)
                    while not (lines := gateway.access_log.read_text()).endswith("\n"):
                        await asyncio.sleep(0.02)  # written after the answer
            assert json.loads(lines)["call"] == "ModelInfer"
            assert [path.read_text().count("ModelInfer") for path in aside] == [1, 0]

    asyncio.run(run())


def _is(path: Path, inode: int) -> bool:
    return path.stat().st_ino == inode


def _holds(gateway: RunningGateway, path: Path) -> bool:
    """Whether a process of nginx has the file open."""
    opened = (file for pid in gateway.pids() for file in Path(f"/proc/{pid}/fd").iterdir())
    return any(file.resolve() == path for file in opened)


@pytest.mark.faults
def test_an_upload_that_stands_still_for_a_while_is_no_error(labs: Labs) -> None:
    lab, other = labs.add("lab-a", in_flight=1), labs.add("lab-b")

    async def run() -> None:
        async with gateway_to_upstream(labs) as (gateway, upstream):
            upstream.released.set()
            with tls(gateway.address, lab) as connection:
                message = b"\0" + len(LARGE).to_bytes(4, "big") + LARGE
                connection.sendall(opening() + request_head(1, INFER))
                connection.sendall(frame(DATA, 1, message[:10_000]))
                await asyncio.sleep(65)  # longer than nginx waits by itself
                assert await status_of(lab, gateway.address) is grpc.StatusCode.UNAVAILABLE
                assert await status_of(other, gateway.address) is grpc.StatusCode.OK
                connection.settimeout(0.5)
                assert frame_kinds(read_all(connection)).isdisjoint({RST_STREAM, GOAWAY})
            async with asyncio.timeout(5):
                while await status_of(lab, gateway.address) is not grpc.StatusCode.OK:
                    await asyncio.sleep(0.05)

    asyncio.run(run())


def test_what_cannot_work_is_said_at_the_start(labs: Labs, tmp_path: Path) -> None:
    with (
        pytest.raises(ServerStartError, match="i3d labs init"),
        running_gateway(labs_gateway=tmp_path / "none", triton_servers=["127.0.0.1:1"]),
    ):
        pass
    for servers in ([], ["127.0.0.1:1;"], ["127.0.0.1:1 max_fails=0"]):
        with (
            pytest.raises(ServerStartError, match="TRITON_SERVERS"),
            running_gateway(labs_gateway=labs.gateway, triton_servers=servers),
        ):
            pass
