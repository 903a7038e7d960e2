"""Costs are run times, prices and nothing else; the paper's stand beside, and are not mixed in."""

from pathlib import Path
from typing import Any

import pytest
from tests.bench.invented_results import PRICE, invented_results, write_results

from i3d_bench.bench.bench_results import BenchResults, read_results
from i3d_bench.bench.costs import cost_rows, costs_table, experiment_table
from i3d_bench.bench.prices import prices_of


def results(tmp_path: Path, **changed: Any) -> BenchResults:
    return read_results(write_results(tmp_path / "bench.json", **changed))


def by_configuration(found: BenchResults) -> dict[tuple[str, str], Any]:
    return {(row.pipeline, row.precision): row for row in cost_rows(found)}


def test_a_cost_is_run_time_times_price(tmp_path: Path) -> None:
    rows = by_configuration(results(tmp_path))
    (price,) = prices_of(PRICE)
    row = rows["asynchronous", "int8"]
    # 1,000 s at FP32 on 4 cores, three quarters of that at INT8, at 2.00 an hour.
    assert row.seconds_per_video_hour == pytest.approx(750)
    assert row.cost(price) == pytest.approx(750 / 3600 * 2)
    assert row.cost(price, video_hours=2880) == pytest.approx(1200)


def test_ratios_are_to_the_synchronous_pipeline_at_fp32(tmp_path: Path) -> None:
    rows = by_configuration(results(tmp_path))
    assert rows["synchronous", "fp32"].over_synchronous == 1
    assert rows["asynchronous", "fp32"].over_synchronous == pytest.approx(0.5)
    assert rows["asynchronous", "int8"].over_synchronous == pytest.approx(0.375)
    paper = [
        rows[name].paper_over_synchronous
        for name in (
            ("synchronous", "fp32"),
            ("asynchronous", "fp32"),
            ("asynchronous", "fp16"),
            ("asynchronous", "int8"),
        )
    ]
    assert [f"{ratio:.2f}" for ratio in paper] == ["1.00", "0.65", "0.61", "0.49"]
    assert rows["parallel", "fp32"].paper_cost is None
    assert rows["synchronous", "int8"].paper_cost is None


def test_without_the_reference_there_is_no_ratio(tmp_path: Path) -> None:
    runs = [run for run in invented_results()["runs"] if run["pipeline"] != "synchronous"]
    rows = by_configuration(results(tmp_path, runs=runs))
    assert rows["asynchronous", "fp32"].over_synchronous is None
    assert rows["asynchronous", "fp32"].seconds_per_video_hour == pytest.approx(1000)


def test_only_the_largest_number_of_cores_counts(tmp_path: Path) -> None:
    runs = [
        run
        for run in invented_results()["runs"]
        if not (run["pipeline"] == "parallel" and run["cores"] == 4)
    ]
    rows = by_configuration(results(tmp_path, runs=runs))
    assert ("parallel", "fp32") not in rows
    assert "4 cores" in costs_table(results(tmp_path, runs=runs)).notes[0]


def test_table_i_has_what_it_is_made_of(tmp_path: Path) -> None:
    table = costs_table(results(tmp_path))
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    row = rows["asynchronous, INT8"]
    assert row["run time of 1 h of video"] == "750 s"
    assert row["EUR (an invented cloud) for 1 h of video"] == "0.42"
    assert row["the paper's USD"] == "0.46"
    assert row["first class the same"] == "97.5 % of 200; 98.0 % of 150 decided"
    assert rows["asynchronous, FP32"]["first class the same"] == "the reference"
    assert "an invented cloud: 2 EUR for a device hour (invented for tests, 2026-11-25)." in (
        table.notes
    )


def test_without_a_price_there_is_no_cost_of_ours(tmp_path: Path) -> None:
    table = costs_table(results(tmp_path, price=None))
    assert [column for column in table.columns if "for 1 h of video" in column] == []
    assert any("No price was given" in note for note in table.notes)
    assert experiment_table(results(tmp_path, price=None)).columns == (
        "configuration",
        "device hours",
        "days",
        "the paper's cost × 2,880, USD",
    )


def test_every_price_of_a_file_has_a_column(tmp_path: Path) -> None:
    other = {**PRICE, "name": "another", "per_device_hour": 4.0, "currency": "USD"}
    table = experiment_table(results(tmp_path, price={**PRICE, "others": [other]}))
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    row = rows["synchronous, FP32"]
    assert (row["device hours"], row["days"]) == ("1,600", "66.7")
    assert (row["EUR (an invented cloud)"], row["USD (another)"]) == ("3,200", "6,400")
    assert row["the paper's cost × 2,880, USD"] == "2,678"


def test_a_precision_that_was_not_compared_says_so(tmp_path: Path) -> None:
    table = costs_table(results(tmp_path, agreement={}))
    rows = {row[0]: row[-1] for row in table.rows}
    assert rows["asynchronous, INT8"] == "not compared"
