"""A bench.json that is INVENTED for the tests of capacity planning. Nothing in it was measured.

Its runs do not come from the formulas that are tested: those that overlap are simulated event by
event. ``TRUTH`` is what the fit must find again.
"""

import json
import random
from pathlib import Path
from typing import Any

from i3d_bench.bench.capacity import Rates, Reading
from i3d_bench.bench.capacity_simulation import Demand, simulate
from i3d_export.profiles import load_profile

FPS = 30.0
CORES = (1, 2, 4, 8)
TRUTH = Rates(
    reading=Reading(serial_s=2e-5, parallel_s=1 / 700, cores_measured=CORES),
    device_s={"fp32": 1 / 900, "fp16": 1 / 1900, "int8": 1 / 3100},
    wire_s=1 / 9000,
    memory_s=None,
    shared_cores=None,
)
STARTS_IN_S = 2.5
READER, IN_TURN = 1.7, 1.3
VIDEOS = {"cage_1.mp4": 54_000, "cage_2.mp4": 108_000}


def invented_bench(*, noise: float = 0.0, cores: tuple[int, ...] = CORES) -> dict[str, Any]:
    """Return the document; every time is off by chance, by ``noise`` at most."""
    chance = random.Random(7)  # noqa: S311

    def times(seconds: float) -> dict[str, Any]:
        taken = sorted(seconds * (1 + chance.uniform(-noise, noise)) for _ in range(3))
        return {"seconds": taken, "median_s": taken[1], "q1_s": taken[0], "q3_s": taken[2]}

    return {
        "bench_version": 1,
        "invented": "for tests: nothing in this file was measured",
        "simulated": False,
        "machine": {"cpu": "INVENTED", "cores_usable": 8, "gpu": "INVENTED", "busy_warning": None},
        "server": {
            "address": "gpu.example:8443",
            "embedded": False,
            "version": "INVENTED",
            "engines": dict.fromkeys(TRUTH.device_s, "tensorrt"),
            "max_batch_size": {"fp32": 8, "fp16": 8, "int8": 8},
            "could_not_see": ["metrics: not through the gateway"],
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
        "contract": json.loads(load_profile("kinetics400").contract.to_json()),
        "model_base": "kinetics400",
        "precisions": list(TRUTH.device_s),
        "batch_wanted": 4,
        "repeats": 3,
        "cores": list(cores),
        "agreement": {},
        "runs": [
            {
                "pipeline": pipeline,
                "precision": precision,
                "cores": number,
                "video": name,
                "num_frames": frames,
                "windows": frames // 64,
                "batch": 4,
                "start_s": STARTS_IN_S if pipeline == "asynchronous" else 0.0,
                "device_busy": None,
                "client_processor_s": 0.0,
                **(run := times(_seconds(pipeline, precision, number, frames))),
                "seconds_per_video_hour": run["median_s"] * 3600 * FPS / frames,
            }
            for pipeline in ("synchronous", "parallel", "asynchronous", "tf_synchronous")
            for precision in (TRUTH.device_s if pipeline[0] != "t" else ("fp32",))
            for number in cores
            for name, frames in VIDEOS.items()
        ],
        "bounds": [
            {
                "bound": bound,
                "precision": precision,
                "cores": number,
                "video": "cage_1.mp4",
                "num_frames": 54_000,
                "frames_per_s": 1 / seconds,
                "seconds_per_video_hour": seconds * FPS * 3600,
                **times(54_000 * seconds),
            }
            for bound, precision, number, seconds in _bounds(cores)
        ],
        "timelines": [],
        "price": None,
    }


def write_bench(path: Path, document: dict[str, Any]) -> Path:
    """Write the document."""
    path.write_text(json.dumps(document))
    return path


def _seconds(pipeline: str, precision: str, cores: int, frames: int) -> float:
    device_s, wire_s = TRUTH.device_s[precision], TRUTH.wire_s or 0.0
    reading_s = TRUTH.reading.serial_s + TRUTH.reading.parallel_s / cores
    if pipeline == "asynchronous":
        (got,) = simulate(
            [Demand(name="client", in_flight=2 * cores, read_s=64 * reading_s)],
            request_s=64 * max(device_s, wire_s),
            counted_s=3000 * 64 * max(device_s, reading_s),
        )
        return STARTS_IN_S + frames / 64 / got.answered_per_s
    if pipeline != "parallel":
        reading_s = TRUTH.reading.serial_s + TRUTH.reading.parallel_s
    return frames * (READER * reading_s + IN_TURN * (device_s + wire_s))


def _bounds(cores: tuple[int, ...]) -> list[tuple[str, str | None, int, float]]:
    """Reading is split between its two bounds, four to one."""
    reading = TRUTH.reading
    bounds: list[tuple[str, str | None, int, float]] = [
        (bound, None, number, share * (reading.serial_s + reading.parallel_s / number))
        for bound, share in (("decoding", 0.8), ("preprocessing", 0.2))
        for number in cores
    ]
    bounds += [("inference", name, 8, seconds) for name, seconds in TRUTH.device_s.items()]
    bounds.append(("wire", None, 8, TRUTH.wire_s or 0.0))
    return bounds
