"""The benchmarks of the gateway in short: a lab's share beside a flood, and many connections."""

import pytest
from tests.server.gateway_labs import needs_nginx
from tests.server.tiny_network import CONTRACT

from i3d_bench import fairness, gateway_load

pytestmark = needs_nginx


@pytest.mark.faults
def test_a_lab_keeps_its_share_beside_a_flood_and_not_without_caps() -> None:
    figures = fairness.measure(
        seconds=6, contract=CONTRACT, seconds_per_segment=0.08, runs=["capped", "uncapped"]
    )
    assert figures["capped"]["b_beside_a_over_alone"] >= fairness.ALLOWED_SHARE
    assert figures["uncapped"]["b_beside_a_over_alone"] < fairness.ALLOWED_SHARE
    assert figures["capped"]["a_beside_b"]["refused_per_s"] > 10
    assert figures["capped"]["b_beside_a"]["refused_per_s"] == 0


@pytest.mark.faults
def test_a_lab_keeps_its_share_beside_one_that_asks_and_cancels() -> None:
    runs = ["cancelling", "cancelling_batches_of_8"]
    figures = fairness.measure(seconds=6, contract=CONTRACT, seconds_per_segment=0.04, runs=runs)
    for run in runs:
        assert figures[run]["a_beside_b"]["given_up_per_s"] > 10
    assert figures["cancelling"]["b_beside_a_over_alone"] >= fairness.ALLOWED_SHARE
    # A has its cap in each of two instances, so a third. A queue without priority levels fills four
    # batches ahead, from which nothing is dropped: 0.16.
    assert figures["cancelling_batches_of_8"]["b_beside_a_over_alone"] > 0.25


def test_many_connections_see_nothing_but_back_off() -> None:
    figures = gateway_load.measure(
        seconds=4, connections=100, contract=CONTRACT, seconds_per_segment=0.01
    )
    assert figures["errors_seen"] == {}
    assert figures["alive_at_the_end"]
    assert figures["answered"] > 100
    assert figures["backed_off"] > 100
    assert figures["memory"]["gateway"]["peak_mb"] < 500
