"""``i3d bench`` on the real Triton: everything in bench.json, nothing timed that is wrong."""

import json
import statistics
from pathlib import Path

import pytest
from tests.bench.bench_runs import LAYERS, chosen, i3d_bench, read, write_models
from tests.conftest import MakeVideo, write_video
from tests.server.tiny_network import CONTRACT

from i3d_bench.bench.bench_cli import bench
from i3d_bench.bench.executed import this_processor
from i3d_client.contract import ModelContract

KEYS = [
    *("bench_version", "simulated", "machine", "server", "videos", "contract", "model_base"),
    *("precisions", "batch_wanted", "repeats", "cores", "agreement", "runs", "bounds"),
    *("timelines", "left_out", "not_timed", "price", "complete", "stopped_by"),
]
OURS = ("synchronous", "parallel", "asynchronous")
WINDOWS = 24
FRAMES = CONTRACT.clip_frames + (WINDOWS - 1) * CONTRACT.stride


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "mouse.mp4", 300)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, video: Path) -> Path:
    """The folder of a bench of two precisions on one core and on two."""
    folder = tmp_path_factory.mktemp("bench")
    repository = write_models(folder / "models")
    done = i3d_bench(
        *(video, "--embedded", "--repository", repository, "--out", folder / "out"),
        *("--cores", "1,2", "--windows", WINDOWS, "--repeat", 2, "--batch", 8, "--price", 2.5),
    )
    assert done.exit_code == 0, done.output
    assert "left out: tf_synchronous, tf_parallel, tf_asynchronous" in done.output
    return folder / "out"


def test_everything_is_in_bench_json(measured: Path) -> None:
    document = read(measured)
    assert list(document) == KEYS
    assert document["model_base"] == "tiny"
    assert document["precisions"] == ["fp32", "int8"]
    assert document["cores"] == [1, 2]
    assert document["price"]["per_device_hour"] == 2.5
    assert not document["simulated"]
    assert document["machine"]["gpu"] == "none seen"
    assert "busy_warning" in document["machine"]
    assert ModelContract.from_json(json.dumps(document["contract"])) == CONTRACT
    assert document["videos"] == [
        {
            **{"name": "mouse.mp4", "num_frames": 300, "fps": 30.0, "seconds": 10.0},
            **{"width": 128, "height": 128, "codec": "h264"},
        }
    ]
    server = document["server"]
    assert server["embedded"]
    assert server["version"].startswith("triton 2.")
    assert server["max_batch_size"] == {"fp32": 4, "int8": 4}
    assert server["could_not_see"] == []
    assert server["executed"] == {
        "fp32": None,  # its build document says nothing
        "int8": {
            **{"engine": "openvino", "precision": "f32", "layers": LAYERS},
            **{"layers_on": "INVENTED", "processor": this_processor().name},
        },
    }
    said = "| asynchronous, INT8 | u8 in 3, f32 in 1 layers (at export, another processor) |"
    assert said in (measured / "bench.md").read_text()
    assert document["not_timed"] == []
    assert (document["complete"], document["stopped_by"]) == (True, None)


def test_every_configuration_is_timed_as_often_as_asked(measured: Path) -> None:
    runs = read(measured)["runs"]
    assert {(r["pipeline"], r["precision"], r["cores"]) for r in runs} == {
        (pipeline, precision, cores)
        for pipeline in OURS
        for precision in ("fp32", "int8")
        for cores in (1, 2)
    }
    for run in runs:
        assert len(run["seconds"]) == 2
        assert run["median_s"] == pytest.approx(statistics.median(run["seconds"]), abs=1e-3)
        assert run["q1_s"] <= run["median_s"] <= run["q3_s"]
        assert (run["windows"], run["num_frames"], run["video"]) == (WINDOWS, FRAMES, "mouse.mp4")
        hour = run["median_s"] * 3600 / (FRAMES / 30)
        assert run["seconds_per_video_hour"] == pytest.approx(hour, rel=1e-3)
        working_s = (run["median_s"] - run["start_s"]) * 3600 / (FRAMES / 30)
        once = pytest.approx(working_s + run["start_s"], rel=1e-3)
        assert run["seconds_per_video_hour_start_once"] == once
        assert run["other_segments"] == 0  # nobody else asks this server
        assert 0 < run["device_busy"] <= 1
        # As many threads as there are cores cannot compute for longer than that.
        assert 0 < run["client_processor_s"] <= 1.2 * run["cores"] * max(run["seconds"])
        assert 0 <= run["start_s"] < run["median_s"]
    # 8 windows are 4 segments, as many as a request of this server may carry.
    assert {r["batch"] for r in chosen(runs, pipeline="synchronous")} == {8}
    assert {r["request_windows"] for r in chosen(runs, pipeline="parallel")} == {8}
    assert {r["batch"] for r in chosen(runs, pipeline="asynchronous")} == {2}
    assert all(r["start_s"] > 0.1 for r in chosen(runs, pipeline="asynchronous"))


