"""Runs any configuration: the processes that do it, and what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from i3d_bench.bench.asynchronous import run_asynchronous
from i3d_bench.bench.clients import HeldProcess
from i3d_bench.bench.pipeline_run import Outcome, Run
from i3d_bench.bench.plan import Configuration
from i3d_bench.bench.server_view import ServedModel
from i3d_bench.bench.subject import Subject
from i3d_bench.bench.synchronous import run_parallel, run_synchronous
from i3d_bench.bench.tensorflow import prepare, run_tensorflow
from i3d_client.access import Access

# What a gateway takes unless its operator has set another bound (MAX_REQUEST_MB=64).
_REQUEST_BYTES = 60 * 10**6


class Runner:
    """Runs configurations; a context manager that keeps processes from one run to the next.

    Args:
        access: the server.
        models: by precision.
        batch: windows that a synchronous pipeline asks for at a time.
        variables: of the FP32 model, for TensorFlow; None if they are not here.
    """

    def __init__(
        self,
        access: Access,
        models: Mapping[str, ServedModel],
        *,
        batch: int,
        variables: Path | None,
    ) -> None:
        self._access = access
        self._models = models
        self._variables = variables
        contract = next(iter(models.values())).contract
        self._contract = contract
        self.batch_segments = max(1, batch // contract.windows_per_segment)
        self._stack = ExitStack()
        self._processes: dict[tuple[str, int], HeldProcess] = {}

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def run(
        self, configuration: Configuration, subjects: Sequence[Subject], *, traced: bool = False
    ) -> Outcome:
        """Run a configuration once.

        Raises:
            PipelineError: it failed.
        """
        pipeline, precision, cores, video = configuration
        served = self._models.get(precision)
        run = Run(
            subject=subjects[video],
            access=self._access,
            model="" if served is None else served.name,
            cores=cores,
            batch_segments=self.batch_segments,
            request_segments=1 if served is None else self.request_segments(served),
            traced=traced,
        )
        if pipeline == "asynchronous":
            return run_asynchronous(run)
        if configuration.in_tensorflow:
            return self._tensorflow(cores).call(run_tensorflow, pipeline, run)
        job = run_synchronous if pipeline == "synchronous" else run_parallel
        return self._process("client", cores).call(job, run)

    def batch_windows(self, configuration: Configuration) -> int:
        """Return how many windows are awaited at a time; by ``asynchronous``, asked for at a time.

        The latter keeps several such requests in flight.
        """
        whole = 1 if configuration.pipeline == "asynchronous" else self.batch_segments
        return whole * self._contract.windows_per_segment

    def request_segments(self, served: ServedModel) -> int:
        """Return how many segments one request of a synchronous pipeline carries."""
        segment_bytes = 1
        for size in self._contract.segment_shape:
            segment_bytes *= size
        most = min(served.max_batch_segments, max(1, _REQUEST_BYTES // segment_bytes))
        return min(self.batch_segments, most)

    def _process(self, kind: str, cores: int) -> HeldProcess:
        if (kind, cores) not in self._processes:
            process = self._stack.enter_context(HeldProcess(cores))
            self._processes[kind, cores] = process
        return self._processes[kind, cores]

    def _tensorflow(self, cores: int) -> HeldProcess:
        known = ("tensorflow", cores) in self._processes
        process = self._process("tensorflow", cores)
        if not known:
            batch = self.batch_segments * self._contract.windows_per_segment
            process.call(prepare, self._contract, self._variables, batch)
        return process
