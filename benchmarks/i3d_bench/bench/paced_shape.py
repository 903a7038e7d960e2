"""Run times over many readers, each with a set time a frame, and a device with one a window.

Both sleep, so neither a busy machine nor one with few cores changes what comes out: everything that
is left is how a pipeline puts its parts together. SIMULATED are the device and what a frame takes;
real are the clients, the video, gRPC and Triton. ``shape`` says what it is for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from i3d_bench.bench.agreement import require_close
from i3d_bench.bench.asynchronous import run_asynchronous
from i3d_bench.bench.pipeline_run import Outcome, Run
from i3d_bench.bench.subject import take_subject
from i3d_bench.bench.synchronous import run_parallel, run_synchronous
from i3d_bench.overlap import CONTRACT as OVERLAP_CONTRACT
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.access import Access
from i3d_client.contract import ModelContract, Resize
from i3d_client.options import usable_cores

_PIPELINES: dict[str, Callable[[Run], Outcome]] = {
    "synchronous": run_synchronous,
    "parallel": run_parallel,
    "asynchronous": run_asynchronous,
}
_BATCH_WINDOWS = 4
CONTRACT = dataclasses.replace(
    OVERLAP_CONTRACT,
    profile="simulated_small",
    height=32,
    width=64,
    clip_frames=16,
    stride=8,
    windows_per_segment=2,
    resize=Resize(rule="stretch"),
)
"""Small frames, so that copying them takes no time beside what is simulated."""


def measure_paced(
    video: Path,
    *,
    contract: ModelContract,
    frame_s: float,
    device_over_loading: float,
    readers: Sequence[int],
    pipelines: Sequence[str] = tuple(_PIPELINES),
    repeats: int = 1,
) -> dict[str, Any]:
    """Run each pipeline with each number of readers.

    Args:
        video: a file, whose real decoding must take much less than ``frame_s``.
        contract: of the simulated model.
        frame_s: that a reader takes for a frame.
        device_over_loading: how long the device takes for all windows, over one reader for all
            frames.
        readers: numbers of them.
        pipelines: which of the three.
        repeats: of which the quickest counts: a busy machine only adds.

    Returns:
        ``seconds`` of every pipeline by readers, from the first frame that is read to the last
        answer, so without the start of processes; what the parts alone would take; and each over
        what the pipeline's parts come to.
    """
    subject = take_subject(video, contract, windows=None)
    loading_s = subject.num_frames * frame_s
    device_s = device_over_loading * loading_s
    batch = max(1, _BATCH_WINDOWS // contract.windows_per_segment)
    with simulated_accelerator(
        contract=contract, seconds_per_window=device_s / subject.windows
    ) as address:

        def seconds_of(name: str, count: int) -> float:
            run = Run(
                subject=subject,
                access=Access(server=address),
                model=MODEL_NAME,
                cores=usable_cores(),
                batch_segments=batch,
                request_segments=batch,
                traced=True,
                readers=count,
                frame_s=frame_s,
            )
            return _working_s(_PIPELINES[name](run))

        if pipelines[0] != "asynchronous":  # which is a new process every time
            seconds_of(pipelines[0], max(readers))  # warms up
        seconds = {
            name: {
                str(count): round(min(seconds_of(name, count) for _ in range(repeats)), 3)
                for count in readers
            }
            for name in pipelines
        }
    expected = {
        "synchronous": {str(n): loading_s + device_s for n in readers},
        "parallel": {str(n): loading_s / n + device_s for n in readers},
        "asynchronous": {str(n): max(loading_s / n, device_s) for n in readers},
    }
    return {
        "what": "run times over readers; the accelerator and what a frame takes are SIMULATED",
        "num_frames": subject.num_frames,
        "windows": subject.windows,
        "frame_seconds": frame_s,
        "loading_seconds_with_one_reader": round(loading_s, 3),
        "device_seconds": round(device_s, 3),
        "seconds": seconds,
        "over_expected": {
            name: {count: round(value / expected[name][count], 3) for count, value in by.items()}
            for name, by in seconds.items()
        },
    }


def _working_s(outcome: Outcome) -> float:
    expected = np.zeros_like(outcome.probabilities)
    expected[:, 0] = 1
    require_close(expected, outcome.probabilities, limit=0, of="the simulated device")
    starts = [one.start_ns for one in outcome.intervals if one.what in ("load", "decode")]
    stops = [one.stop_ns for one in outcome.intervals if one.what == "request"]
    return (max(stops) - min(starts)) / 1e9
