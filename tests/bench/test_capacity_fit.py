"""Fitting the planning model on an INVENTED bench.json: what made it must be found again."""

from pathlib import Path
from statistics import median
from typing import Any

import pytest
from tests.bench.invented_bench import (
    FPS,
    IN_TURN,
    READER,
    STARTS_IN_S,
    TRUTH,
    invented_bench,
    write_bench,
)

from i3d_bench.bench.capacity_bench import Bench, read_bench
from i3d_bench.bench.capacity_fit import fit_calibration, fit_rates, rates_by_video
from i3d_bench.bench.capacity_validation import validate
from i3d_client.errors import ResultError

MEASURED = Path(__file__).parents[2] / "benchmarks" / "results" / "bench.json"


def read(folder: Path, document: dict[str, Any]) -> Bench:
    return read_bench(write_bench(folder / "bench.json", document))


def test_the_rates_and_the_calibration_that_made_the_bench_are_found(tmp_path: Path) -> None:
    bench = read(tmp_path, invented_bench(noise=0.02))
    rates = fit_rates(bench)
    assert bench.fps == pytest.approx(FPS)
    assert rates.device_s == pytest.approx(TRUTH.device_s, rel=0.02)
    assert rates.wire_s == pytest.approx(TRUTH.wire_s, rel=0.02)
    for cores in (1, 2, 8):
        found, true = rates.reading.seconds(cores), TRUTH.reading.seconds(cores)
        assert found == pytest.approx(true, rel=0.03)
    calibration = fit_calibration(rates_by_video(bench), bench.runs)
    assert calibration.reader == pytest.approx(READER, rel=0.05)
    assert calibration.in_turn == pytest.approx(IN_TURN, rel=0.1)
    assert calibration.start_s == STARTS_IN_S
    assert calibration.overhead == pytest.approx(1, abs=0.03)


def test_runs_are_predicted_by_what_has_not_seen_them(tmp_path: Path) -> None:
    bench = read(tmp_path, invented_bench(noise=0.02))
    validation = validate(bench, rates_by_video(bench))
    assert len(validation.checked) == 3 * 3 * 4 * 2
    assert validation.not_modelled == ("tf_synchronous",)
    for pipeline in ("synchronous", "parallel", "asynchronous"):
        assert max(validation.errors(pipeline, held_out=True)) < 0.08
    # Another reader and one request at a time: the bounds alone are far below.
    assert min(validation.errors("synchronous", held_out=False)) > 0.25


def test_a_run_that_is_not_as_the_model_says_stands_out(tmp_path: Path) -> None:
    document = invented_bench()
    strange = [
        run
        for run in document["runs"]
        if (run["pipeline"], run["precision"], run["cores"]) == ("asynchronous", "int8", 4)
    ]
    for run in strange:
        run["median_s"] *= 2
    bench = read(tmp_path, document)
    rows = validate(bench, rates_by_video(bench)).checked
    errors = {
        (row.run.pipeline, row.run.precision, row.run.cores): row.held_out_error or 0.0
        for row in rows
    }
    assert errors.pop(("asynchronous", "int8", 4)) == pytest.approx(-0.5, abs=0.05)
    in_turn = [abs(error) for (name, *_), error in errors.items() if name != "asynchronous"]
    assert max(in_turn) < 0.02


def test_one_configuration_has_nothing_to_be_held_out_from(tmp_path: Path) -> None:
    document = invented_bench(cores=(2,))
    document["runs"] = [
        run
        for run in document["runs"]
        if run["precision"] == "int8" and run["video"] == "cage_1.mp4"
    ]
    bench = read(tmp_path, document)
    rates = fit_rates(bench)
    assert rates.reading.seconds(2) == pytest.approx(TRUTH.reading.seconds(2))
    assert rates.reading.serial_s == 0
    calibration = fit_calibration(rates_by_video(bench), bench.runs)
    assert calibration.overhead == pytest.approx(1, abs=0.02)
    (ahead,) = (
        row
        for row in validate(bench, rates_by_video(bench)).checked
        if row.run.pipeline == "asynchronous"
    )
    assert ahead.held_out_s is None


