"""The connection to a Triton server: models, contracts, inference.

The one place where the wire's errors become ours. Uses calls that a lab's gateway allows
(health, metadata, configuration, statistics and inference), and those of system shared memory where
the server is on this host.

The protocol is the one that ``tritonclient`` generates (KServe v2 with Triton's extensions), but
an inference request is put together here, as bytes: a protobuf message may be written in parts,
so the frames are copied once into the request behind its serialised head. tritonclient's own
``InferInput`` copies them four times while it holds the interpreter's lock, which stalls the
decoder: 28.7 ms of processor time for a request of 9.6 MB, against 5.6 ms.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from grpc.aio import AioRpcError
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2 as protocol
from tritonclient.grpc.service_pb2_grpc import GRPCInferenceServiceStub

from i3d_client.access import Access, host_and_port
from i3d_client.contract import (
    BUILD_PARAMETER,
    INPUT_FRAMES,
    PARAMETER,
    ModelContract,
)
from i3d_client.credentials import read_credentials
from i3d_client.errors import (
    AccessDeniedError,
    ContractError,
    ModelNotFoundError,
    ModelNotReadyError,
    RegionUnknownError,
    RequestRejectedError,
    ServerError,
    ServerUnavailableError,
)
from i3d_client.printable import printable
from i3d_client.priority import LEVELS, Priority
from i3d_client.tls_probe import why_refused
from i3d_client.trace import NO_TRACE, Recorder

_CALL_TIMEOUT_S = 10.0
_INFER_TIMEOUT_S = 600.0
_LENGTH_DELIMITED = 2  # protobuf's wire type of bytes
_INFER_METHOD = "/inference.GRPCInferenceService/ModelInfer"
_RESTRICTED = "This protocol is restricted"  # Triton's, with the status UNAVAILABLE
_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 1000),
    ("grpc.max_reconnect_backoff_ms", 5000),
]
# What has a status that would end the run, and passes all the same: the process that runs a model
# has died (Triton starts it again); another client's request, with an impossible batch size, has
# spoiled the batch that ours was in; a stream was ended in the middle of the answer.
_PASSES = re.compile(
    r"[Ss]tub process .*is not healthy"
    r"|batch size \d+ for .*max allowed is"
    r"|RST_STREAM"
)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a segment lies in system shared memory: a region, and bytes from its start."""

    region: str
    offset: int


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as the server describes it.

    Attributes:
        name, version: as in the repository.
        ready: whether it answers now.
        contract: None for a model that was not exported by this project.
        engine: ``tensorrt``, ``openvino``, or Triton's own name of another backend.
        build: checksums and versions of what was built; empty if the server does not say.
    """

    name: str
    version: str
    ready: bool
    contract: ModelContract | None
    engine: str
    build: dict[str, Any]

    @property
    def precision(self) -> str:
        """``fp32``, ``fp16``, ``int8``, or ``?`` if the server does not say."""
        return str(self.build.get("precision", "?"))


class Connection:
    """One gRPC connection; an async context manager. Use one in a process and share it.

    Args:
        access: how to reach it; ``HOST:PORT`` is a Triton's gRPC endpoint, without TLS.
        recorder: of when a segment was sent and when it was answered.

    Raises:
        I3dError: the address is none.
        CredentialsError: the credentials' files cannot be used.
    """

    def __init__(self, access: Access | str, recorder: Recorder = NO_TRACE) -> None:
        self.access = Access(server=access) if isinstance(access, str) else access
        host_and_port(self.access.server)
        self._recorder = recorder
        self._channel = _channel(self.access)
        self._stub = GRPCInferenceServiceStub(self._channel)
        self._infer = self._channel.unary_unary(
            _INFER_METHOD,
            request_serializer=None,
            response_deserializer=protocol.ModelInferResponse.FromString,
        )

    @property
    def server(self) -> str:
        """``HOST:PORT``."""
        return self.access.server

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._channel.close()

    async def model_names(self) -> list[str]:
        """Return the names of the models that the server serves, sorted.

        Raises:
            ServerUnavailableError: no server answers.
        """
        try:
            statistics = await self._stub.ModelStatistics(
                protocol.ModelStatisticsRequest(), timeout=_CALL_TIMEOUT_S
            )
        except AioRpcError as error:
            raise await self._translate(error) from error
        return sorted({entry.name for entry in statistics.model_stats})

    async def model(self, name: str) -> Model:
        """Describe one model.

        Raises:
            ModelNotFoundError: names the models there are.
            ContractError: the model's contract cannot be used.
            ServerUnavailableError: no server answers.
        """
        try:
            ready = await self._stub.ModelReady(
                protocol.ModelReadyRequest(name=name), timeout=_CALL_TIMEOUT_S
            )
            answer = await self._stub.ModelConfig(
                protocol.ModelConfigRequest(name=name), timeout=_CALL_TIMEOUT_S
            )
            metadata = await self._stub.ModelMetadata(
                protocol.ModelMetadataRequest(name=name), timeout=_CALL_TIMEOUT_S
            )
        except AioRpcError as error:
            raise await self._unknown_model(name, error) from error
        config = answer.config
        parameters = {key: value.string_value for key, value in config.parameters.items()}
        try:
            contract = (
                ModelContract.from_json(parameters[PARAMETER]) if PARAMETER in parameters else None
            )
        except ContractError as error:
            raise ContractError(f"model {name} at {self.server}: {error}") from error
        return Model(
            name=name,
            version=max(metadata.versions, key=_as_number, default=""),
            ready=ready.ready,
            contract=contract,
            engine=_engine(config.platform, config.backend),
            build=json.loads(parameters.get(BUILD_PARAMETER, "{}")),
        )

    async def choose_model(self, name: str | None) -> tuple[Model, ModelContract]:
        """Return the model of that name, or the only one there is, with its contract.

        Raises:
            ModelNotFoundError: no such model; or no name was given and there is not exactly one.
            ModelNotReadyError: it cannot answer now.
            ContractError: it carries no contract, so it is not one of this project's.
        """
        if name is None:
            names = await self.model_names()
            if len(names) != 1:
                listed = ", ".join(names) or "none"
                raise ModelNotFoundError(
                    f"{self.server} serves {len(names)} models ({listed}): choose one with --model"
                )
            name = names[0]
        model = await self.model(name)
        if not model.ready:
            raise ModelNotReadyError(
                f"model {name} at {self.server} is not ready: see the server's log"
            )
        if model.contract is None:
            raise ContractError(
                f"model {name} at {self.server} carries no contract (parameter {PARAMETER!r}): "
                "export it with `i3d export`"
            )
        return model, model.contract

    async def infer(
        self,
        model: str,
        frames: NDArray[np.uint8],
        *,
        outputs: Sequence[str],
        placed: Placed | None = None,
        priority: Priority | None = None,
        timeout_s: float = _INFER_TIMEOUT_S,
    ) -> dict[str, NDArray[np.float32]]:
        """Send one segment.

        Args:
            model: its name.
            frames: (S, height, width, channels), uint8.
            outputs: names of the outputs to send back.
            placed: where the server finds ``frames`` in shared memory; None sends them.
            priority: before which other requests it is answered; None leaves that to the model.
            timeout_s: without an answer by then, the server counts as not available.

        Returns:
            For each output (N, …) float32, as ``DESIGN`` of the contract says: probabilities
            (N, classes), features (N, 1024).

        Raises:
            ServerUnavailableError: may succeed later.
            RequestRejectedError, AccessDeniedError: will not.
            RegionUnknownError: the server does not know the shared memory (any more).
        """
        begun_ns = time.monotonic_ns()
        request = _request_bytes(model, frames, outputs, placed, priority)
        call = self._infer(request, timeout=timeout_s)
        sent_ns = time.monotonic_ns()
        try:
            answer = await call
        except AioRpcError as error:
            asked = model if priority is None else f"{model}, --priority {priority}"
            raise await self._translate(error, where=f"model {asked}: ") from error
        finally:
            self._recorder.add("send", begun_ns, sent_ns)
            self._recorder.add("infer", sent_ns, time.monotonic_ns())
        names = (output.name for output in answer.outputs)
        received = dict(zip(names, answer.raw_output_contents, strict=False))
        shapes = {output.name: tuple(output.shape) for output in answer.outputs}
        return {
            name: self._output(model, name, shapes.get(name), received.get(name))
            for name in outputs
        }

    async def register_region(self, name: str, num_bytes: int) -> None:
        """Let the server map the shared memory ``/dev/shm/<name>``.

        Raises:
            ServerUnavailableError: no server answers.
            RequestRejectedError: it cannot: another host, another user, or not allowed.
        """
        request = protocol.SystemSharedMemoryRegisterRequest(
            name=name, key=f"/{name}", offset=0, byte_size=num_bytes
        )
        try:
            await self._stub.SystemSharedMemoryRegister(request, timeout=_CALL_TIMEOUT_S)
        except AioRpcError as error:
            raise await self._translate(error) from error

    async def unregister_region(self, name: str) -> None:
        """Let the server forget a region, if it knows it.

        Raises:
            ServerError: no server answers, or it does not allow this.
        """
        request = protocol.SystemSharedMemoryUnregisterRequest(name=name)
        try:
            await self._stub.SystemSharedMemoryUnregister(request, timeout=_CALL_TIMEOUT_S)
        except AioRpcError as error:
            raise await self._translate(error) from error

    async def registered_regions(self) -> dict[str, str]:
        """Return the keys of the regions that the server has mapped, by their names.

        Raises:
            ServerError: no server answers, or it does not allow this.
        """
        request = protocol.SystemSharedMemoryStatusRequest()
        try:
            answer = await self._stub.SystemSharedMemoryStatus(request, timeout=_CALL_TIMEOUT_S)
        except AioRpcError as error:
            raise await self._translate(error) from error
        return {name: region.key for name, region in answer.regions.items()}

    def _output(
        self, model: str, name: str, shape: tuple[int, ...] | None, content: bytes | None
    ) -> NDArray[np.float32]:
        """Read one output of one segment: (N, …)."""
        values = np.frombuffer(content or b"", np.float32)
        if shape is None or len(shape) < 2 or shape[0] != 1 or values.size != math.prod(shape):
            raise RequestRejectedError(
                f"model {model} at {self.server}: output {name}: expected float32 of one segment, "
                f"got {values.size} numbers of shape {shape}. The server's Python backend may not "
                "match its numpy: start it with `i3d serve`"
            )
        return values.reshape(shape[1:])

    async def _unknown_model(self, name: str, error: AioRpcError) -> ServerError:
        translated = await self._translate(error, where=f"model {name}: ")
        if not isinstance(translated, RequestRejectedError):
            return translated
        listed = ", ".join(await self.model_names()) or "none"
        return ModelNotFoundError(
            f"{self.server} has no model {name!r} that is ready; it serves: {listed}"
        )

    async def _translate(self, error: AioRpcError, *, where: str = "") -> ServerError:
        """Map a gRPC status to an error of ours."""
        code, message = error.code().name, error.details() or ""
        if code == "UNAVAILABLE" and "connect" in message.lower():
            refused = await why_refused(self.access)
            return (
                ServerUnavailableError(self._nobody())
                if refused is None
                else (AccessDeniedError(refused))
            )
        text = f"{self.server}: {where}{message} ({code})"
        if code == "UNAUTHENTICATED":
            return AccessDeniedError(f"{text}: {self._not_taken()}")
        if code == "PERMISSION_DENIED" or _RESTRICTED in message:
            return AccessDeniedError(
                f"{text}: the server does not allow this call, or not with this certificate. Ask "
                "whoever runs it"
            )
        if code in {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "CANCELLED"}:
            return ServerUnavailableError(text)
        if _PASSES.search(message):
            return ServerUnavailableError(text)
        if "shared memory region" in message and "find" in message:
            return RegionUnknownError(text)
        return RequestRejectedError(text)

    def _nobody(self) -> str:
        if self.access.credentials is None:
            return (
                f"no server answers at {self.server}. Start one with `i3d serve`, name another "
                "with --server HOST:PORT (or I3D_SERVER), or use --embedded"
            )
        return (
            f"no server answers at {self.server}. Ask whoever runs the lab server whether it is up "
            "(`i3d server status`), or name another with --server HOST:PORT (or I3D_SERVER)"
        )

    def _not_taken(self) -> str:
        if self.access.credentials is None:
            return (
                "it wants a certificate: name the folder that whoever runs it handed over, with "
                "--credentials FOLDER (or I3D_CREDENTIALS)"
            )
        return (
            f"it does not take the certificate in {printable(self.access.credentials.folder)}, "
            "which may be revoked, expired or another lab server's. Ask whoever runs the server "
            "(`i3d labs list`)"
        )


def _channel(access: Access) -> grpc.aio.Channel:
    if access.credentials is None:
        return grpc.aio.insecure_channel(access.server, options=_CHANNEL_OPTIONS)
    pem = read_credentials(access.credentials)
    credentials = grpc.ssl_channel_credentials(
        root_certificates=pem.ca, private_key=pem.key, certificate_chain=pem.certificate
    )
    return grpc.aio.secure_channel(access.server, credentials, options=_CHANNEL_OPTIONS)


def _request_bytes(
    model: str,
    frames: NDArray[np.uint8],
    outputs: Sequence[str],
    placed: Placed | None,
    priority: Priority | None = None,
) -> bytes:
    """Serialise a ``ModelInferRequest``: its head, then the field that holds the frames.

    A serialised message may be continued with more of its fields (protobuf encoding, "Message
    structure"), here ``raw_input_contents``: its tag, the length as a varint, the bytes.
    """
    head = protocol.ModelInferRequest(model_name=model)
    if priority is not None:
        head.parameters["priority"].uint64_param = LEVELS[priority]
    tensor = head.inputs.add(name=INPUT_FRAMES, datatype="UINT8", shape=[1, *frames.shape])
    for name in outputs:
        head.outputs.add(name=name)
    if placed is not None:
        tensor.parameters["shared_memory_region"].string_param = placed.region
        tensor.parameters["shared_memory_byte_size"].int64_param = frames.nbytes
        tensor.parameters["shared_memory_offset"].int64_param = placed.offset
        serialised: bytes = head.SerializeToString()
        return serialised
    tag = protocol.ModelInferRequest.RAW_INPUT_CONTENTS_FIELD_NUMBER << 3 | _LENGTH_DELIMITED
    content = np.ascontiguousarray(frames).data.cast("B")
    length = bytearray()
    rest = frames.nbytes
    while rest > 0x7F:
        length.append(rest & 0x7F | 0x80)
        rest >>= 7
    length.append(rest)
    return b"".join((head.SerializeToString(), bytes([tag]), length, content))


def _engine(platform: str, backend: str) -> str:
    if platform == "tensorrt_plan" or backend == "tensorrt":
        return "tensorrt"
    return "openvino" if backend == "openvino_cpu" else backend or platform


def _as_number(version: str) -> int:
    return int(version) if version.isdigit() else 0