def test_every_bound_is_timed(measured: Path) -> None:
    bounds = read(measured)["bounds"]
    assert {(b["bound"], b["precision"], b["cores"]) for b in bounds if b["cores"] == 1} == {
        (name, None, 1) for name in ("decoding", "preprocessing", "loading")
    }
    elsewhere = {(b["bound"], b["precision"]) for b in bounds if b["cores"] != 1}
    assert elsewhere >= {
        *((name, None) for name in ("decoding", "preprocessing", "loading")),
        *(("inference", "fp32"), ("inference", "int8"), ("wire", None), ("shared_memory", None)),
    }
    for bound in bounds:
        assert len(bound["seconds"]) == 2
        rate = bound["num_frames"] / bound["median_s"]
        assert bound["frames_per_s"] == pytest.approx(rate, rel=0.02)


def test_answers_are_compared(measured: Path) -> None:
    agreement = read(measured)["agreement"]
    assert agreement["int8"]["windows"] == WINDOWS
    assert agreement["int8"]["same_first_class"] == 1
    assert agreement["parallel_vs_synchronous"]["largest_difference"] == 0
    assert agreement["asynchronous_vs_synchronous"]["windows"] == 2 * WINDOWS


def test_timelines_are_rows_of_the_run_and_a_file_for_a_viewer(measured: Path) -> None:
    timelines = read(measured)["timelines"]
    assert [(t["pipeline"], t["precision"], t["cores"]) for t in timelines] == [
        (pipeline, "fp32", 2) for pipeline in OURS
    ]
    for line in timelines:
        names = [row["row"] for row in line["rows"]]
        assert names[-1] == "device"
        assert len(names) > (2 if line["pipeline"] != "synchronous" else 1)
        for row in line["rows"]:
            for start, stop, what in row["spans"]:
                assert 0 <= start < stop <= line["seconds"]
                assert what
        assert line["rows"][-1]["spans"]
        assert all(0 <= percent <= 100 for percent in line["busy_percent"].values())
        assert line["device_row"] == "requests at the server"  # of the CPU engine
        events = json.loads((measured / line["file"]).read_text())
        assert {event["name"] for event in events if event["ph"] == "X"} > {"request"}


def test_in_the_synchronous_pipeline_somebody_always_waits(measured: Path) -> None:
    """Reading and requests take turns there."""
    (line,) = chosen(read(measured)["timelines"], pipeline="synchronous")
    reader, device = (row["spans"] for row in line["rows"])
    for start, stop, _ in reader:
        assert not [1 for begun, ended, _ in device if begun < stop and start < ended]


