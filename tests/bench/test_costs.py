"""Costs are run times, prices and nothing else; the paper's stand beside, and are not mixed in."""

from pathlib import Path
from typing import Any

import pytest
from tests.bench.invented_results import PRICE, invented_results, write_results

from i3d_bench.bench.bench_results import BenchResults, read_results
from i3d_bench.bench.costs import cost_rows, costs_table, experiment_table, headlines
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


def test_ratios_to_the_papers_own_pipelines_stand_beside(tmp_path: Path) -> None:
    found = results(tmp_path)
    assert by_configuration(found)["asynchronous", "int8"].over_tensorflow == (
        pytest.approx(750 / 2400),
        None,
    )
    table = costs_table(found)
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["asynchronous, INT8"]["× TensorFlow synchronous"] == "0.31"
    assert rows["synchronous, FP32"]["× TensorFlow synchronous"] == "0.83"
    assert "× TensorFlow asynchronous" not in table.columns  # was not measured


def test_the_headline_ratios_are_in_words(tmp_path: Path) -> None:
    runs = invented_results()["runs"]
    for run in [run for run in runs if run["pipeline"] == "tf_synchronous"]:
        runs.append({**run, "pipeline": "tf_asynchronous"})
        for key in ("median_s", "q1_s", "q3_s", "seconds_per_video_hour"):
            runs[-1][key] *= 0.625
    said = headlines(cost_rows(results(tmp_path, runs=runs)))
    assert said == [
        "Asynchronous, INT8 takes 0.38 of the time of synchronous, FP32 (0.38 with the start "
        "scaled too); the paper's best ratio is 0.49.",
        "Asynchronous, INT8 takes 0.31 of that of TensorFlow synchronous, FP32 (0.32 with the "
        "start scaled too) and 0.50 of that of TensorFlow asynchronous, FP32 (0.51 with the start "
        "scaled too), which is what the paper itself used.",
    ]
    notes = costs_table(results(tmp_path, runs=runs)).notes
    assert list(notes[:2]) == said


def test_there_is_no_headline_of_what_was_not_measured(tmp_path: Path) -> None:
    runs = invented_results()["runs"]
    ours = [run for run in runs if run["pipeline"] == "asynchronous"]
    assert headlines(cost_rows(results(tmp_path, runs=ours))) == []
    others = [run for run in runs if run["pipeline"] != "asynchronous"]
    assert headlines(cost_rows(results(tmp_path, runs=others))) == []


def test_an_hour_of_video_has_the_start_once(tmp_path: Path) -> None:
    """A run of 36 s of video, 12 s of them its start: an hour takes 100 × the rest and 12 s."""
    (run,) = [
        run
        for run in invented_results()["runs"]
        if (run["pipeline"], run["precision"], run["cores"], run["video"])
        == ("asynchronous", "fp32", 4, "cage_1.mp4")
    ]
    run |= {"median_s": 15.0, "q1_s": 14.0, "q3_s": 11.0, "start_s": 12.0}
    run |= {"num_frames": 900, "seconds_per_video_hour": 1500.0}
    found = results(tmp_path, runs=[run])
    (read,) = found.runs
    assert read.seconds_per_video_hour == pytest.approx(312)
    assert read.quartiles_per_video_hour == pytest.approx((212, 12))
    (row,) = cost_rows(found)
    assert row.seconds_per_video_hour == pytest.approx(312)
    assert row.scaled_seconds_per_video_hour == pytest.approx(1500)


def test_videos_together_have_one_start(tmp_path: Path) -> None:
    runs = [
        run
        for run in invented_results()["runs"]
        if (run["pipeline"], run["precision"], run["cores"]) == ("asynchronous", "fp32", 4)
    ]
    for run, start_s in zip(runs, (1.0, 2.0, 6.0), strict=True):
        hours = run["num_frames"] / 25 / 3600
        run |= {"start_s": start_s, "median_s": start_s + 1000 * hours}
        run["seconds_per_video_hour"] = run["median_s"] / hours
    (row,) = cost_rows(results(tmp_path, runs=runs))
    assert row.seconds_per_video_hour == pytest.approx(1003)


def test_an_fp16_that_is_none_says_so(tmp_path: Path) -> None:
    entry = {"engine": "openvino", "layers_on": "a", "processor": "b"}
    executed = {
        "fp32": {**entry, "precision": "f32", "layers": None},
        "fp16": {**entry, "precision": "f32", "layers": {"f16": 58}},
        "int8": {**entry, "precision": "f32", "layers": {"f32": 1, "u8": 57}, "processor": "a"},
    }
    server = {**invented_results()["server"], "executed": executed}
    table = costs_table(results(tmp_path, server=server))
    cells = {row[0]: row[1] for row in table.rows}
    assert cells["asynchronous, FP32"] == "f32"
    assert cells["asynchronous, FP16"] == "f32, weights kept in f16"
    assert cells["asynchronous, INT8"] == "u8 in 57, f32 in 1 layers"
    assert cells["TensorFlow synchronous, FP32"] == "f32, TensorFlow"
    (note,) = [note for note in table.notes if "not those of FP16 on a GPU" in note]
    assert note.startswith("FP16 was executed in f32 here")


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        ({"fp32": "openvino", "int8": "openvino"}, True),
        ({"fp32": "openvino", "int8": "tensorrt"}, False),
        ({"fp32": "tensorrt"}, False),
    ],
)
def test_times_of_a_processor_are_said_to_be_none_of_a_gpu(
    tmp_path: Path, engines: dict[str, str], said: bool
) -> None:
    server = {**invented_results()["server"], "engines": engines}
    notes = costs_table(results(tmp_path, server=server)).notes
    assert any("no time here is a GPU's" in note for note in notes) == said


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
    notes = costs_table(results(tmp_path, runs=runs)).notes
    assert any("The client had 4 cores" in note for note in notes)


def test_table_i_has_what_it_is_made_of(tmp_path: Path) -> None:
    table = costs_table(results(tmp_path))
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    row = rows["asynchronous, INT8"]
    assert row["run time of 1 h of video"] == "750 s"
    # 0.6 h of video in 3 runs, each with 2.5 s of start: 747.5 s + 7.5 s / 0.6.
    assert row["with the start scaled too"] == "760 s"
    assert row["executed in"] == "not recorded"
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
    column = table.columns.index("first class the same")
    rows = {row[0]: row[column] for row in table.rows}
    assert rows["asynchronous, INT8"] == "not compared"
