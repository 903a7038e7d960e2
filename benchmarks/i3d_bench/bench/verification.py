"""Every configuration is run once and its answers compared before any of them is timed.

The synchronous pipeline is what the others are compared with: it is the paper's, and the simplest.
A configuration whose answers are wrong, or that fails, is not timed, and is named with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from i3d_bench.bench import tensorflow
from i3d_bench.bench.agreement import (
    OTHER_ENGINE,
    SAME_NETWORK,
    Answers,
    compare,
    require_alike,
    require_close,
)
from i3d_bench.bench.errors import PipelineError
from i3d_bench.bench.plan import Configuration

Execute = Callable[[Configuration], Answers]
_PARTNERS = {"asynchronous_vs_synchronous": "asynchronous", "parallel_vs_synchronous": "parallel"}


class Verification:
    """The answers of every configuration, and which of them may be timed.

    Args:
        configurations: that are to be timed.
        execute: runs one and returns its answers; raises ``PipelineError``.
    """

    def __init__(self, configurations: Sequence[Configuration], execute: Execute) -> None:
        self._execute = execute
        self._reference: dict[tuple[str, int], Answers | PipelineError] = {}
        self._answers: dict[Configuration, Answers] = {}
        self.refused: dict[Configuration, str] = {}
        for configuration in configurations:
            self._verify(configuration)

    @property
    def passed(self) -> list[Configuration]:
        """What may be timed."""
        return [one for one in self._answers if one not in self.refused]

    def require_same(self, configuration: Configuration, answers: Answers) -> None:
        """See that a timed run gave the answers that were verified.

        Raises:
            PipelineError: it did not.
        """
        known = self._answers[configuration]
        require_close(known, answers, limit=SAME_NETWORK, of="the run before it was timed")

    def refuse(self, configuration: Configuration, reason: str) -> None:
        """Take a configuration out, with what was timed of it."""
        self.refused[configuration] = reason

    def agreement(self) -> dict[str, Any]:
        """Return what bench.json says of the answers, over all videos."""
        found: dict[str, Any] = {}
        precisions = list(dict.fromkeys(precision for precision, _ in self._reference))
        for precision in precisions:
            pairs = self._of_precisions(precisions[0], precision)
            if precision != precisions[0] and pairs:
                found[precision] = _pooled(pairs)
        for name, pipeline in _PARTNERS.items():
            if pairs := self._with_reference(pipeline):
                found[name] = _pooled(pairs)
        if pairs := self._with_reference(tensorflow.PREFIX):
            found["tf"] = _pooled(pairs)
        return found

    def _verify(self, configuration: Configuration) -> None:
        try:
            answers = self._run(configuration)
            self._compare(configuration, answers)
        except PipelineError as error:
            self.refused[configuration] = str(error)
        else:
            self._answers[configuration] = answers

    def _run(self, configuration: Configuration) -> Answers:
        if configuration.pipeline == "synchronous":
            key = (configuration.precision, configuration.video)
            if key not in self._reference:
                return self._find_reference(configuration)
        return self._execute(configuration)

    def _compare(self, configuration: Configuration, answers: Answers) -> None:
        reference = self._find_reference(configuration)
        of = f"synchronous {configuration.precision}"
        if configuration.pipeline == "asynchronous":
            require_alike(reference, answers, of=of)
        else:
            limit = OTHER_ENGINE if configuration.in_tensorflow else SAME_NETWORK
            require_close(reference, answers, limit=limit, of=of)
        first = next(iter(self._reference))[0]
        if configuration.precision != first:
            exact = self._find_reference(configuration._replace(precision=first))
            require_alike(exact, reference, of=f"{first} on the same server")

    def _find_reference(self, configuration: Configuration) -> Answers:
        """Return the synchronous pipeline's answers for the same video and precision."""
        key = (configuration.precision, configuration.video)
        if key not in self._reference:
            try:
                found: Answers | PipelineError = self._execute(
                    configuration._replace(pipeline="synchronous")
                )
            except PipelineError as error:
                found = PipelineError(f"nothing to compare with: synchronous failed: {error}")
            self._reference[key] = found
        reference = self._reference[key]
        if isinstance(reference, PipelineError):
            raise reference
        return reference

    def _of_precisions(self, first: str, other: str) -> list[tuple[Answers, Answers]]:
        pairs = []
        for (precision, video), answers in self._reference.items():
            exact = self._reference.get((first, video))
            if precision == other and _are_answers(exact) and _are_answers(answers):
                pairs.append((exact, answers))
        return pairs  # type: ignore[return-value]

    def _with_reference(self, pipeline: str) -> list[tuple[Answers, Answers]]:
        """Return, once for each video and precision, reference and answers of a pipeline."""
        found: dict[tuple[str, int], tuple[Answers, Answers]] = {}
        for one, answers in self._answers.items():
            reference = self._reference[one.precision, one.video]
            if one.pipeline.startswith(pipeline) and isinstance(reference, np.ndarray):
                found[one.precision, one.video] = (reference, answers)
        return list(found.values())


def _are_answers(found: Answers | PipelineError | None) -> bool:
    return isinstance(found, np.ndarray)


def _pooled(pairs: Sequence[tuple[Answers, Answers]]) -> dict[str, Any]:
    reference, answers = (np.concatenate(column) for column in zip(*pairs, strict=True))
    return compare(reference, answers)
