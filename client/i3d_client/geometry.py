"""A decoded picture at the model's geometry, without ever converting it at full size.

The planes of a YUV picture are scaled one by one (bilinear, OpenCV) and only the small picture is
converted to RGB; a grey model takes the luma plane alone. Against scaling an RGB picture this does
half the work or less on 4:2:0 video, and differs only where scaling and the clipping of
out-of-range colours do not commute.

The range (16–235 or 0–255) is the one that the video declares. The matrix is that of ITU-R BT.601-7
whatever the video declares, because that is what OpenCV's reader gives and so what the networks
were trained on (docs/decisions.md, "Colour").
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract

# Planar 8-bit formats whose planes are used as they are; all others go through swscale.
_PLANAR_YUV = frozenset(
    f"{prefix}{subsampling}p"
    for prefix in ("yuv", "yuvj")
    for subsampling in ("410", "411", "420", "422", "440", "444")
)
_GREY = frozenset({"gray", "gray8"})

_KR, _KB = 0.299, 0.114  # BT.601: Y = KR·R + (1 − KR − KB)·G + KB·B
_MPEG_RANGE, _JPEG_RANGE = 1, 2
_ROTATIONS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}


@dataclass(frozen=True)
class _Target:
    """Sizes in pixels for pictures of one size: scale to ``scaled``, cut ``rows`` × ``columns``."""

    scaled_width: int
    scaled_height: int
    rows: slice
    columns: slice


def to_geometry(
    frame: av.VideoFrame, out: NDArray[np.uint8], *, contract: ModelContract, rotation: int = 0
) -> None:
    """Write a decoded picture into ``out`` at the contract's geometry.

    Args:
        frame: any pixel format; 8-bit planar YUV and grey take the short way.
        out: (height, width, channels) uint8, C-contiguous; RGB order, or full-range luma.
        contract: resize rule and colour.
        rotation: degrees counter-clockwise by which the picture is to be turned: 0, 90, 180, 270.

    """
    turned = rotation % 180 == 90
    size = (frame.height, frame.width) if turned else (frame.width, frame.height)
    target = _target(*size, contract)
    name = frame.format.name
    if name in _PLANAR_YUV or name in _GREY:
        planes = _planes(frame, count=1 if contract.colour == "grey" or name in _GREY else 3)
        full_range = _is_full_range(frame)
        scaled = [_place(plane, target, rotation) for plane in planes]
        if len(scaled) == 3:
            cv2.transform(cv2.merge(scaled), _yuv_to_rgb(full_range), dst=out)
        else:
            _luma_to(scaled[0], out, full_range=full_range)
        return
    rgb = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    _rgb_to(_place(rgb, target, rotation), out)


def use_one_opencv_thread() -> None:
    """Keep OpenCV from sharing one plane among threads, for the whole process.

    Planes are small: at 640 × 272, one thread takes 61 ms of processor time for 64 frames, decoding
    included, and OpenCV's own choice of two takes 85. Commands call this; a library must not.
    """
    cv2.setNumThreads(1)


@functools.lru_cache(maxsize=64)
def _target(width: int, height: int, contract: ModelContract) -> _Target:
    rule = contract.resize
    if rule.short_side is None:
        scaled_width, scaled_height = contract.width, contract.height
    else:
        scale = rule.short_side / min(width, height)
        scaled_width = max(rule.short_side, round(width * scale))
        scaled_height = max(rule.short_side, round(height * scale))
    top = (scaled_height - contract.height) // 2
    left = (scaled_width - contract.width) // 2
    return _Target(
        scaled_width=scaled_width,
        scaled_height=scaled_height,
        rows=slice(top, top + contract.height),
        columns=slice(left, left + contract.width),
    )


def _planes(frame: av.VideoFrame, *, count: int) -> list[NDArray[np.uint8]]:
    """View the first planes of a picture, without copying: (plane height, plane width) uint8."""
    views = []
    for plane in frame.planes[:count]:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        views.append(rows[:, : plane.width])
    return views


def _place(picture: NDArray[np.uint8], target: _Target, rotation: int) -> NDArray[np.uint8]:
    """Scale, turn and cut one picture or plane."""
    size = (target.scaled_width, target.scaled_height)
    if rotation % 180 == 90:
        size = (target.scaled_height, target.scaled_width)
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
    if rotation:
        scaled = cv2.rotate(scaled, _ROTATIONS[rotation])
    placed: NDArray[np.uint8] = scaled[target.rows, target.columns]  # type: ignore[assignment]
    return placed


def _is_full_range(frame: av.VideoFrame) -> bool:
    """Say whether luma runs from 0 to 255: as declared, else by the pixel format."""
    declared = int(frame.color_range)
    if declared in (_MPEG_RANGE, _JPEG_RANGE):
        return declared == _JPEG_RANGE
    return frame.format.name.startswith("yuvj") or frame.format.name in _GREY


@functools.lru_cache(maxsize=2)
def _yuv_to_rgb(full_range: bool) -> NDArray[np.float32]:
    """Return the (3, 4) matrix from (Y, U, V, 1) in bytes to (R, G, B) in bytes."""
    luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
    red_v = 2 * (1 - _KR) * chroma
    blue_u = 2 * (1 - _KB) * chroma
    green = 1 - _KR - _KB
    matrix = np.array(
        [
            [luma, 0, red_v, 0],
            [luma, -blue_u * _KB / green, -red_v * _KR / green, 0],
            [luma, blue_u, 0, 0],
        ]
    )
    matrix[:, 3] = -matrix[:, :3] @ (black, 128.0, 128.0)
    return matrix.astype(np.float32)


@functools.lru_cache(maxsize=1)
def _limited_to_full() -> NDArray[np.uint8]:
    return ((np.arange(256) - 16) * (255 / 219)).round().clip(0, 255).astype(np.uint8)


def _luma_to(luma: NDArray[np.uint8], out: NDArray[np.uint8], *, full_range: bool) -> None:
    grey = luma if full_range else cv2.LUT(luma, _limited_to_full())
    out[...] = np.asarray(grey)[:, :, np.newaxis]


def _rgb_to(rgb: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    if out.shape[2] == 3:
        out[...] = rgb
    else:
        out[..., 0] = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
