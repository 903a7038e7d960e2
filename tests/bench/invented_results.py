"""A bench.json that is INVENTED for the tests of tables, figures and pages. Nothing was measured.

Its numbers are round, so that a test can say what a table must show: an hour of video takes the
synchronous pipeline 2,000 s at FP32, whatever the cores, and so on (``SECONDS``). ``START_S`` of an
asynchronous run are its start, which an hour of video has once.
"""

import json
from pathlib import Path
from typing import Any

FPS = 25.0
CORES = (1, 2, 4)
VIDEOS = {"cage_1.mp4": 9_000, "cage_2.mp4": 18_000, "cage_3.mp4": 27_000}
SPEED = {"fp32": 1.0, "fp16": 0.9, "int8": 0.75}
# Over all frames together the mean of these is 1.
SLOWNESS = {"cage_1.mp4": 1.2, "cage_2.mp4": 1.05, "cage_3.mp4": 0.9}
# Seconds for an hour of video at FP32, by cores, of all videos together.
SECONDS = {
    "synchronous": (2_000.0, 2_000.0, 2_000.0),
    "parallel": (2_100.0, 1_700.0, 1_500.0),
    "asynchronous": (1_800.0, 1_200.0, 1_000.0),
    "tf_synchronous": (2_400.0, 2_400.0, 2_400.0),
}
START_S = 2.5
PRICE = {
    "per_device_hour": 2.0,
    "currency": "EUR",
    "name": "an invented cloud",
    "date": "2026-11-25",
    "source": "invented for tests",
}


def invented_results(**changed: Any) -> dict[str, Any]:
    """Return the document, with some of its entries changed."""
    document: dict[str, Any] = {
        "bench_version": 1,
        "invented": "for tests: nothing in this file was measured",
        "simulated": False,
        "machine": {
            "measured_at": "2026-11-25T08:00:00+00:00",
            "cpu": "INVENTED <processor>",
            "cores_usable": 4,
            "gpu": "INVENTED",
            "load_average_before": 0.04,
            "packages": {"i3d-triton": "0.0"},
            "busy_warning": None,
        },
        "server": {
            "address": "gpu.example:8443",
            "embedded": False,
            "version": "INVENTED 1.0",
            "max_batch_size": dict.fromkeys(SPEED, 8),
            "could_not_see": [],
        },
        "videos": [
            {
                "name": name,
                "num_frames": frames,
                "fps": FPS,
                "seconds": frames / FPS,
                "width": 640,
                "height": 480,
                "codec": "h264",
            }
            for name, frames in VIDEOS.items()
        ],
        "contract": {
            "profile": "invented",
            "height": 224,
            "width": 224,
            "colour": "rgb",
            "clip_frames": 64,
            "stride": 64,
            "windows_per_segment": 1,
            "labels": ["one", "two"],
        },
        "model_base": "invented",
        "precisions": list(SPEED),
        "batch_wanted": 4,
        "repeats": 3,
        "cores": list(CORES),
        "agreement": {
            "fp16": _agreement(200, 0.995, 150, 1.0),
            "int8": _agreement(200, 0.975, 150, 0.98),
            "asynchronous_vs_synchronous": _agreement(200, 0.99, 150, 1.0),
        },
        "runs": [
            _run(pipeline, precision, cores, video)
            for video in VIDEOS
            for pipeline in SECONDS
            for precision in (SPEED if not pipeline.startswith("tf_") else ("fp32",))
            for cores in CORES
        ],
        "bounds": [
            _bound("inference", "fp32", 4, 700, video="cage_2.mp4"),
            *(_bound("decoding", None, cores, 600 / cores) for cores in CORES),
            *(_bound("preprocessing", None, cores, 300 / cores) for cores in CORES),
            *(_bound("loading", None, cores, 900 / cores) for cores in CORES),
            *(_bound("inference", one, 4, 900 * speed) for one, speed in SPEED.items()),
            _bound("wire", None, 4, 40),
        ],
        "timelines": [
            _timeline("synchronous", readers=1, every_s=1.0, busy=(20.0, 50.0)),
            _timeline("parallel", readers=4, every_s=0.7, busy=(40.0, 65.0)),
            _timeline("asynchronous", readers=4, every_s=0.0, busy=(80.0, None)),
        ],
        "left_out": [],
        "not_timed": [],
        "price": PRICE,
    }
    return {**document, **changed}


