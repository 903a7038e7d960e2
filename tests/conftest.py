"""Videos whose frames carry their own number, made anew for each test that asks."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import settings

from i3d_bench.number_network import numbered_picture

settings.register_profile("any_machine", deadline=None, derandomize=True)
settings.load_profile("any_machine")

MakeVideo = Callable[..., Path]


def read_number(picture: np.ndarray) -> int:
    """Read what ``numbered_picture`` drew from (height, width, channels)."""
    height, width = picture.shape[:2]
    blocks = picture[..., 0].reshape(4, height // 4, 4, width // 4).mean(axis=(1, 3))
    return sum(1 << bit for bit, level in enumerate(blocks.ravel()) if level > 128)


def write_video(
    path: Path,
    num_frames: int,
    *,
    rate: Fraction | int = 30,
    ticks: Sequence[int] | None = None,
    time_base: Fraction | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    width: int = 128,
    height: int = 128,
    gop: int = 12,
    b_frames: int = 0,
    rotation: int = 0,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
    picture: Callable[[int], np.ndarray] | None = None,
) -> Path:
    """Write a video of numbered frames."""
    draw = picture or (lambda n: numbered_picture(n, width=width, height=height))
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = b_frames
        stream.codec_context.options = options or {}
        unit = time_base or 1 / Fraction(rate)
        stream.codec_context.time_base = unit
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            frame.pts = number if ticks is None else ticks[number]
            frame.time_base = unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Return a function that writes a video of numbered frames, as ``write_video``."""

    def make(num_frames: int, *, name: str = "numbered.mp4", **options: Any) -> Path:
        return write_video(tmp_path / name, num_frames, **options)

    return make
