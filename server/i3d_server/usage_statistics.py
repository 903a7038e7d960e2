"""What Triton's own statistics say about the mean request: its windows, and its device time.

Read from a server by gRPC, or from a file that holds the answer of ``GET /v2/models/stats``.

Device time is that of executions (``batch_stats``: input, inference and output of every batch),
not of requests: the times in ``inference_stats`` count a batch once for every request in it.
Executions of two instances may overlap on one device, so it is an upper bound of how long the
device was busy.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_client.contract import PARAMETER, ModelContract
from i3d_client.errors import InputError, ServerUnavailableError

_NS = 1e-9
_PHASES = ("compute_input", "compute_infer", "compute_output")
_TIMEOUT_S = 10.0


@dataclass(frozen=True, kw_only=True)
class MeanRequest:
    """The mean of all answered inference requests since Triton started.

    Attributes:
        requests: how many it is the mean of.
        windows: of a request; a request of two segments has those of both.
        device_seconds: of a request.
    """

    requests: int
    windows: float
    device_seconds: float


def mean_request_from_file(path: Path, *, repository: Path) -> MeanRequest:
    """Return the mean request by a file of statistics.

    Args:
        path: JSON, as ``GET /v2/models/stats`` of Triton answers.
        repository: the model repository, whose contracts say how many windows a segment has.

    Raises:
        InputError: the file is no such thing, or counts no answered request.
        RepositoryError: the configuration of a model that was used cannot be read.
        ContractError: it has no contract.
    """
    from i3d_server.repository_view import read_config

    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not Triton's statistics as JSON: {error}") from error

    def windows(model: str) -> int:
        config = read_config(repository / model / "config.pbtxt")
        return _windows_per_segment(model, config.parameters)

    return _mean_request(document, source=str(path), windows=windows)


def mean_request_from_server(address: str) -> MeanRequest:
    """Return the mean request by the statistics of the Triton at ``address``, "HOST:PORT".

    Raises:
        ServerUnavailableError: it does not answer.
        InputError: it has answered no request yet.
        ContractError: a model that was used has no contract.
    """
    from tritonclient.grpc import InferenceServerClient
    from tritonclient.utils import InferenceServerException

    try:
        with InferenceServerClient(address) as client:
            document = client.get_inference_statistics(as_json=True, client_timeout=_TIMEOUT_S)

            def windows(model: str) -> int:
                config = client.get_model_config(model, client_timeout=_TIMEOUT_S).config
                return _windows_per_segment(model, config.parameters)

            return _mean_request(document, source=address, windows=windows)
    except InferenceServerException as error:
        raise ServerUnavailableError(
            f"{address}: no statistics: {error.message()}. Expected HOST:PORT of Triton's gRPC, "
            "in the clear; through a gateway take --statistics FILE"
        ) from error


def _windows_per_segment(model: str, parameters: Mapping[str, Any]) -> int:
    text = parameters[PARAMETER].string_value if PARAMETER in parameters else ""
    if not text:
        raise InputError(
            f"{model}: its configuration has no contract (parameter {PARAMETER}), so windows "
            "cannot be estimated; leave out --statistics and --server"
        )
    return ModelContract.from_json(text).windows_per_segment


def _mean_request(document: Any, *, source: str, windows: Callable[[str], int]) -> MeanRequest:
    requests, all_windows, device_ns = 0, 0, 0
    try:
        for model in document["model_stats"]:
            answered = int(model.get("inference_stats", {}).get("success", {}).get("count", 0))
            if not answered:
                continue
            requests += answered
            all_windows += int(model.get("inference_count", 0)) * windows(model["name"])
            for batch in model.get("batch_stats", ()):
                device_ns += sum(int(batch.get(phase, {}).get("ns", 0)) for phase in _PHASES)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{source}: not Triton's statistics (expected model_stats, as GET /v2/models/stats "
            f"answers): {error!r}"
        ) from error
    if not requests:
        raise InputError(
            f"{source}: Triton has answered no request since it started, so nothing can be "
            "estimated; leave out --statistics and --server"
        )
    return MeanRequest(
        requests=requests,
        windows=all_windows / requests,
        device_seconds=device_ns * _NS / requests,
    )
