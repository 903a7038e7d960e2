"""The simulation of labs beside what was measured through the real gateway and the real Triton.

    python -m i3d_bench.bench.capacity_fairness benchmarks/results/fairness.json

Taken from the file are the device's time and what the labs wanted; from ``i3d_bench.fairness``, the
batches and when lab A gives up. How soon A asks again after a refusal is taken from its run alone,
with caps, so that row's refusals are no prediction; its refusals beside B are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.bench.capacity_simulation import Demand, Got, simulate
from i3d_bench.fairness import RUNS, Run
from i3d_client.errors import ResultError
from i3d_export.profiles import load_profile
from i3d_export.triton_config import max_batch_size

_INSTANCES = 2  # of the simulated accelerator
_COUNTED_S = 120.0
_WARM_UP_S = 10.0
_LABS = {"a_alone": ("a",), "b_alone": ("b",), "b_beside_a": ("a", "b")}


@dataclass(frozen=True, kw_only=True)
class FairnessRow:
    """One lab in one run, measured and simulated.

    Attributes:
        setting: as the runs of ``i3d_bench.fairness`` are called.
        run: which lab, and beside whom.
        measured: as in fairness.json.
    """

    setting: str
    run: str
    measured: Mapping[str, float]
    answered_per_s: float
    refused_per_s: float
    given_up_per_s: float
    median_seconds_to_answer: float

    @property
    def error(self) -> float | None:
        """Answers a second, simulated over measured, less 1; None if there were none."""
        measured = self.measured["answered_per_s"]
        return self.answered_per_s / measured - 1 if measured else None


@dataclass(frozen=True, kw_only=True)
class FairnessCheck:
    """All rows, and B's share beside A, over what it gets alone, as (measured, simulated)."""

    rows: tuple[FairnessRow, ...]
    b_share: Mapping[str, tuple[float, float]]


def check_fairness(path: Path) -> FairnessCheck:
    """Simulate what a fairness.json measured.

    Raises:
        ResultError: the file cannot be read or lacks something.
    """
    try:
        document = json.loads(path.read_text())
        runs = {name: run for name, run in RUNS.items() if name in document}
        rows = tuple(row for name, run in runs.items() for row in _rows(document, name, run))
        shares = {
            name: (float(document[name]["b_beside_a_over_alone"]), _share(rows, name))
            for name in runs
        }
        if not runs:
            raise KeyError(*RUNS)
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(
            f"{path}: not what `python -m i3d_bench.fairness` writes: {error!r}"
        ) from error
    return FairnessCheck(rows=rows, b_share=shares)


def _rows(document: Mapping[str, Any], setting: str, run: Run) -> Iterator[FairnessRow]:
    measured = document[setting]
    alone = document["capped"]["a_alone"]
    demands = {
        "a": Demand(
            name="a",
            in_flight=int(measured["a_beside_b"]["in_flight_wanted"]),
            cap=run.cap,
            retry_s=(alone["in_flight_wanted"] - int(document["cap"])) / alone["refused_per_s"],
            patience_s=run.a_patience_s,
        ),
        "b": Demand(
            name="b", in_flight=int(measured["b_beside_a"]["in_flight_wanted"]), cap=run.cap
        ),
    }
    for name, labs in _LABS.items():
        if name in measured:
            got = simulate(
                [demands[lab] for lab in labs],
                request_s=1 / document["device_answers_per_s"],
                max_batch=max_batch_size(load_profile(run.queue_of).contract),
                instances=_INSTANCES,
                counted_s=_COUNTED_S,
                warm_up_s=_WARM_UP_S,
            )
            names = (name,) if len(labs) == 1 else ("a_beside_b", "b_beside_a")
            for one, lab in zip(names, got, strict=True):
                yield _row(setting, one, measured[one], lab)


def _row(setting: str, run: str, measured: Mapping[str, float], got: Got) -> FairnessRow:
    return FairnessRow(
        setting=setting,
        run=run,
        measured=measured,
        answered_per_s=got.answered_per_s,
        refused_per_s=got.refused_per_s,
        given_up_per_s=got.given_up / got.counted_s,
        median_seconds_to_answer=got.median_answer_s,
    )


def _share(rows: tuple[FairnessRow, ...], setting: str) -> float:
    rate = {row.run: row.answered_per_s for row in rows if row.setting == setting}
    return rate["b_beside_a"] / rate["b_alone"]


def main() -> None:
    """Print the comparison."""
    from rich.console import Console

    from i3d_bench.bench.capacity_tables import print_fairness

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("fairness", type=Path)
    print_fairness(check_fairness(parser.parse_args().fairness), Console(highlight=False))


if __name__ == "__main__":
    main()
