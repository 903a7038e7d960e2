"""What made a result, from what, and how complete it is: the content of ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from i3d_client.contract import ModelContract
from i3d_client.results import Ethogram
from i3d_client.triton import Model
from i3d_client.video import DecodeCounts, Video

_PACKAGES = ("i3d-triton", "av", "numpy", "opencv-python-headless", "tritonclient")


def describe_run(
    *,
    video: Video,
    counts: DecodeCounts,
    ethogram: Ethogram,
    model: Model,
    contract: ModelContract,
    options: Mapping[str, Any],
    problems: Sequence[str],
    warnings: Sequence[str],
    started_at: datetime,
    seconds: float,
) -> dict[str, Any]:
    """Return the document; ``docs/formats.md`` describes its fields."""
    scored = ethogram.num_frames_scored
    windows_scored = sum(window.probabilities is not None for window in ethogram.windows)
    return {
        "complete": not problems,
        "problems": list(problems),
        "warnings": list(warnings),
        "video": _describe_video(video),
        "frames": {
            "from_header": video.num_frames_from_header,
            "in_file": video.num_frames_expected,
            "hidden": video.num_frames_hidden,
            "decoded": counts.decoded,
            "lost": counts.lost,
            "scored": scored,
            "unscored": counts.num_frames - scored,
            "padded": max(0, contract.clip_frames - counts.num_frames),
        },
        "windows": {
            "scored": windows_scored,
            "unscored": len(ethogram.windows) - windows_scored,
        },
        "model": {
            "name": model.name,
            "version": model.version,
            "engine": model.engine,
            "precision": model.precision,
            "contract": json.loads(contract.to_json()),
            "build": model.build,
        },
        "options": dict(options),
        "run": {
            "started_at": started_at.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "frames_per_s": round(counts.num_frames / seconds, 3),
        },
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _describe_video(video: Video) -> dict[str, Any]:
    return {
        "path": str(video.path.resolve()),
        "size_bytes": video.path.stat().st_size,
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "fps": float(video.fps),
        "first_timestamp_s": video.first_timestamp_s,
        "timed_by": "frame rate" if video.timestamps is None else "presentation timestamps",
    }
