"""Through TLS: answers, what is refused and never tried again, and what is waited for."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
from tests.client.conftest import NUMBER_MODELS
from tests.client.fault_server import fault_server
from tests.client.runs import I3D, classify, free_port, i3d_classify, tables
from tests.conftest import MakeVideo

import i3d_client
from i3d_bench.number_network import write_number_model
from i3d_client.access import Access
from i3d_client.credentials import find_credentials
from i3d_client.errors import AccessDeniedError, ServerUnavailableError
from i3d_client.inference import Inference
from i3d_client.priority import Priority
from i3d_client.segments import Buffers, Segment, cut_segments
from i3d_client.triton import Connection
from i3d_server.errors import ServerStartError
from i3d_server.gateway import running_gateway
from i3d_server.labs import add_lab, init_labs, revoke_lab
from i3d_server.launcher import embedded_server

CONTRACT = NUMBER_MODELS["overlapping"]
GIVE_UP_AFTER_S = 600.0
PATIENCE_S = 20.0  # far less than a client that tries again would take


@dataclass(frozen=True)
class LabServer:
    """A labs' folder with one lab, and what a server and that lab make of it."""

    labs: Path

    @property
    def folder(self) -> Path:
        return self.labs / "mice"

    @property
    def gateway(self) -> Path:
        return self.labs / "gateway"

    def credentials(self, *, labs_of: "LabServer | None" = None) -> grpc.ServerCredentials:
        """Of a server for this server's labs, or for those of another one alone."""
        key, certificate = (
            (self.gateway / name).read_bytes() for name in ("server.key", "server.crt")
        )
        ca = ((labs_of or self).gateway / "ca.crt").read_bytes()
        return grpc.ssl_server_credentials([(key, certificate)], ca, require_client_auth=True)

    def access(self, server: str) -> Access:
        return Access(server=server, credentials=find_credentials(self.folder))


@pytest.fixture
def lab_server(tmp_path: Path) -> LabServer:
    return make_lab_server(tmp_path / "labs")


@pytest.fixture
def other(tmp_path: Path) -> LabServer:
    return make_lab_server(tmp_path / "other_labs")


def make_lab_server(labs: Path) -> LabServer:
    init_labs(labs=labs)
    add_lab(name="mice", labs=labs)
    return LabServer(labs)


def names(access: Access | str) -> list[str]:
    async def ask() -> list[str]:
        async with Connection(access) as connection:
            return await connection.model_names()

    begun = time.monotonic()
    try:
        return asyncio.run(ask())
    finally:
        assert time.monotonic() - begun < PATIENCE_S


