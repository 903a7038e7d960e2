"""What each of several labs gets of the planned server, simulated: shares and queue times.

Three cases for each precision: all labs alike; one of them greedy (it asks from memory and has four
times as much in flight) with the gateway's caps; and the same without caps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from i3d_bench.bench.capacity import Rates
from i3d_bench.bench.capacity_simulation import Demand, Got, simulate
from i3d_client.contract import ModelContract

GREED = 4
_IN_FLIGHT_A_CORE = 2  # i3d classify's default, with a worker a core
_INSTANCES = 2  # of a model, as it is exported for a GPU
_REQUESTS_COUNTED = 20_000
_REQUESTS_BEFORE = 2_000


@dataclass(frozen=True, kw_only=True)
class LabRow:
    """What a lab gets in one case.

    Attributes:
        case: ``alike``, ``one greedy, capped`` or ``one greedy, no caps``.
        lab: ``greedy``, or ``ordinary`` (the one of them that gets least).
        share: of all answers.
        fair_share: what it would be if the device were divided evenly; a lab that reads slower than
            that gets what it reads.
        queued_median_s, queued_95_s: what half and 95 % of its requests queue at most.
    """

    precision: str
    cores: int
    case: str
    lab: str
    share: float
    fair_share: float
    queued_median_s: float
    queued_95_s: float


def share_of_labs(
    *,
    labs: int,
    cores: int,
    cap: int,
    precisions: Sequence[str],
    rates: Rates,
    max_batch: Mapping[str, int],
    contract: ModelContract,
) -> Iterator[LabRow]:
    """Simulate each precision; nothing for a single lab."""
    if labs < 2:
        return
    advance = contract.windows_per_segment * contract.stride
    ordinary = Demand(
        name="ordinary",
        in_flight=_IN_FLIGHT_A_CORE * cores,
        cap=cap,
        read_s=rates.reading.seconds(cores) * advance,
    )
    greedy = replace(
        ordinary, name="greedy", in_flight=GREED * max(cap, ordinary.in_flight), read_s=0.0
    )
    some, others = [ordinary] * labs, [ordinary] * (labs - 1)
    cases = {
        "alike": some,
        "one greedy, capped": [greedy, *others],
        "one greedy, no caps": [replace(demand, cap=None) for demand in (greedy, *others)],
    }
    for precision in precisions:
        request_s = rates.device_s[precision] * advance
        for case, demands in cases.items():
            got = simulate(
                demands,
                request_s=request_s,
                max_batch=max_batch.get(precision, 1),
                instances=_INSTANCES,
                counted_s=_REQUESTS_COUNTED * request_s,
                warm_up_s=_REQUESTS_BEFORE * request_s,
            )
            answered = sum(lab.answered for lab in got)
            for lab in _distinct(got):
                yield LabRow(
                    precision=precision,
                    cores=cores,
                    case=case,
                    lab=lab.name,
                    share=lab.answered / answered if answered else 0.0,
                    fair_share=1 / labs,
                    queued_median_s=lab.queued_at_most_s(0.5),
                    queued_95_s=lab.queued_at_most_s(0.95),
                )


def _distinct(got: Sequence[Got]) -> list[Got]:
    """Return the greedy lab, and of the others the one that got least."""
    others = [lab for lab in got if lab.name != "greedy"]
    return [*(lab for lab in got if lab.name == "greedy"), min(others, key=lambda g: g.answered)]
