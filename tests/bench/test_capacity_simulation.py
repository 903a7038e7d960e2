"""The simulation of labs: queueing theory, conservation, and what was measured at the gateway."""

import math
from pathlib import Path
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from i3d_bench.bench.capacity import Rates, Reading
from i3d_bench.bench.capacity_fairness import check_fairness
from i3d_bench.bench.capacity_labs import share_of_labs
from i3d_bench.bench.capacity_simulation import Demand, Got, simulate
from i3d_bench.fairness import RUNS
from i3d_client.errors import ResultError
from i3d_export.profiles import load_profile

FAIRNESS = Path(__file__).parents[2] / "benchmarks" / "results" / "fairness.json"


def one(demand: Demand, *, counted_s: float, seed: int = 0) -> Got:
    (got,) = simulate([demand], request_s=1, counted_s=counted_s, warm_up_s=500, seed=seed)
    return got


@pytest.mark.parametrize(("load", "allowed"), [(0.3, 0.03), (0.6, 0.03), (0.8, 0.05)])
def test_queue_times_are_those_of_m_d_1(load: float, allowed: float) -> None:
    runs = [
        one(Demand(name="lab", poisson_per_s=load), counted_s=60_000, seed=seed)
        for seed in range(3)
    ]
    queued = [wait for got in runs for wait in got.queued_s]
    # Pollaczek–Khinchine with a service time of 1 that does not vary.
    assert mean(queued) == pytest.approx(load / (2 * (1 - load)), rel=allowed)
    # Arrivals by chance find the device as any moment does: free for 1 − load of the time.
    assert mean(wait == 0 for wait in queued) == pytest.approx(1 - load, abs=0.01)
    # Erlang's distribution of the wait (1909): within t < 1, (1 − load) · e^(load · t).
    within = mean(wait <= 0.5 for wait in queued)
    assert within == pytest.approx((1 - load) * math.exp(load * 0.5), abs=0.01)


def test_two_labs_by_chance_queue_like_one_with_both_loads() -> None:
    labs = [Demand(name=name, poisson_per_s=0.3) for name in ("a", "b")]
    got = simulate(labs, request_s=1, counted_s=100_000, warm_up_s=500)
    for lab in got:
        assert mean(lab.queued_s) == pytest.approx(0.6 / (2 * 0.4), rel=0.05)


@settings(max_examples=30)
@given(
    wanted=st.lists(st.integers(1, 20), min_size=1, max_size=4),
    cap=st.none() | st.integers(1, 16),
)
def test_a_device_that_is_wanted_all_the_time_is_shared_by_requests_in_flight(
    wanted: list[int], cap: int | None
) -> None:
    labs = [Demand(name="lab", in_flight=count, cap=cap, retry_s=0.5) for count in wanted]
    got = simulate(labs, request_s=1, counted_s=2000, warm_up_s=100)
    at_gateway = [min(count, cap or count) for count in wanted]
    for lab, count, places in zip(got, wanted, at_gateway, strict=True):
        assert lab.answered == pytest.approx(2000 * places / sum(at_gateway), rel=0.02, abs=2)
        # Little's law: what is in flight is the rate times the time.
        assert lab.answered_per_s * mean(lab.answer_s) == pytest.approx(places, rel=0.05)
        assert (lab.refused > 0) == (places < count)


def test_batches_change_when_answers_come_and_not_how_many() -> None:
    for max_batch in (1, 2, 8):
        labs = [Demand(name=name, in_flight=24) for name in ("a", "b")]
        got = simulate(labs, request_s=1, max_batch=max_batch, counted_s=4000, warm_up_s=500)
        for lab in got:
            assert lab.answered_per_s == pytest.approx(0.5, rel=0.03)
            assert mean(lab.answer_s) == pytest.approx(48, rel=0.03)
    few = one(Demand(name="lab", in_flight=1), counted_s=500)
    assert few.median_answer_s == pytest.approx(1)


def test_only_a_lab_past_its_cap_is_refused() -> None:
    labs = [Demand(name="a", in_flight=32, cap=8, retry_s=0.1), Demand(name="b", cap=8)]
    a, b = simulate(labs, request_s=0.04, counted_s=100, warm_up_s=10)
    # The 24 that have no place try again every 0.1 s.
    assert a.refused_per_s == pytest.approx(24 / 0.1, rel=0.02)
    assert b.refused == 0


def test_a_lab_that_reads_slower_gets_what_it_reads_and_the_rest_goes_to_the_others() -> None:
    slow = Demand(name="slow", in_flight=4, read_s=10)
    fast = Demand(name="fast", in_flight=4)
    got = simulate([slow, fast], request_s=1, counted_s=10_000, warm_up_s=500)
    assert got[0].answered_per_s == pytest.approx(0.1, rel=0.01)
    assert got[1].answered_per_s == pytest.approx(0.9, rel=0.01)