def test_pages_are_made_again_without_measuring(measured: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    done = i3d_bench("--from", measured / "bench.json", "--out", again)
    assert done.exit_code == 0, done.output
    assert (again / "bench.json").read_bytes() == (measured / "bench.json").read_bytes()
    assert (again / "bench.md").is_file()
    assert (again / "fig1.png").is_file()


def test_pages_are_made_again_at_other_prices(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "prices.toml").write_text(
        "[[price]]\nname = 'a cloud'\nper_device_hour = 4\ncurrency = 'EUR'\n"
        "date = 2026-11-25\nsource = 'a list'\n"
    )
    before = read(measured)
    for given, shown in (
        (["--prices", tmp_path / "prices.toml"], "EUR (a cloud) for 1 h of video"),
        (["--price", 8], "cost (--price) for 1 h of video"),
    ):
        again = tmp_path / shown[:3]
        done = i3d_bench("--from", measured / "bench.json", "--out", again, *given)
        assert done.exit_code == 0, done.output
        document = read(again)
        assert shown in (again / "bench.md").read_text()
        assert document["price"]["per_device_hour"] in (4, 8)
        assert {**document, "price": before["price"]} == before
    both = ["--price", 8, "--prices", tmp_path / "prices.toml"]
    done = i3d_bench("--from", measured / "bench.json", "--out", tmp_path / "both", *both)
    assert done.exit_code == 1
    assert not (tmp_path / "both").exists()


def test_a_price_is_put_into_the_same_folder(measured: Path, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_bytes((measured / "bench.json").read_bytes())
    done = i3d_bench("--from", tmp_path / "bench.json", "--out", tmp_path, "--price", 7)
    assert done.exit_code == 0, done.output
    assert read(tmp_path)["price"]["per_device_hour"] == 7
    assert read(tmp_path)["runs"] == read(measured)["runs"]


def test_a_precision_with_wrong_answers_is_not_timed(video: Path, tmp_path: Path) -> None:
    repository = write_models(tmp_path / "models", int8_seed=8)
    done = i3d_bench(
        *(video, "--embedded", "--repository", repository, "--out", tmp_path / "out"),
        *("--cores", "1", "--windows", WINDOWS, "--repeat", 1, "--no-timelines"),
    )
    assert done.exit_code == 1
    document = read(tmp_path / "out")
    assert {run["precision"] for run in document["runs"]} == {"fp32"}
    refused = document["not_timed"]
    assert [(one["pipeline"], one["precision"]) for one in refused] == [
        (pipeline, "int8") for pipeline in OURS
    ]
    assert all("its answers are not those of fp32" in one["reason"] for one in refused)
    assert document["agreement"]["int8"]["same_first_class"] < 0.9
    assert "not timed: synchronous int8, 1 cores, mouse.mp4" in done.output


def test_how_much_is_measured_follows_from_the_seconds(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    long, short = make_video(400, name="long.mp4"), make_video(40, name="short.mp4")
    repository = write_models(tmp_path / "models")
    done = i3d_bench(
        *(long, short, "--embedded", "--repository", repository, "--out", tmp_path / "out"),
        *("--cores", 1, "--seconds", 30, "--precision", "fp32", "--pipeline", "synchronous"),
        *("--repeat", 1, "--no-timelines"),
    )
    assert done.exit_code == 0, done.output
    windows = {run["video"]: run["windows"] for run in read(tmp_path / "out")["runs"]}
    assert windows == {"long.mp4": 49, "short.mp4": 4}  # all that they have


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cores", "0"], "whole numbers above 0"),
        (["--cores", "two"], "whole numbers above 0"),
        (["--embedded", "--server", "localhost:1"], "leave --server and --credentials out"),
        (["--from", "{video}"], "VIDEOS to measure with, or --from"),
        (["--pipeline", "quick"], "is not one of"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(
    arguments: list[str], said: str, video: Path, tmp_path: Path
) -> None:
    given = [argument.format(video=video) for argument in arguments]
    done = i3d_bench(video, "--out", tmp_path, *given)
    assert done.exit_code == 2
    assert said in done.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model-base", "mouse"], r"has no model mouse_….*it serves tiny_\{fp32,int8\}"),
        (["--precision", "fp16"], r"has no model tiny_fp16"),
        (["--cores", "4096"], "expected numbers up to"),
    ],
)
def test_what_is_not_there_is_said(
    arguments: list[str], said: str, video: Path, tmp_path: Path
) -> None:
    repository = write_models(tmp_path / "models")
    with pytest.raises(Exception, match=said):
        bench.main(
            [
                *(str(video), "--embedded", "--repository", str(repository)),
                *("--out", str(tmp_path / "out"), *arguments),
            ],
            standalone_mode=False,
        )
