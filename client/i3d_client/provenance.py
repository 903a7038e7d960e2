"""What made a result, from what, and how complete it is: the content of ``run.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from i3d_client.contract import ModelContract
from i3d_client.printable import printable
from i3d_client.recording import Recording
from i3d_client.results import Tally
from i3d_client.triton import Model
from i3d_client.video import Video

_PACKAGES = ("i3d-triton", "av", "numpy", "opencv-python-headless", "tritonclient")


def describe_run(
    *,
    recording: Recording,
    tally: Tally,
    model: Model,
    contract: ModelContract,
    identity: Mapping[str, Any],
    options: Mapping[str, Any],
    problems: Sequence[str],
    warnings: Sequence[str],
    started_at: datetime,
    seconds: float,
    frames_before: int,
    frames_now: int,
) -> dict[str, Any]:
    """Return the document; ``docs/formats.md`` describes its fields."""
    headers = [video.num_frames_from_header for video in recording.videos]
    return {
        "complete": not problems,
        "problems": list(problems),
        "warnings": list(warnings),
        "videos": [
            _describe_video(video, content)
            for video, content in zip(recording.videos, identity["input"], strict=True)
        ],
        "frames": {
            "first": recording.first_frame,
            "from_header": None if None in headers else sum(map(int, headers)),  # type: ignore[arg-type]
            "in_file": sum(video.num_frames_expected for video in recording.videos),
            "hidden": sum(video.num_frames_hidden for video in recording.videos),
            "decoded": tally.decoded,
            "lost": tally.lost,
            "given_up": tally.num_frames - tally.decoded - tally.lost,
            "scored": tally.frames_scored,
            "unscored": tally.num_frames - tally.frames_scored,
            "padded": max(0, contract.clip_frames - tally.num_frames),
        },
        "windows": {
            "scored": tally.windows_scored,
            "unscored": tally.windows - tally.windows_scored,
        },
        "files": dict(tally.files),
        "model": {
            "name": model.name,
            "version": model.version,
            "engine": model.engine,
            "precision": model.precision,
            "contract": json.loads(contract.to_json()),
            "build": model.build,
        },
        "options": dict(options),
        "identity": dict(identity),
        "run": {
            "started_at": started_at.isoformat(timespec="seconds"),
            "seconds": round(seconds, 3),
            "frames": frames_now,
            "frames_by_earlier_runs": frames_before,
            "frames_per_s": round(frames_now / seconds, 3),
        },
        "packages": {name: version(name) for name in _PACKAGES},
    }


def _describe_video(video: Video, content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "path": printable(video.path.absolute()),
        "bytes": content["bytes"],
        "sha256": content["sha256"],
        "codec": video.codec,
        "pixel_format": video.pixel_format,
        "width": video.width,
        "height": video.height,
        "rotation": video.rotation,
        "fps": float(video.fps),
        "frames": video.num_frames_expected,
        "first_timestamp_s": video.first_timestamp_s,
        "timed_by": "frame rate" if video.timestamps is None else "presentation timestamps",
    }
