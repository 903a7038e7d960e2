"""What a client can see of a server: models, batch sizes, and how busy the device is.

Through a lab server's gateway only what it allows: metadata, configuration and statistics. What
cannot be seen is kept with the reason, and measuring goes on without it.

How busy the device is comes from the server's own count before and after:

- of an accelerator: the time of its executions (``batch_stats``, ``compute_infer``). Executions of
  two instances may overlap, so it is an upper bound, cut off at 1;
- of the simulated one: the windows that it has answered, times its set time;
- of the CPU engine: the processor time of the server's processes, where they run on this machine.
  Its statistics end when a request's segments are begun, and say nothing of how long they take.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tritonclient.grpc import InferenceServerClient
from tritonclient.utils import InferenceServerException

from i3d_bench.bench.errors import BenchError
from i3d_client.access import Access
from i3d_client.contract import ModelContract
from i3d_client.credentials import check_credentials
from i3d_client.errors import AccessDeniedError
from i3d_client.options import usable_cores
from i3d_client.triton import Connection, Model

_TIMEOUT_S = 10.0
_SECONDS_PER_WINDOW = "seconds_per_window"
_CPU_ENGINE = "openvino"


def open_client(access: Access) -> InferenceServerClient:
    """Return tritonclient's own client of a server."""
    credentials = access.credentials
    if credentials is None:
        return InferenceServerClient(access.server)
    check_credentials(credentials)
    return InferenceServerClient(
        access.server,
        ssl=True,
        root_certificates=str(credentials.ca),
        private_key=str(credentials.key),
        certificate_chain=str(credentials.certificate),
    )


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model of the bench.

    Attributes:
        precision: after the base in its name.
        model: as the server describes it.
        contract: of the model.
        max_batch_segments: that one request may carry.
        simulated_seconds_per_window: of a simulated accelerator; None for a real one.
    """

    precision: str
    model: Model
    contract: ModelContract
    max_batch_segments: int
    simulated_seconds_per_window: float | None

    @property
    def name(self) -> str:
        """On the server."""
        return self.model.name


async def find_models(
    connection: Connection, *, base: str | None, precisions: tuple[str, ...]
) -> tuple[str, list[tuple[str, Model, ModelContract]]]:
    """Return the base, and of each precision the model and its contract.

    Raises:
        BenchError: there is no such base or precision, or no only base; the message says which
            there are.
        ServerError: the server does not answer.
    """
    try:
        names = await connection.model_names()
    except AccessDeniedError as error:
        if base is None or not precisions:
            raise BenchError(
                f"the server does not say which models it has ({error}): name them, with "
                "--model-base and --precision"
            ) from error
        chosen = list(dict.fromkeys(precisions))
    else:
        base, chosen = _choose(names, base, precisions, server=connection.server)
    models = [(one, *await connection.choose_model(f"{base}_{one}")) for one in chosen]
    if len({contract for _, _, contract in models}) > 1:
        raise BenchError(f"the models of {base} have different contracts: export them again")
    return base, models


def _choose(
    names: Iterable[str], base: str | None, precisions: Sequence[str], *, server: str
) -> tuple[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        start, _, precision = name.rpartition("_")
        if start:
            found.setdefault(start, []).append(precision)
    listed = ", ".join(f"{start}_{{{','.join(ends)}}}" for start, ends in sorted(found.items()))
    if base is None and len(found) != 1:
        raise BenchError(f"{server} serves {listed or 'no model'}: choose one with --model-base")
    base = base or next(iter(found))
    there = sorted(found.get(base, []), key=_by_precision)
    missing = [precision for precision in precisions if precision not in there]
    if missing or not there:
        wanted = ", ".join(f"{base}_{precision}" for precision in missing) or f"{base}_…"
        raise BenchError(f"{server} has no model {wanted}; it serves {listed or 'none'}")
    return base, list(dict.fromkeys(precisions)) or there


def _by_precision(name: str) -> tuple[int, str]:
    order = ("fp32", "fp16", "bf16", "int8")
    return (order.index(name) if name in order else len(order), name)


class ServerView:
    """What can be seen of a server while the bench runs.

    Args:
        access: how to reach it.
        server_pid: of its supervisor, where the bench has started it.
    """

    def __init__(self, access: Access, *, server_pid: int | None) -> None:
        self.access = access
        self.could_not_see: list[str] = []
        self._server_pid = server_pid
        self._client = open_client(access)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def miss(self, what: str, reason: str) -> None:
        """Keep, once, that something cannot be seen."""
        said = f"{what}: {reason}"
        if said not in self.could_not_see:
            self.could_not_see.append(said)

    def is_live(self) -> bool:
        """Whether the server answers now."""
        try:
            return bool(self._client.is_server_live(client_timeout=_TIMEOUT_S))
        except InferenceServerException:
            return False

    def version(self) -> str | None:
        """Return the server's name and version."""
        with self._missing("version of the server"):
            answer = self._client.get_server_metadata(client_timeout=_TIMEOUT_S)
            return f"{answer.name} {answer.version}"
        return None

    def describe(self, precision: str, model: Model, contract: ModelContract) -> ServedModel:
        """Add what the model's configuration says; without one, requests carry one segment."""
        largest, simulated = 1, None
        with self._missing(f"{model.name}: configuration"):
            config = self._client.get_model_config(model.name, client_timeout=_TIMEOUT_S).config
            largest = max(1, int(config.max_batch_size))
            if _SECONDS_PER_WINDOW in config.parameters:
                simulated = float(config.parameters[_SECONDS_PER_WINDOW].string_value)
        return ServedModel(
            precision=precision,
            model=model,
            contract=contract,
            max_batch_segments=largest,
            simulated_seconds_per_window=simulated,
        )

    def device_seconds(self, served: ServedModel) -> float | None:
        """Return how long the device has been busy for this model so far; None: not to be seen.

        Of the CPU engine these are seconds of all usable cores together.
        """
        if served.model.engine == _CPU_ENGINE:
            if self._server_pid is None:
                self.miss(
                    f"{served.name}: how busy the device is",
                    "the CPU engine's statistics do not have it, and the server's processes are "
                    "not this bench's (--embedded)",
                )
                return None
            return processor_seconds(self._server_pid) / usable_cores()
        if served.simulated_seconds_per_window is None:
            return self.execution_seconds(served)
        statistics = self._statistics(served)
        if statistics is None:
            return None
        windows = int(statistics.inference_count) * served.contract.windows_per_segment
        return windows * served.simulated_seconds_per_window

    def counts_executions(self, served: ServedModel) -> bool:
        """Whether ``execution_seconds`` means anything."""
        return served.model.engine != _CPU_ENGINE and self._statistics(served) is not None

    def execution_seconds(self, served: ServedModel) -> float | None:
        """Return how long the model's executions have taken so far; None: not to be seen."""
        statistics = self._statistics(served)
        if statistics is None:
            return None
        return sum(int(batch.compute_infer.ns) for batch in statistics.batch_stats) / 1e9

    def segments_answered(self) -> int | None:
        """Return how many segments all models have answered so far; None: not to be seen."""
        with self._missing("requests of other clients during a run"):
            answer = self._client.get_inference_statistics(client_timeout=_TIMEOUT_S)
            return sum(int(one.inference_count) for one in answer.model_stats)
        return None

    def _statistics(self, served: ServedModel) -> Any:
        with self._missing(f"{served.name}: how busy the device is"):
            answer = self._client.get_inference_statistics(served.name, client_timeout=_TIMEOUT_S)
            (statistics,) = answer.model_stats
            return statistics
        return None

    @contextlib.contextmanager
    def _missing(self, what: str) -> Iterator[None]:
        try:
            yield
        except InferenceServerException as error:
            self.miss(what, f"the server refuses it ({error.message()})")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its descendants have used so far."""
    total = 0.0
    left = [pid]
    while left:
        process = left.pop()
        with contextlib.suppress(OSError, ValueError):
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            # utime, stime, and those of children that have ended (proc(5), fields 14 to 17).
            total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                left += map(int, children.read_text().split())
    return total