def test_the_same_seed_gives_the_same_run() -> None:
    labs = [Demand(name="a", poisson_per_s=0.5), Demand(name="b", in_flight=9, cap=3)]

    def run(seed: int) -> list[Got]:
        return simulate(labs, request_s=0.5, counted_s=500, seed=seed)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_shares_at_the_real_gateway_are_those_that_were_measured() -> None:
    check = check_fairness(FAIRNESS)
    assert check.b_share.keys() == RUNS.keys()
    # Where A gives up its requests, its times and the batches' are in step, in the simulation only.
    allowed = {"capped": 0.04, "uncapped": 0.04, "cancelling": 0.15, "cancelling_batches_of_8": 0.1}
    for setting, (measured, simulated) in check.b_share.items():
        assert simulated == pytest.approx(measured, abs=allowed[setting])
    plain = [row for row in check.rows if "cancelling" not in row.setting]
    assert len(plain) == 8
    for row in plain:
        assert row.answered_per_s == pytest.approx(row.measured["answered_per_s"], rel=0.08)
        assert row.median_seconds_to_answer == pytest.approx(
            row.measured["median_seconds_to_answer"], rel=0.08
        )
    (beside,) = (row for row in check.rows if (row.setting, row.run) == ("capped", "a_beside_b"))
    assert beside.refused_per_s == pytest.approx(beside.measured["refused_per_s"], rel=0.2)
    for row in check.rows:
        given_up = row.measured["given_up_per_s"]
        assert row.given_up_per_s == pytest.approx(given_up, rel=0.1)


@pytest.mark.parametrize(
    ("max_batch", "instances", "share"), [(1, 1, 1), (2, 2, 1), (8, 1, 1 / 2), (8, 2, 1 / 3)]
)
def test_what_is_given_up_leaves_the_queue_and_not_a_batch(
    max_batch: int, instances: int, share: float
) -> None:
    impatient, patient = simulate(
        [Demand(name="a", in_flight=8, patience_s=3), Demand(name="b", in_flight=8)],
        request_s=1,
        max_batch=max_batch,
        instances=instances,
        counted_s=2400,
        warm_up_s=100,
    )
    # A's requests are all too late. Small batches hold none of them; of each large one of B's there
    # are as many large ones of A's as instances.
    assert impatient.answered == 0
    assert impatient.given_up == pytest.approx(8 * 2400 / 3, rel=0.01)
    assert patient.answered_per_s == pytest.approx(share, rel=0.01)


def test_a_file_that_is_no_fairness_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "fairness.json"
    path.write_text('{"capped": {}}')
    with pytest.raises(ResultError, match=r"fairness\.json: not what"):
        check_fairness(path)


def test_caps_keep_a_greedy_lab_to_its_share() -> None:
    rates = Rates(
        reading=Reading(serial_s=0, parallel_s=1e-4, cores_measured=(1,)),
        device_s={"int8": 1e-3},
        wire_s=None,
        memory_s=None,
        shared_cores=None,
    )
    rows = list(
        share_of_labs(
            labs=3,
            cores=4,
            cap=8,
            precisions=["int8"],
            rates=rates,
            max_batch={"int8": 8},
            contract=load_profile("kinetics400").contract,
        )
    )
    share = {(row.case, row.lab): row.share for row in rows}
    assert share["alike", "ordinary"] == pytest.approx(1 / 3, abs=0.01)
    assert share["one greedy, capped", "greedy"] == pytest.approx(1 / 3, abs=0.01)
    # 32 in flight beside twice 8.
    assert share["one greedy, no caps", "greedy"] == pytest.approx(32 / 48, abs=0.01)
    assert share["one greedy, no caps", "ordinary"] == pytest.approx(8 / 48, abs=0.01)
    queued = {(row.case, row.lab): row.queued_median_s for row in rows}
    assert queued["one greedy, no caps", "ordinary"] > 1.5 * queued["alike", "ordinary"] > 0


def test_a_single_lab_has_nobody_to_share_with() -> None:
    rates = Rates(
        reading=Reading(serial_s=0, parallel_s=1e-4, cores_measured=(1,)),
        device_s={"int8": 1e-3},
        wire_s=None,
        memory_s=None,
        shared_cores=None,
    )
    contract = load_profile("kinetics400").contract
    assert not list(
        share_of_labs(
            labs=1,
            cores=4,
            cap=8,
            precisions=["int8"],
            rates=rates,
            max_batch={},
            contract=contract,
        )
    )