def write_results(path: Path, **changed: Any) -> Path:
    """Write the document into a file, whose folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(invented_results(**changed)))
    return path


def _agreement(windows: int, same: float, decided: int, of_decided: float) -> dict[str, Any]:
    return {
        "windows": windows,
        "same_first_class": same,
        "decided_windows": decided,
        "same_first_class_of_decided": of_decided,
        "largest_difference": 0.01,
    }


def _run(pipeline: str, precision: str, cores: int, video: str) -> dict[str, Any]:
    frames = VIDEOS[video]
    hours = frames / FPS / 3600
    per_video_hour = SECONDS[pipeline][CORES.index(cores)] * SPEED[precision] * SLOWNESS[video]
    start_s = START_S if pipeline == "asynchronous" else 0.0
    working_s = (per_video_hour - start_s) * hours
    median_s = working_s + start_s
    return {
        "pipeline": pipeline,
        "precision": precision,
        "cores": cores,
        "video": video,
        "num_frames": frames,
        "windows": frames // 64,
        "batch": 4 if pipeline != "asynchronous" else None,
        "seconds": [start_s + share * working_s for share in (1, 1.05, 0.97)],
        "start_s": start_s,
        "median_s": median_s,
        "q1_s": start_s + 0.985 * working_s,
        "q3_s": start_s + 1.025 * working_s,
        "seconds_per_video_hour": median_s / hours,
        "device_busy": 0.4 if pipeline != "parallel" else None,
        "client_processor_s": 12.5,
    }


def _bound(
    bound: str,
    precision: str | None,
    cores: int,
    per_video_hour: float,
    *,
    video: str = "cage_1.mp4",
) -> dict[str, Any]:
    frames = VIDEOS[video]
    median_s = per_video_hour * frames / FPS / 3600
    return {
        "bound": bound,
        "precision": precision,
        "cores": cores,
        "video": video,
        "num_frames": frames,
        "seconds": [median_s],
        "median_s": median_s,
        "frames_per_s": frames / median_s,
        "seconds_per_video_hour": per_video_hour,
    }


def _timeline(
    pipeline: str, *, readers: int, every_s: float, busy: tuple[float, float | None]
) -> dict[str, Any]:
    """Return readers that each load for a second and then pause, and a device that computes."""
    steps = 30
    period_s = 1.0 + every_s
    rows = [
        {
            "row": f"reader {number + 1}",
            "spans": [
                [step * period_s, step * period_s + 1.0 - 0.1 * number, "load"]
                for step in range(steps)
            ],
        }
        for number in range(readers)
    ]
    if pipeline == "asynchronous":
        for row in rows:
            row["spans"] = [[start, stop, "decode"] for start, stop, _ in row["spans"]]
            row["spans"] += [[start + 0.8, start + 0.95, "send"] for start, _, _ in row["spans"]]
    device = [
        [step * period_s + 1.0, step * period_s + 1.0 + (every_s or 0.95), "compute"]
        for step in range(steps)
    ]
    return {
        "pipeline": pipeline,
        "precision": "fp32",
        "cores": 4,
        "file": f"timeline_{pipeline}_fp32_4.json",
        "seconds": steps * period_s + 1.0,
        "device_row": "executions, INVENTED",
        "rows": [*rows, {"row": "device", "spans": device}],
        "busy_percent": {"cores": busy[0], "device": busy[1]},
    }
