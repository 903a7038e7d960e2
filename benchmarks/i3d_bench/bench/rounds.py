"""Verified first, then timed in rounds: every configuration and every bound, ``repeats`` times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from i3d_bench.bench.agreement import Answers
from i3d_bench.bench.bench_server import BenchServer
from i3d_bench.bench.bounds import LoadingBounds, inference_s, null_model
from i3d_bench.bench.errors import BenchError, PipelineError
from i3d_bench.bench.options import BenchOptions, Pipeline
from i3d_bench.bench.other_requests import OtherRequests
from i3d_bench.bench.pipeline_run import Outcome
from i3d_bench.bench.plan import Configuration, interleaved, plan
from i3d_bench.bench.runner import Runner
from i3d_bench.bench.server_view import ServedModel
from i3d_bench.bench.subject import Subject
from i3d_bench.bench.timing import Timed, bound_entry, run_entry
from i3d_bench.bench.verification import Verification
from i3d_client.errors import I3dError
from i3d_client.options import usable_cores
from i3d_client.transport import Transport

_LOADING = ("decoding", "preprocessing", "loading")
_LEAST_IN_FLIGHT = 4
_TRANSPORTS: dict[str, Transport] = {"wire": "grpc", "shared_memory": "shared memory"}
# bound, precision, cores, video
Bound = tuple[str, str | None, int, int]


class Rounds:
    """Measures everything that was planned.

    Args:
        options: of the bench.
        server: with its models.
        runner: of the configurations.
        subjects: one a video.
        say: told what goes on.
    """

    def __init__(
        self,
        *,
        options: BenchOptions,
        server: BenchServer,
        runner: Runner,
        subjects: Sequence[Subject],
        say: Callable[[str], None],
    ) -> None:
        self.options = options
        self.server = server
        self.runner = runner
        self.subjects = subjects
        self._say = say
        self._times: dict[Configuration, Timed] = {}
        self._bounds: dict[Bound, Timed] = {}
        self._verification: Verification | None = None

    @property
    def verification(self) -> Verification:
        """What ``verify`` found."""
        if self._verification is None:
            raise RuntimeError("verify() comes first")
        return self._verification

    def verify(self, pipelines: Sequence[Pipeline]) -> None:
        """Run every configuration once, and compare its answers.

        Raises:
            BenchError: none of them may be timed.
        """
        configurations = plan(
            pipelines=pipelines,
            precisions=list(self.server.models),
            cores=self.options.cores,
            videos=len(self.subjects),
        )
        self._say(f"comparing the answers of {len(configurations)} configurations")
        self._verification = Verification(configurations, self._answers)
        for one, reason in self.verification.refused.items():
            self._say(f"not timed: {self._name(one)}: {reason}")
        if not self.verification.passed:
            raise BenchError(f"nothing can be timed: {next(iter(self.not_timed()))['reason']}")
        for served in self.server.models.values():
            self.server.view.device_seconds(served)  # says what cannot be seen

    def time(self, on_timed: Callable[[], object]) -> None:
        """Time what was verified, and the bounds, in rounds; ``on_timed`` is called after each."""
        with ExitStack() as stack:
            bounds = dict(self._bound_jobs(stack))
            jobs: list[Callable[[], None]] = [
                partial(self._time, one) for one in self.verification.passed
            ]
            jobs += [partial(self._time_bound, bound, job) for bound, job in bounds.items()]
            self._say(f"timing, {self.options.repeats} × {len(jobs)} runs")
            for job in interleaved(jobs, self.options.repeats):
                job()
                on_timed()

    def runs(self) -> list[dict[str, Any]]:
        """Return bench.json's ``runs``: of what was timed so far."""
        return [
            run_entry(
                one,
                self.subjects[one.video],
                self._times[one],
                batch=self.runner.batch_windows(one),
                request=self._request_windows(one),
            )
            for one in self.verification.passed
            if one in self._times
        ]

    def bounds(self) -> list[dict[str, Any]]:
        """Return bench.json's ``bounds``."""
        return [
            bound_entry(name, precision, cores, self.subjects[video], timed.seconds)
            for (name, precision, cores, video), timed in self._bounds.items()
        ]

    def not_timed(self) -> list[dict[str, Any]]:
        """Return the configurations that were refused or failed, with the reason."""
        return [
            {
                "pipeline": one.pipeline,
                "precision": one.precision,
                "cores": one.cores,
                "video": self.subjects[one.video].video.name,
                "reason": reason,
            }
            for one, reason in self.verification.refused.items()
        ]

    def refuse(self, one: Configuration, error: PipelineError) -> None:
        """Take out a configuration that has failed, with what was timed of it.

        Raises:
            BenchError: it is the server that has failed: nothing is the configuration's fault.
        """
        if not one.in_tensorflow:
            self._require_live(error)
        self.verification.refuse(one, str(error))
        self._say(f"failed: {self._name(one)}: {error}")

    def _require_live(self, error: I3dError) -> None:
        if not self.server.view.is_live():
            raise BenchError(f"the server does not answer any more: {error}") from error

    def _answers(self, configuration: Configuration) -> Answers:
        return self.runner.run(configuration, self.subjects).probabilities

    def _time(self, one: Configuration) -> None:
        if one in self.verification.refused:
            return
        try:
            outcome, busy, others = self._run(one)
            self.verification.require_same(one, outcome.probabilities)
        except PipelineError as error:
            self.refuse(one, error)
            return
        timed = self._times.setdefault(one, Timed())
        timed.seconds.append(outcome.seconds)
        timed.processor_s.append(outcome.processor_s)
        timed.start_s.append(outcome.start_s)
        if busy is not None:
            timed.device_busy.append(busy)
        if others is not None:
            timed.other_segments.append(others)
        beside = f"; the server counted {others:+} segments of other clients" if others else ""
        self._say(f"{self._name(one)}: {outcome.seconds:.2f} s{beside}")

    def _run(self, one: Configuration) -> tuple[Outcome, float | None, int | None]:
        """Run it, and say for which part of the time the device was busy, and for whom else.

        Returns:
            What came of it; the share; segments of other clients. None: not to be seen.
        """
        if one.in_tensorflow:
            return self.runner.run(one, self.subjects), None, None
        served, view = self.server.models[one.precision], self.server.view
        others = OtherRequests(view, own_segments=self.subjects[one.video].segments)
        before = view.device_seconds(served)
        outcome = self.runner.run(one, self.subjects)
        after = view.device_seconds(served)
        busy = None if before is None or after is None else (after - before) / outcome.seconds
        return outcome, busy, others.segments()

    def _bound_jobs(self, stack: ExitStack) -> Iterator[tuple[Bound, Callable[[], float]]]:
        for cores in self.options.cores:
            loading = stack.enter_context(LoadingBounds(cores))
            for video, subject in enumerate(self.subjects):
                for name in _LOADING:
                    job = partial(getattr(loading, f"{name}_s"), subject)
                    yield (name, None, cores, video), job
        for video, subject in enumerate(self.subjects):
            for precision, served in self.server.models.items():
                job = self._inference(served, subject)
                yield ("inference", precision, usable_cores(), video), job
        if self.server.embedded:
            null, model = stack.enter_context(null_model(self.server.contract))
            for name, transport in _TRANSPORTS.items():
                job = partial(
                    inference_s,
                    null,
                    model,
                    segments=self.subjects[0].segments,
                    in_flight=_LEAST_IN_FLIGHT,
                    transport=transport,
                )
                yield (name, None, usable_cores(), 0), job

    def _inference(self, served: ServedModel, subject: Subject) -> partial[float]:
        return partial(
            inference_s,
            self.server.access,
            served.name,
            segments=subject.segments,
            in_flight=max(_LEAST_IN_FLIGHT, 2 * served.max_batch_segments),
        )

    def _time_bound(self, bound: Bound, job: Callable[[], float]) -> None:
        name, precision, cores, video = bound
        said = f"{name} alone{f' at {precision}' if precision else ''} on {cores} cores"
        try:
            seconds = job()
        except I3dError as error:
            self._require_live(error)
            self.server.view.miss(said, str(error))
            self._bounds.pop(bound, None)
            return
        self._bounds.setdefault(bound, Timed()).seconds.append(seconds)
        self._say(f"{said}, {self.subjects[video].video.name}: {seconds:.2f} s")

    def _request_windows(self, one: Configuration) -> int | None:
        if one.in_tensorflow:
            return None
        windows = self.server.contract.windows_per_segment
        if one.pipeline == "asynchronous":
            return windows
        return windows * self.runner.request_segments(self.server.models[one.precision])

    def _name(self, one: Configuration) -> str:
        video = self.subjects[one.video].video.name
        return f"{one.pipeline} {one.precision}, {one.cores} cores, {video}"