def test_a_video_through_tls_has_the_same_results(
    make_video: MakeVideo, lab_server: LabServer, tmp_path: Path
) -> None:
    video, out = make_video(200), tmp_path / "out"
    with fault_server(CONTRACT) as address:
        plain = classify([video], server=address, model="faulty", out=tmp_path / "plain")
    with fault_server(CONTRACT, credentials=lab_server.credentials()) as address:
        where = ["--server", address, "--credentials", lab_server.folder]
        done = i3d_classify(video, *where, "--workers", 2, "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"frames go to {address} by gRPC through TLS" in done.stderr
    assert not plain.problems
    assert tables(out) == tables(tmp_path / "plain")
    text = (out / "numbered.mp4/run.json").read_text()
    assert json.loads(text)["options"]["credentials"] == str(lab_server.folder)
    secret = (lab_server.folder / "client.key").read_text().splitlines()[1]
    assert secret not in text + done.stdout + done.stderr
    again = i3d_classify(video, "--server", address, "--out", out)  # it is done: nothing is asked
    assert again.returncode == 1  # but the server is gone
    assert "no server answers" in again.stderr


def test_the_lab_server_of_the_environment_and_of_python(
    make_video: MakeVideo, lab_server: LabServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = make_video(40)
    with fault_server(CONTRACT, credentials=lab_server.credentials()) as address:
        (lab_server.folder / "client.toml").write_text(f'server = "{address}"')

        async def count() -> int:
            windows = i3d_client.stream(video, credentials=lab_server.folder)
            return len([window async for window in windows])

        monkeypatch.delenv("I3D_SERVER", raising=False)
        assert asyncio.run(count()) == 7
        monkeypatch.setenv("I3D_CREDENTIALS", str(lab_server.folder))
        done = i3d_classify(video, "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        refused = i3d_classify(video, "--out", tmp_path / "out", "--embedded", "--credentials", "x")
        assert "leave --server and --credentials out" in refused.stderr


def test_a_server_of_another_authority_is_refused(lab_server: LabServer, other: LabServer) -> None:
    with (
        fault_server(CONTRACT, credentials=lab_server.credentials()) as address,
        pytest.raises(AccessDeniedError, match=r"its certificate is not taken.*fingerprint"),
    ):
        names(other.access(address))


def test_a_server_that_refuses_a_certificate_and_says_nothing(
    lab_server: LabServer, other: LabServer
) -> None:
    """As gRPC's own servers do: they close the connection."""
    refusing = lab_server.credentials(labs_of=other)
    with (
        fault_server(CONTRACT, credentials=refusing) as address,
        pytest.raises(AccessDeniedError, match=r"does not take the certificate in .*/mice"),
    ):
        names(lab_server.access(address))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_says_why_it_refuses_is_quoted(
    lab_server: LabServer, version: ssl.TLSVersion
) -> None:
    revoke_lab(name="mice", labs=lab_server.labs)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(lab_server.gateway / "server.crt", lab_server.gateway / "server.key")
    context.load_verify_locations(lab_server.gateway / "ca.crt")
    context.load_verify_locations(lab_server.gateway / "revoked.pem")
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    with (
        tls_server(context) as address,
        pytest.raises(AccessDeniedError, match="CERTIFICATE_REVOKED"),
    ):
        names(lab_server.access(address))


@contextlib.contextmanager
def tls_server(context: ssl.SSLContext) -> Iterator[str]:
    """Shake hands with whoever comes, and no more."""

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), connection:
                context.wrap_socket(connection, server_side=True).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_a_server_under_a_name_that_is_not_in_its_certificate(lab_server: LabServer) -> None:
    with (
        fault_server(CONTRACT, credentials=lab_server.credentials(), host="127.0.0.2") as address,
        pytest.raises(AccessDeniedError, match=r"127\.0\.0\.2.*i3d labs init --host"),
    ):
        names(lab_server.access(address))


def test_plain_text_to_tls_and_tls_to_plain_text(lab_server: LabServer) -> None:
    with (
        fault_server(CONTRACT, credentials=lab_server.credentials()) as address,
        pytest.raises(AccessDeniedError, match=r"speaks TLS.*--credentials FOLDER"),
    ):
        names(address)
    with (
        fault_server(CONTRACT) as address,
        pytest.raises(AccessDeniedError, match=r"does not speak TLS.*leave the credentials out"),
    ):
        names(lab_server.access(address))


def test_a_refusal_is_one_message(lab_server: LabServer, other: LabServer) -> None:
    with fault_server(CONTRACT, credentials=lab_server.credentials()) as address:
        where = ["--server", address, "--credentials", str(other.folder)]
        done = subprocess.run([*I3D, "models", *where], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"error: .* its certificate is not taken: .*\n", done.stderr), done.stderr


def test_nobody_and_a_server_that_says_nothing_may_come_back(lab_server: LabServer) -> None:
    with pytest.raises(ServerUnavailableError, match="no server answers"):
        names(lab_server.access(f"127.0.0.1:{free_port()}"))
    with closing_server() as address:
        for access in (lab_server.access(address), Access(server=address)):
            with pytest.raises(ServerUnavailableError, match="no server answers"):
                names(access)


@contextlib.contextmanager
def closing_server() -> Iterator[str]:
    """Accept and close, as a container's port does while what it leads to is restarting."""

    def serve() -> None:
        while True:
            try:
                listener.accept()[0].close()
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def one_segment() -> Segment:
    """A segment whose frames say nothing."""
    frames = range(CONTRACT.segment_frames)
    buffers = Buffers.for_segments(CONTRACT, 1)
    segments = cut_segments(frames, contract=CONTRACT, convert=lambda *_: None, buffers=buffers)
    return next(iter(segments))


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_server_that_restarts_is_waited_for_and_one_that_refuses_is_not(
    lab_server: LabServer, other: LabServer, comes_back: bool
) -> None:
    port = free_port()

    async def run() -> bool:
        segment = one_segment()
        with contextlib.ExitStack() as stack:
            first = fault_server(CONTRACT, credentials=lab_server.credentials(), port=port)
            stack.enter_context(first)
            async with Connection(lab_server.access(f"127.0.0.1:{port}")) as connection:
                model, _ = await connection.choose_model("faulty")
                inference = Inference(
                    connection, model, in_flight=1, give_up_after_s=GIVE_UP_AFTER_S
                )
                async with inference:
                    assert await inference.ask(segment) is not None
                    stack.close()
                    asking = asyncio.create_task(inference.ask(segment))
                    await asyncio.sleep(1)
                    assert not asking.done()
                    server = lab_server if comes_back else other
                    stack.enter_context(
                        fault_server(CONTRACT, credentials=server.credentials(), port=port)
                    )
                    async with asyncio.timeout(PATIENCE_S):
                        return await asking is not None

    if comes_back:
        assert asyncio.run(run())
    else:
        with pytest.raises(AccessDeniedError, match="its certificate is not taken"):
            asyncio.run(run())


def test_the_gateway_lets_a_lab_in_and_says_what_it_does_not_allow(
    make_video: MakeVideo, lab_server: LabServer, server: str, tmp_path: Path
) -> None:
    video = make_video(100)
    with contextlib.ExitStack() as stack:
        try:
            gateway = stack.enter_context(
                running_gateway(labs_gateway=lab_server.gateway, triton_servers=[server])
            )
        except ServerStartError as error:
            if "not installed" not in str(error):
                raise
            pytest.skip(str(error))
        access = lab_server.access(gateway.address)
        run = classify([video], server=access, model="overlapping", out=tmp_path / "through")
        assert not run.problems
        direct = classify([video], server=server, model="overlapping", out=tmp_path / "direct")
        assert not direct.problems
        assert tables(tmp_path / "through") == tables(tmp_path / "direct")

        async def register() -> None:
            async with Connection(access) as connection:
                await connection.register_region("x", 1)

        with pytest.raises(AccessDeniedError, match="PERMISSION_DENIED"):
            asyncio.run(register())
        with pytest.raises(AccessDeniedError, match="speaks TLS"):
            names(gateway.address)
        with gateway.followed():
            revoke_lab(name="mice", labs=lab_server.labs)
        with pytest.raises(AccessDeniedError, match=r"does not take the certificate in .*revoked"):
            names(access)


@pytest.mark.parametrize(
    "status", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED]
)
def test_a_call_that_is_denied_ends_the_run_and_keeps_what_is_done(
    make_video: MakeVideo, tmp_path: Path, status: grpc.StatusCode
) -> None:
    seen: list[int] = []
    with fault_server(CONTRACT, refusals=[status], priorities=seen) as address:
        where = ["--server", address, "--out", tmp_path / "out", "--workers", 1, "--in-flight", 1]
        done = i3d_classify(make_video(100), *where)
        assert done.returncode == 1
        assert f"({status.name}): " in done.stderr
        assert len(seen) == 1
        again = i3d_classify(make_video(100), *where)
    assert again.returncode == 0, again.stderr


def test_a_cap_that_is_reached_is_waited_for(make_video: MakeVideo, tmp_path: Path) -> None:
    full = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED]
    with fault_server(CONTRACT, refusals=full) as address:
        where = ["--server", address, "--out", tmp_path / "out", "--workers", 1]
        done = i3d_classify(make_video(100), *where)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "message",
    [
        "batch size 3 for 'kinetics400_int8', max allowed is 2",  # another lab's request spoiled it
        "Received RST_STREAM with error code 2",
    ],
)
def test_what_is_nobody_s_fault_is_asked_again(
    make_video: MakeVideo, tmp_path: Path, message: str
) -> None:
    seen: list[int] = []
    internal = [grpc.StatusCode.INTERNAL] * 2
    with fault_server(CONTRACT, refusals=internal, refusal=message, priorities=seen) as address:
        done = i3d_classify(make_video(100), "--server", address, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert len(seen) > len(internal)


def test_a_priority_that_the_server_refuses_is_named(make_video: MakeVideo, tmp_path: Path) -> None:
    with fault_server(CONTRACT, refusals=[grpc.StatusCode.INVALID_ARGUMENT]) as address:
        where = ["--server", address, "--out", tmp_path / "out", "--priority", "interactive"]
        done = i3d_classify(make_video(100), *where)
    assert done.returncode == 1
    assert "model faulty, --priority interactive: because of the test" in done.stderr


PRIORITIES: list[tuple[Priority | None, int]] = [(None, 0), ("interactive", 1), ("batch", 2)]


@pytest.mark.parametrize(("priority", "level"), PRIORITIES)
def test_the_priority_is_sent_if_it_was_given(
    make_video: MakeVideo, tmp_path: Path, priority: Priority | None, level: int
) -> None:
    video, out = make_video(100), tmp_path / "out"
    options = [] if priority is None else ["--priority", priority]
    seen: list[int] = []
    with fault_server(CONTRACT, priorities=seen) as address:
        done = i3d_classify(video, "--server", address, "--out", out, *options)
        assert done.returncode == 0, done.stderr
        assert set(seen) == {level}
        run = json.loads((out / "numbered.mp4/run.json").read_text())
        assert run["options"]["priority"] == priority
        assert "priority" not in json.dumps(run["identity"])
        asked = len(seen)
        again = i3d_classify(video, "--server", address, "--out", out, "--priority", "batch")
        assert again.returncode == 0, again.stderr
        assert "done before" in again.stdout
        assert len(seen) == asked


def test_triton_takes_both_priorities(tmp_path: Path) -> None:
    write_number_model(tmp_path, "levels", CONTRACT)
    for path in (tmp_path / "levels").rglob("*.pbtxt"):
        batching = "dynamic_batching {\n  priority_levels: 2\n  default_priority_level: 2"
        text, count = re.subn(r"dynamic_batching \{", batching, path.read_text())
        assert count == 1
        path.write_text(text)
    frames = np.zeros(CONTRACT.segment_shape, np.uint8)

    async def ask(address: str) -> list[np.ndarray]:
        async with Connection(address) as connection:
            return [
                (
                    await connection.infer(
                        "levels", frames, outputs=["PROBABILITIES"], priority=priority
                    )
                )["PROBABILITIES"]
                for priority, _ in PRIORITIES
            ]

    with embedded_server(repository=tmp_path) as address:
        answers = asyncio.run(ask(address))
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])
