"""The simulation of labs beside what was measured through the real gateway and the real Triton.

    python -m i3d_bench.bench.capacity_fairness benchmarks/results/fairness.json

Taken from the file are the device's time and what the labs wanted. How soon lab A asks again after
a refusal is taken from its run alone, with caps, so that row's refusals are no prediction; its
refusals beside B are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_bench.bench.capacity_simulation import Demand, Got, simulate
from i3d_client.errors import ResultError

MAX_BATCH = 2  # of the simulated accelerator in i3d_bench.fairness
_COUNTED_S = 120.0
_WARM_UP_S = 10.0
RUNS = ("a_alone", "b_alone", "a_beside_b", "b_beside_a")


@dataclass(frozen=True, kw_only=True)
class FairnessRow:
    """One lab in one run, measured and simulated.

    Attributes:
        setting: ``capped`` or ``uncapped``.
        run: which lab, and beside whom.
        measured: as in fairness.json.
    """

    setting: str
    run: str
    measured: Mapping[str, float]
    answered_per_s: float
    refused_per_s: float
    median_seconds_to_answer: float

    @property
    def error(self) -> float:
        """Answers a second, simulated over measured, less 1."""
        return self.answered_per_s / self.measured["answered_per_s"] - 1


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
        rows = tuple(row for name in ("capped", "uncapped") for row in _rows(document, name))
        shares = {
            name: (float(document[name]["b_beside_a_over_alone"]), _share(rows, name))
            for name in ("capped", "uncapped")
        }
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ResultError(
            f"{path}: not what `python -m i3d_bench.fairness` writes: {error!r}"
        ) from error
    return FairnessCheck(rows=rows, b_share=shares)


def _rows(document: Mapping[str, Any], setting: str) -> Iterator[FairnessRow]:
    measured = document[setting]
    cap = int(document["cap"])
    alone = document["capped"]["a_alone"]
    retry_s = (alone["in_flight_wanted"] - cap) / alone["refused_per_s"]

    def demand(lab: str) -> Demand:
        wanted = int(measured[f"{lab}_alone"]["in_flight_wanted"])
        return Demand(
            name=lab,
            in_flight=wanted,
            cap=cap if setting == "capped" else None,
            retry_s=retry_s,
        )

    def run(*labs: str) -> list[Got]:
        return simulate(
            [demand(lab) for lab in labs],
            request_s=1 / document["device_answers_per_s"],
            max_batch=MAX_BATCH,
            counted_s=_COUNTED_S,
            warm_up_s=_WARM_UP_S,
        )

    for name, got in zip(RUNS, [*run("a"), *run("b"), *run("a", "b")], strict=True):
        yield FairnessRow(
            setting=setting,
            run=name,
            measured=measured[name],
            answered_per_s=got.answered_per_s,
            refused_per_s=got.refused_per_s,
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
