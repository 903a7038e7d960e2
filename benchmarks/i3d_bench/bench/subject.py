"""The part of a video that every pipeline classifies: its first windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract
from i3d_client.recording import open_recording
from i3d_client.windows import WindowGrid


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The first windows of a video.

    Attributes:
        video: the file.
        fps: frames per second.
        num_frames: that the windows cover, from the first frame on.
        windows: how many; none of them is the tail.
        stop_s: between the last frame that counts and the next one; None if there is no next one.
        contract: of the models.
    """

    video: Path
    fps: float
    num_frames: int
    windows: int
    stop_s: float | None
    contract: ModelContract

    @property
    def segments(self) -> int:
        """That carry the windows."""
        return -(-self.windows // self.contract.windows_per_segment)

    @property
    def hours(self) -> float:
        """That the frames last."""
        return self.num_frames / self.fps / 3600


def take_subject(video: Path, contract: ModelContract, *, windows: int | None) -> Subject:
    """Take the first ``windows`` windows of a video, or fewer if it has no more; None: all.

    Raises:
        VideoError: the video cannot be read.
    """
    recording = open_recording((video,))
    grid = WindowGrid(recording.num_frames, contract.clip_frames, contract.stride)
    count = grid.num_regular if windows is None else min(windows, grid.num_regular)
    num_frames = min(recording.num_frames, contract.clip_frames + (count - 1) * contract.stride)
    stop_s = None
    if num_frames < recording.num_frames:
        last, after = recording.times_s(num_frames - 1, num_frames + 1)
        stop_s = float(last + after) / 2
    return Subject(
        video=video,
        fps=float(recording.fps),
        num_frames=num_frames,
        windows=count,
        stop_s=stop_s,
        contract=contract,
    )


def video_facts(video: Path) -> dict[str, Any]:
    """Return what bench.json says of a whole video.

    Raises:
        VideoError: it cannot be read.
    """
    recording = open_recording((video,))
    header = recording.videos[0]
    return {
        "name": video.name,
        "num_frames": recording.num_frames,
        "fps": round(float(recording.fps), 4),
        "seconds": round(float(header.duration_s), 3),
        "width": header.width,
        "height": header.height,
        "codec": header.codec,
    }
