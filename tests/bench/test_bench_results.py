"""A bench.json is read whole or refused; tables say what is in it, and what is not."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.bench.invented_results import CORES, VIDEOS, invented_results, write_results

from i3d_bench.bench.bench_notes import notes_on
from i3d_bench.bench.bench_results import BenchResults, read_results
from i3d_bench.bench.bench_tables import TABLES, table_of
from i3d_client.errors import ResultError


def results(tmp_path: Path, **changed: Any) -> BenchResults:
    return read_results(write_results(tmp_path / "bench.json", **changed))


def cells(found: BenchResults, name: str) -> dict[str, dict[str, str]]:
    table = table_of(found, name)
    return {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}


def test_what_is_no_bench_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    with pytest.raises(ResultError, match="expected what i3d bench writes"):
        read_results(path)
    for text in ("{", "[]", '{"bench_version": 2}', '{"bench_version": true}'):
        path.write_text(text)
        with pytest.raises(ResultError, match="bench"):
            read_results(path)


# Which cores were measured is in the runs.
@pytest.mark.parametrize(
    "key", sorted(set(invented_results()) - {"invented", "bench_version", "cores"})
)
def test_without_any_of_its_parts_it_is_refused(tmp_path: Path, key: str) -> None:
    document = invented_results()
    del document[key]
    (tmp_path / "bench.json").write_text(json.dumps(document))
    with pytest.raises(ResultError, match=f"'{key}' is missing"):
        read_results(tmp_path / "bench.json")


@pytest.mark.parametrize("value", [0, -1.0, "fast", None])
def test_a_time_that_is_none_is_refused(tmp_path: Path, value: object) -> None:
    runs = invented_results()["runs"]
    runs[3]["median_s"] = value
    with pytest.raises(ResultError, match="not as expected"):
        results(tmp_path, runs=runs)


def test_run_times_over_cores_are_those_of_the_first_video(tmp_path: Path) -> None:
    rows = cells(results(tmp_path), "cores")
    # cage_1.mp4 is 1.2 times as slow as all videos together.
    assert rows["asynchronous, FP32"]["4 cores"] == "1,200 (1,182–1,230)"
    assert rows["synchronous, FP32"]["1 core"] == "2,400 (2,364–2,460)"
    assert rows["loading alone"] == {
        "seconds": "loading alone",
        "1 core": "900",
        "2 cores": "450",
        "4 cores": "225",
    }
    assert rows["inference, FP32 alone"]["4 cores"] == "900"  # 700 is of another video
    assert rows["inference, FP32 alone"]["1 core"] == "–"


def test_run_times_by_precision_are_of_every_video(tmp_path: Path) -> None:
    rows = cells(results(tmp_path), "precisions")
    assert rows["cage_3.mp4"]["INT8"].startswith("675 (")
    assert rows["median of the videos"]["FP32"] == "1,050"
    assert rows["all videos together"]["FP32"] == "1,000"
    one = [run for run in invented_results()["runs"] if run["video"] == "cage_2.mp4"]
    assert list(cells(results(tmp_path, runs=one), "precisions")) == ["cage_2.mp4"]


def test_what_was_not_seen_is_a_dash(tmp_path: Path) -> None:
    rows = cells(results(tmp_path), "timelines")
    row = rows["synchronous, FP32"]
    assert (row["device's row filled"], row["with"]) == ("50 %", "executions, INVENTED")
    assert rows["asynchronous, FP32"]["device's row filled"] == "–"


def test_every_table_can_be_empty_but_for_the_machine(tmp_path: Path) -> None:
    nothing = results(tmp_path, runs=[], bounds=[], timelines=[], agreement={})
    for name in TABLES:
        table = table_of(nothing, name)
        assert table.markdown()
        assert bool(table.rows) == (name == "machine"), name


def test_every_run_is_in_the_table(tmp_path: Path) -> None:
    runs = table_of(results(tmp_path), "runs").rows
    configurations = 3 * 3 + 1
    assert len(runs) == configurations * len(CORES) * len(VIDEOS)


def test_a_simulated_accelerator_is_named_everywhere(tmp_path: Path) -> None:
    simulated = results(tmp_path, simulated=True)
    for name in TABLES:
        assert "SIMULATED" in table_of(simulated, name).markdown(), name
    first = notes_on(simulated)[0]
    assert first.serious
    assert "SIMULATED" in first.text
    assert notes_on(results(tmp_path)) == []


def test_a_bench_that_was_stopped_says_so_everywhere(tmp_path: Path) -> None:
    runs = invented_results()["runs"][:5]
    stopped = results(
        tmp_path, runs=runs, timelines=[], complete=False, stopped_by="it was interrupted"
    )
    for name in TABLES:
        text = table_of(stopped, name).markdown()
        assert not table_of(stopped, name).rows or "NOT COMPLETE" in text, name
    first = notes_on(stopped)[0]
    assert first.serious
    assert "it was interrupted" in first.text
    assert notes_on(results(tmp_path, complete=True, stopped_by=None)) == []


def test_runs_that_shared_the_server_are_named(tmp_path: Path) -> None:
    runs = invented_results()["runs"]
    for place, segments in ((0, 12), (4, 3), (9, 0), (10, None)):
        runs[place]["other_segments"] = segments
    (note,) = notes_on(results(tmp_path, runs=runs))
    assert note.serious
    assert "during 2 of 90 runs" in note.text
    assert "synchronous, FP32, 1 core, cage_1.mp4; synchronous, FP16, 2 cores, cage_1.mp4)" in (
        note.text
    )


@pytest.mark.parametrize("start_s", [-0.1, 1e9, "soon"])
def test_a_start_that_is_no_part_of_the_run_is_refused(tmp_path: Path, start_s: object) -> None:
    runs = invented_results()["runs"]
    runs[3]["start_s"] = start_s
    with pytest.raises(ResultError, match="not as expected"):
        results(tmp_path, runs=runs)


def test_notes_name_what_failed_and_what_was_not_seen(tmp_path: Path) -> None:
    document = invented_results()
    document["machine"]["busy_warning"] = "a load of 3"
    document["server"].update(could_not_see=["wire: not ours"], embedded=True)
    failed = {
        "pipeline": "tf_parallel",
        "precision": "fp32",
        "cores": 1,
        "video": "cage_1.mp4",
        "reason": "other answers",
    }
    found = results(
        tmp_path, **{**document, "not_timed": [failed], "left_out": ["tf: no variables"]}
    )
    texts = [(note.text, note.serious) for note in notes_on(found)]
    assert texts[:4] == [
        ("Measured on a busy machine: a load of 3.", True),
        ("Not timed: TensorFlow parallel, FP32, 1 core, cage_1.mp4: other answers.", True),
        ("Left out: tf: no variables.", False),
        ("Could not see: wire: not ours.", False),
    ]
    assert "share this machine's cores" in texts[4][0]


def test_a_name_breaks_neither_the_table_nor_the_page(tmp_path: Path) -> None:
    document = invented_results()
    document["machine"]["cpu"] = "a | b\n<script>alert(1)</script>"
    text = table_of(results(tmp_path, machine=document["machine"]), "machine").markdown()
    assert "| processor | a \\| b &lt;script>alert(1)&lt;/script> |" in text
