"""Seconds of repeated measurements, and what is made of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from i3d_bench.bench.bench_results import per_video_hour
from i3d_bench.bench.plan import Configuration
from i3d_bench.bench.subject import Subject


@dataclass
class Timed:
    """What was measured of one thing, a value a repeat."""

    seconds: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    device_busy: list[float] = field(default_factory=list)
    other_segments: list[int] = field(default_factory=list)


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Return the seconds with their median and quartiles."""
    q1, median, q3 = np.percentile(seconds, [25, 50, 75])
    return {
        "seconds": [round(value, 4) for value in seconds],
        "median_s": round(float(median), 4),
        "q1_s": round(float(q1), 4),
        "q3_s": round(float(q3), 4),
    }


def run_entry(
    configuration: Configuration, subject: Subject, timed: Timed, *, batch: int, request: int | None
) -> dict[str, Any]:
    """Return one of bench.json's ``runs``."""
    found = summary(timed.seconds)
    others = timed.other_segments
    busy = [] if any(others) else timed.device_busy
    start_s = round(statistics.median(timed.start_s), 3)
    return {
        "pipeline": configuration.pipeline,
        "precision": configuration.precision,
        "cores": configuration.cores,
        "video": subject.video.name,
        "num_frames": subject.num_frames,
        "windows": subject.windows,
        "batch": batch,
        "request_windows": request,
        **found,
        "start_s": start_s,
        "seconds_per_video_hour": round(found["median_s"] / subject.hours, 3),
        "seconds_per_video_hour_start_once": round(
            per_video_hour(found["median_s"], start_s=start_s, video_hours=subject.hours), 3
        ),
        "device_busy": round(min(1.0, statistics.median(busy)), 4) if busy else None,
        "client_processor_s": round(statistics.median(timed.processor_s), 3),
        "other_segments": sum(map(abs, others)) if others else None,
    }


def bound_entry(
    bound: str, precision: str | None, cores: int, subject: Subject, seconds: Sequence[float]
) -> dict[str, Any]:
    """Return one of bench.json's ``bounds``."""
    found = summary(seconds)
    return {
        "bound": bound,
        "precision": precision,
        "cores": cores,
        "video": subject.video.name,
        "num_frames": subject.num_frames,
        **found,
        "frames_per_s": round(subject.num_frames / found["median_s"], 2),
        "seconds_per_video_hour": round(found["median_s"] / subject.hours, 3),
    }