def test_runs_that_cannot_tell_reading_from_serving_give_one_factor(tmp_path: Path) -> None:
    document = invented_bench(cores=(2,))
    document["runs"] = [
        run
        for run in document["runs"]
        if (run["pipeline"], run["precision"]) == ("synchronous", "int8")
    ]
    bench = read(tmp_path, document)
    calibration = fit_calibration(rates_by_video(bench), bench.runs)
    assert calibration.reader == calibration.in_turn
    assert IN_TURN < calibration.reader < READER
    assert calibration.asynchronous_runs == 0


def test_a_video_has_its_own_rates(tmp_path: Path) -> None:
    document = invented_bench()
    harder = [
        entry | {"video": "cage_2.mp4", "median_s": 3 * entry["median_s"]}
        for entry in document["bounds"]
        if entry["bound"] in ("decoding", "preprocessing")
    ]
    document["bounds"] += harder
    rates = rates_by_video(read(tmp_path, document))
    easy, hard = rates["cage_1.mp4"], rates["cage_2.mp4"]
    assert hard.reading.seconds(4) == pytest.approx(3 * easy.reading.seconds(4))
    assert hard.device_s == easy.device_s


def test_loading_counts_before_its_parts(tmp_path: Path) -> None:
    document = invented_bench()
    loading = [
        entry | {"bound": "loading", "median_s": 2 * entry["median_s"]}
        for entry in document["bounds"]
        if entry["bound"] == "decoding"
    ]
    document["bounds"] += loading
    found = fit_rates(read(tmp_path, document)).reading.seconds(1)
    assert found == pytest.approx(2 * 0.8 * TRUTH.reading.seconds(1))


@pytest.mark.skipif(not MEASURED.exists(), reason="benchmarks/results/bench.json is not measured")
def test_the_runs_that_this_project_stands_by_are_predicted() -> None:
    bench = read_bench(MEASURED)
    validation = validate(bench, rates_by_video(bench))
    errors = validation.errors("asynchronous", held_out=True)
    assert errors
    assert median(errors) < 0.15


@pytest.mark.parametrize("bound", ["decoding", "inference"])
def test_a_bound_that_is_missing_is_named(tmp_path: Path, bound: str) -> None:
    document = invented_bench()
    document["bounds"] = [entry for entry in document["bounds"] if entry["bound"] != bound]
    with pytest.raises(ResultError, match=f"no bound of {bound}"):
        fit_rates(read(tmp_path, document))


def test_without_a_wire_bound_the_wire_is_left_out(tmp_path: Path) -> None:
    document = invented_bench()
    document["bounds"] = [entry for entry in document["bounds"] if entry["bound"] != "wire"]
    assert fit_rates(read(tmp_path, document)).wire_s is None


@pytest.mark.parametrize(
    ("embedded", "address", "engine", "shared"),
    [
        (True, "127.0.0.1:40001", "openvino", 8),
        (False, "localhost:8001", "openvino", 8),
        (False, "localhost:8001", "tensorrt", None),
        (True, "127.0.0.1:40001", "simulation", None),
        (False, "cpu.example:8443", "openvino", None),
    ],
)
def test_whether_client_and_device_are_the_same_cores(
    tmp_path: Path, embedded: bool, address: str, engine: str, shared: int | None
) -> None:
    document = invented_bench()
    document["server"] |= {"embedded": embedded, "address": address}
    document["server"]["engines"] = {"int8": engine}
    assert read(tmp_path, document).shared_cores == shared


def test_another_version_and_a_file_that_is_not_whole_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="bench_version: expected 1, got 2"):
        read(tmp_path, invented_bench() | {"bench_version": 2})
    document = invented_bench()
    del document["runs"][0]["median_s"]
    with pytest.raises(ResultError, match=r"not a whole bench\.json.*median_s"):
        read(tmp_path, document)
    path = tmp_path / "bench.json"
    path.write_text("{")
    with pytest.raises(ResultError, match="not JSON"):
        read_bench(path)
