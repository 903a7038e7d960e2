"""A server that speaks Triton's protocol and misbehaves: what Triton cannot be made to do."""

import contextlib
from collections.abc import Iterator, Sequence
from concurrent import futures

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from i3d_client.contract import FEATURE_SIZE, ModelContract


class _Faulty(service_pb2_grpc.GRPCInferenceServiceServicer):
    def __init__(
        self,
        contract: ModelContract,
        *,
        ready: bool,
        shape: tuple[int, ...] | None,
        features: tuple[int, ...] | None,
        carries: bool,
        changes_after: int | None,
        priorities: list[int],
        refusals: Sequence[grpc.StatusCode],
        refusal: str,
    ) -> None:
        self.priorities = priorities
        self.refusals = list(refusals)
        self.refusal = refusal
        self.left = changes_after
        self.contract = contract
        self.ready = ready
        self.carries = carries
        windows = contract.windows_per_segment
        self.shapes = {
            "PROBABILITIES": shape or (1, windows, len(contract.labels)),
            "FEATURES": features or (1, windows, FEATURE_SIZE),
        }

    def ModelStatistics(  # noqa: N802 - the protocol's names
        self, _request: object, _context: object
    ) -> service_pb2.ModelStatisticsResponse:
        statistics = service_pb2.ModelStatistics(name="faulty", version="1")
        return service_pb2.ModelStatisticsResponse(model_stats=[statistics])

    def ModelReady(  # noqa: N802
        self, _request: object, _context: object
    ) -> service_pb2.ModelReadyResponse:
        return service_pb2.ModelReadyResponse(ready=self.ready)

    def ModelMetadata(  # noqa: N802
        self, _request: object, _context: object
    ) -> service_pb2.ModelMetadataResponse:
        return service_pb2.ModelMetadataResponse(name="faulty", versions=["1"])

    def ModelConfig(  # noqa: N802
        self, _request: object, _context: object
    ) -> service_pb2.ModelConfigResponse:
        response = service_pb2.ModelConfigResponse()
        response.config.name = "faulty"
        if self.carries:
            response.config.parameters["i3d"].string_value = self.contract.to_json()
        if self.left is not None and self.left <= 0:
            response.config.parameters["i3d_build"].string_value = '{"graph":"another"}'
        return response

    def ModelInfer(  # noqa: N802
        self, request: service_pb2.ModelInferRequest, context: grpc.ServicerContext
    ) -> service_pb2.ModelInferResponse:
        self.priorities.append(request.parameters["priority"].uint64_param)
        if self.refusals:
            context.abort(self.refusals.pop(0), self.refusal)
        if self.left is not None:
            self.left -= 1
        response = service_pb2.ModelInferResponse(model_name="faulty", model_version="1")
        for output in request.outputs:
            values = np.zeros(self.shapes[output.name], np.float32)
            response.outputs.add(name=output.name, datatype="FP32", shape=values.shape)
            response.raw_output_contents.append(values.tobytes())
        return response


@contextlib.contextmanager
def fault_server(
    contract: ModelContract,
    *,
    ready: bool = True,
    shape: tuple[int, ...] | None = None,
    features: tuple[int, ...] | None = None,
    carries: bool = True,
    changes_after: int | None = None,
    credentials: grpc.ServerCredentials | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    priorities: list[int] | None = None,
    refusals: Sequence[grpc.StatusCode] = (),
    refusal: str = "because of the test",
) -> Iterator[str]:
    """Serve one model, ``faulty``; yield ``HOST:PORT``.

    Args:
        contract: the model's.
        ready: what it says of itself.
        shape: of the probabilities it answers; None for the right one.
        features: the shape of the features it answers; None for the right one.
        carries: whether its configuration has the contract.
        changes_after: requests after which it is another model; None is never.
        credentials: for TLS; None serves plain text.
        host, port: to listen at; 0 is a free one.
        priorities: gets that of every request, 0 if it has none.
        refusals: statuses of the first requests.
        refusal: the message with them.
    """
    server = grpc.server(futures.ThreadPoolExecutor(4))
    faulty = _Faulty(
        contract,
        ready=ready,
        shape=shape,
        features=features,
        carries=carries,
        changes_after=changes_after,
        priorities=[] if priorities is None else priorities,
        refusals=refusals,
        refusal=refusal,
    )
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(faulty, server)
    address = f"{host}:{port}"
    if credentials is None:
        port = server.add_insecure_port(address)
    else:
        port = server.add_secure_port(address, credentials)
    server.start()
    try:
        yield f"{host}:{port}"
    finally:
        server.stop(None)
