"""Results of known content: written by the client's own code, or held in memory."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame, ModelContract, Normalisation, Resize
from i3d_client.frame_status import Status
from i3d_client.results import write_run, write_tables
from i3d_client.spans import SpanResult
from i3d_client.windows import WindowGrid
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.smoothing import NO_SMOOTHING, Smoothing

HOMECAGE9 = ("drink", "eat", "groom", "hang", "sniff", "rear", "rest", "walk", "eathand")
SHARES = {
    "rest": 0.388,
    "sniff": 0.189,
    "groom": 0.155,
    "eat": 0.117,
    "eathand": 0.059,
    "rear": 0.045,
    "hang": 0.022,
    "walk": 0.014,
    "drink": 0.013,
}


def frame_times_us(num_frames: int, fps: Fraction) -> NDArray[np.int64]:
    """When each of so many frames is shown, and the end: (num_frames + 1,) int64."""
    ticks = np.arange(num_frames + 1, dtype=np.float64)
    return np.rint(ticks * fps.denominator / fps.numerator * 1e6).astype(np.int64)


def random_bouts(
    duration_s: float, *, seed: int = 0, labels: Sequence[str] = HOMECAGE9, mean_s: float = 6.0
) -> list[tuple[str, float]]:
    """Bouts of exponential length, in the time shares of real mice, rest being longer."""
    random = np.random.default_rng(seed)
    shares = np.array([SHARES.get(label, 0.01) for label in labels])
    lengths = np.where(np.array(labels) == "rest", 60.0, mean_s)
    chances = shares / lengths
    bouts: list[tuple[str, float]] = []
    left, before = duration_s, -1
    while left > 0:
        likely = chances.copy()
        likely[before if before >= 0 else 0] *= before < 0
        before = int(random.choice(len(labels), p=likely / likely.sum()))
        length = min(left, 0.2 + float(random.exponential(lengths[before])))
        bouts.append((labels[before], length))
        left -= length
    return bouts


def contract_of(
    labels: Sequence[str], *, stride: int = 1, label_frame: LabelFrame = "last"
) -> ModelContract:
    return ModelContract(
        profile="tiny",
        height=32,
        width=32,
        colour="grey",
        clip_frames=16,
        stride=stride,
        windows_per_segment=2,
        resize=Resize(rule="stretch"),
        normalisation=Normalisation(divide_by=127.5, add=-1.0),
        labels=tuple(labels),
        label_frame=label_frame,
        trained_fps=30.0,
    )


def write_recording(
    out: Path,
    name: str = "mouse.mp4",
    *,
    bouts: Sequence[tuple[str, float]] | None = None,
    labels: Sequence[str] = HOMECAGE9,
    num_frames: int = 900,
    fps: Fraction = Fraction(30),
    times_us: NDArray[np.int64] | None = None,
    first_frame: int = 0,
    stride: int = 1,
    label_frame: LabelFrame = "last",
    lost_frames: Sequence[int] = (),
    given_up: tuple[int, int] | None = None,
    seed: int = 0,
    video: Path | None = None,
    model_name: str = "homecage9_fp32",
) -> Path:
    """Write a recording's results below ``out`` as ``i3d classify`` does; return its folder.

    Args:
        bouts: label and seconds, one after another; the last goes on to the end. None: random.
        times_us: (num_frames + 1,) in place of those of ``fps``.
        lost_frames: that could not be decoded, counted from the first classified one.
        given_up: segments ``[first, stop)`` of a span that was given up.
        video: path that run.json names; it need not be there.
    """
    contract = contract_of(labels, stride=stride, label_frame=label_frame)
    grid = WindowGrid(num_frames, contract.clip_frames, contract.stride)
    times = frame_times_us(num_frames, fps) if times_us is None else times_us
    probabilities = _probabilities(grid, contract, times, bouts, seed)
    lost = np.array(sorted(lost_frames), np.int64)
    starts, stops = grid.starts(0, grid.count), grid.stops(0, grid.count)
    scored = np.searchsorted(lost, starts) == np.searchsorted(lost, stops)
    spans = _spans(grid, contract, probabilities, scored, lost, given_up)
    folder = out / name
    tally = write_tables(
        folder,
        spans=lambda: iter(spans),
        grid=grid,
        times_us=lambda first, stop: times[first:stop],
        contract=contract,
        first_frame=first_frame,
    )
    run = _run(contract, num_frames, fps, first_frame, video or Path("/videos") / name, model_name)
    frames = run["frames"]
    frames.update(scored=tally.frames_scored, unscored=num_frames - tally.frames_scored)
    frames.update(decoded=tally.decoded, lost=tally.lost)
    frames.update(given_up=num_frames - tally.decoded - tally.lost)
    write_run(folder, {**run, "files": tally.files})
    return folder


def make_ethogram(
    bouts: Sequence[tuple[str | Status, float]],
    *,
    labels: Sequence[str] = HOMECAGE9,
    fps: Fraction = Fraction(30),
    name: str = "mouse.mp4",
    recorded_at: datetime | None = None,
    smoothing: Smoothing = NO_SMOOTHING,
    first_frame: int = 0,
    video: Path | None = None,
    model_name: str = "homecage9_fp32",
) -> Ethogram:
    """Return an ethogram of these bouts, in seconds; a ``Status`` in place of a label is unscored.

    Every bout is at least a frame; neighbours must differ.
    """
    seconds = np.cumsum([length for _, length in bouts])
    stops = np.maximum(np.rint(seconds * float(fps)), np.arange(1, len(bouts) + 1)).astype(int)
    first_frames = np.concatenate([[0], np.maximum.accumulate(stops)])
    times = frame_times_us(int(first_frames[-1]), fps)
    labels = tuple(labels)
    codes = [UNSCORED if isinstance(what, Status) else labels.index(what) for what, _ in bouts]
    statuses = [what if isinstance(what, Status) else Status.SCORED for what, _ in bouts]
    scores = np.where(np.array(codes) == UNSCORED, np.nan, 0.9)
    num_frames = int(first_frames[-1])
    contract = contract_of(labels)
    path = video or Path("/videos") / name
    return Ethogram(
        name=name,
        labels=labels,
        first_frames=first_frames + first_frame,
        times_us=times[first_frames],
        codes=np.array(codes, np.int16),
        statuses=np.array(statuses, np.uint8),
        scores=scores,
        fps=float(fps),
        recorded_at=recorded_at,
        smoothing=smoothing,
        run=_run(contract, num_frames, fps, first_frame, path, model_name),
    )


def _probabilities(
    grid: WindowGrid,
    contract: ModelContract,
    times_us: NDArray[np.int64],
    bouts: Sequence[tuple[str, float]] | None,
    seed: int,
) -> NDArray[np.float32]:
    labels = contract.labels
    duration_s = float(times_us[-1] - times_us[0]) / 1e6
    if bouts is None:
        bouts = random_bouts(duration_s, seed=seed, labels=labels)
    ends_us = times_us[0] + np.rint(np.cumsum([s for _, s in bouts]) * 1e6).astype(np.int64)
    last_frames = grid.stops(0, grid.count) - 1
    bout = np.searchsorted(ends_us, times_us[last_frames], side="right").clip(0, len(bouts) - 1)
    best = np.array([labels.index(label) for label, _ in bouts])[bout]
    random = np.random.default_rng(seed)
    rest = random.random((grid.count, len(labels)), np.float32)
    rest[np.arange(grid.count), best] = 0
    top = random.uniform(0.55, 0.99, grid.count).astype(np.float32)
    rest *= ((1 - top) / np.maximum(rest.sum(axis=1), 1e-6))[:, np.newaxis]
    rest[np.arange(grid.count), best] = top
    return rest


def _spans(
    grid: WindowGrid,
    contract: ModelContract,
    probabilities: NDArray[np.float32],
    scored: NDArray[np.bool_],
    lost: NDArray[np.int64],
    given_up: tuple[int, int] | None,
) -> list[SpanResult]:
    per_segment = contract.windows_per_segment
    cuts = sorted({0, grid.num_segments(per_segment), *(given_up or ())})
    spans = []
    for first, stop in pairwise(cuts):
        a, b = grid.windows_of_segments(first, stop, per_segment)
        start_frame, stop_frame = grid.frames_of_segments(first, stop, per_segment)
        here = lost[(lost >= start_frame) & (lost < stop_frame)]
        result = SpanResult(
            first_segment=first,
            stop_segment=stop,
            probabilities=np.where(scored[a:b, np.newaxis], probabilities[a:b], 0),
            scored=scored[a:b],
            decoded=stop_frame - start_frame - len(here),
            lost_frames=here,
        )
        if (first, stop) == given_up:
            result = replace(
                result,
                probabilities=np.zeros_like(result.probabilities),
                scored=np.zeros_like(result.scored),
                decoded=0,
                lost_frames=np.empty(0, np.int64),
                failed=True,
            )
        spans.append(result)
    return spans


def _content(video: Path) -> dict[str, Any]:
    """Return the size and checksum of a video; of one that is not there, some."""
    if not video.is_file():
        return {"bytes": 1, "sha256": "0" * 64}
    content = video.read_bytes()
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _run(
    contract: ModelContract,
    num_frames: int,
    fps: Fraction,
    first_frame: int,
    video: Path,
    model_name: str,
) -> dict[str, Any]:

    return {
        "complete": True,
        "problems": [],
        "warnings": [],
        "videos": [
            {
                "path": str(video),
                **_content(video),
                "codec": "h264",
                "pixel_format": "yuv420p",
                "width": 64,
                "height": 48,
                "rotation": 0,
                "fps": float(fps),
                "frames": num_frames,
                "first_timestamp_s": 0.0,
                "timed_by": "presentation timestamps",
            }
        ],
        "frames": {
            "first": first_frame,
            "from_header": num_frames,
            "in_file": num_frames,
            "hidden": 0,
            "decoded": num_frames,
            "lost": 0,
            "given_up": 0,
            "scored": num_frames,
            "unscored": 0,
            "padded": 0,
        },
        "windows": {"scored": num_frames, "unscored": 0},
        "files": {},
        "model": {
            "name": model_name,
            "version": "1",
            "engine": "openvino",
            "precision": "fp32",
            "contract": json.loads(contract.to_json()),
            "build": {"onnx_sha256": "0" * 64},
        },
        "options": {"server": "localhost:8001"},
        "identity": {},
        "run": {
            "started_at": "2026-11-25T10:00:00+00:00",
            "seconds": 10.0,
            "frames": num_frames,
            "frames_by_earlier_runs": 0,
            "frames_per_s": num_frames / 10,
        },
        "packages": {"i3d-triton": "0.1.0"},
    }
