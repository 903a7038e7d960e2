"""``i3d plan-capacity`` on an INVENTED bench.json."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.bench.invented_bench import FPS, TRUTH, invented_bench, write_bench

from i3d_bench.bench.capacity_cli import plan_capacity
from i3d_client.errors import InputError

FAIRNESS = Path(__file__).parents[2] / "benchmarks" / "results" / "fairness.json"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    return write_bench(tmp_path / "bench.json", invented_bench())


def run(*arguments: object) -> str:
    found = CliRunner(env={"COLUMNS": "200"}).invoke(
        plan_capacity, [str(item) for item in arguments], catch_exceptions=False
    )
    assert found.exit_code == 0, found.output
    return found.output


def plan(*arguments: object) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*arguments, "--json"))
    return document


def answers(document: dict[str, Any], **wanted: object) -> list[dict[str, Any]]:
    return [
        answer
        for answer in document["plan"]["answers"]
        if all(answer[key] == value for key, value in wanted.items())
    ]


def test_how_long_and_how_dear_the_papers_experiment_is(bench: Path) -> None:
    document = plan("--bench", bench, "--price", 1.5, "--cores", "1,8", "--precision", "fp32")
    (answer,) = answers(document, pipeline="asynchronous", cores=8)
    # Eight cores read faster than this device infers at FP32, so it is the limit.
    hours = 2880 * FPS * TRUTH.device_s["fp32"]
    assert answer["limit"] == "device"
    assert answer["hours_at_least"] == pytest.approx(hours)
    assert answer["hours"] == pytest.approx(hours, rel=0.03)
    assert answer["cost"] == pytest.approx(answer["hours"] * 1.5)
    assert answer["device_busy"] == pytest.approx(1, abs=0.03)
    (alone,) = answers(document, pipeline="asynchronous", cores=1)
    assert alone["limit"] == "reading"
    # (1/700 s) / (1/900 s − 20 µs)
    assert document["plan"]["cores_to_fill"] == {"fp32": 2}
    (in_turn,) = answers(document, pipeline="synchronous")
    assert in_turn["cores"] == 1
    assert in_turn["hours"] > 1.5 * answer["hours"]


def test_the_cores_that_keep_the_device_busy_have_an_answer_of_their_own(tmp_path: Path) -> None:
    path = write_bench(tmp_path / "bench.json", invented_bench(cores=(1, 2)))
    document = plan("--bench", path, "--precision", "int8")
    # (1/700 s) / (1/3100 s − 20 µs)
    assert document["plan"]["cores_to_fill"] == {"int8": 5}
    rows = answers(document, pipeline="asynchronous")
    assert [(row["cores"], row["limit"]) for row in rows] == [
        (1, "reading"),
        (2, "reading"),
        (5, "device"),
    ]


def test_labs_share_a_device_and_its_price(bench: Path) -> None:
    one = plan("--bench", bench, "--cores", 8, "--precision", "int8", "--price", 2)
    three = plan("--bench", bench, "--cores", 8, "--precision", "int8", "--price", 2, "--labs", 3)
    (single,) = answers(one, pipeline="asynchronous")
    (shared,) = answers(three, pipeline="asynchronous")
    assert shared["hours"] == pytest.approx(3 * single["hours"])
    assert shared["cost"] == pytest.approx(single["cost"])
    # In turn, the device is idle while a lab reads: three labs fill what one leaves.
    (in_turn,) = answers(three, pipeline="synchronous")
    (alone,) = answers(one, pipeline="synchronous")
    assert in_turn["hours"] == pytest.approx(alone["hours"])
    assert in_turn["device_busy"] == pytest.approx(3 * alone["device_busy"])
    assert [row["lab"] for row in three["labs"]] == ["ordinary", *2 * ("greedy", "ordinary")]
    assert one["labs"] == []


def test_a_slow_network_is_the_limit_and_says_so(bench: Path) -> None:
    document = plan("--bench", bench, "--cores", 8, "--precision", "int8", "--link", 1)
    (answer,) = answers(document, pipeline="asynchronous")
    assert answer["limit"] == "network"
    assert document["plan"]["frame_bytes"] == 224 * 224 * 3
    network_s = 224 * 224 * 3 * 8 / 1e9
    assert answer["hours_at_least"] == pytest.approx(2880 * FPS * network_s)
    fill = document["plan"]["cores_to_fill"]["int8"]
    assert fill == "none: the network is slower than the device"


def test_cores_that_were_not_measured_are_marked(bench: Path) -> None:
    document = plan("--bench", bench, "--cores", "8,16", "--precision", "fp32")
    marked = {(answer["cores"], answer["extrapolated"]) for answer in answers(document)}
    assert marked == {(1, False), (8, False), (16, True)}
    text = run("--bench", bench, "--cores", "8,16", "--precision", "fp32")
    assert "16 *" in text
    assert "* more cores than were measured (8): extrapolated." in text


def test_the_price_of_the_bench_is_the_default(tmp_path: Path) -> None:
    price = {"per_device_hour": 3.0, "currency": "CHF", "name": "", "date": "", "source": ""}
    path = write_bench(tmp_path / "bench.json", invented_bench() | {"price": price})
    (answer,) = answers(plan("--bench", path, "--cores", 8), pipeline="parallel", precision="fp16")
    assert answer["cost"] == pytest.approx(3 * answer["hours"])
    assert "CHF" in run("--bench", path, "--cores", 8)
    assert "CHF a lab" in run("--bench", path, "--cores", 8, "--labs", 2)
    without = run("--bench", write_bench(path, invented_bench()), "--cores", 8)
    assert "CHF" not in without
    assert "cost" not in without


def test_the_page_says_what_was_simulated_what_was_not_seen_and_how_far_off_it_is(
    tmp_path: Path,
) -> None:
    document = invented_bench() | {"simulated": True}
    document["machine"]["busy_warning"] = "load 2.0"
    path = write_bench(tmp_path / "bench.json", document)
    text = run("--bench", path, "--labs", 2, "--fairness", FAIRNESS)
    assert "The accelerator is SIMULATED" in text
    assert "Measured on a busy machine: load 2.0" in text
    assert "The bench could not see: metrics: not through the gateway" in text
    assert "asynchronous: 24 runs; error from the bounds" in text
    assert "tf_synchronous: no prediction" in text
    assert "one greedy, no caps" in text
    assert "uncapped: B beside A gets 0." in text


def test_json_has_all_that_the_page_has(bench: Path) -> None:
    document = plan("--bench", bench, "--fairness", FAIRNESS)
    assert document["plan_version"] == 1
    assert document["simulated"] is False
    assert len(document["validation"]["runs"]) == 72
    assert document["validation"]["errors"]["asynchronous"]["held_out"]["largest"] < 0.08
    assert document["validation"]["not_modelled"] == ["tf_synchronous"]
    assert set(document["fairness"]["b_share"]["capped"]) == {"measured", "simulated"}


def test_what_cannot_be_planned_is_named(bench: Path) -> None:
    with pytest.raises(InputError, match=r"--precision bf16: not in bench\.json, which has fp16"):
        run("--bench", bench, "--precision", "bf16")
    found = CliRunner().invoke(plan_capacity, ["--bench", str(bench), "--cores", "0,two"])
    assert found.exit_code == 2
    assert "expected numbers of cores, such as 4,8,16, got '0,two'" in found.output
