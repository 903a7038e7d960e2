"""A decoded picture at the model's geometry, without ever converting it at full size.

The planes of a picture are scaled one by one (bilinear, OpenCV), of each only the part that is
kept, and only the small picture is converted to RGB; a grey model takes the luma plane alone.
Against scaling an RGB picture this does half the work or less on 4:2:0 video, and differs only
where scaling and the clipping of out-of-range colours do not commute.

The range (16–235 or 0–255) is the one that the video declares. The matrix is that of ITU-R BT.601-7
whatever the video declares, because that is what OpenCV's reader gives and so what the networks
were trained on (docs/decisions.md, "Colour").
"""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import av
import cv2
import numpy as np
from av.video.plane import VideoPlane
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from i3d_client.contract import Colour, ModelContract

GEOMETRY_VERSION = 2  # another number wherever pixels may come out otherwise than before

_KR, _KB = 0.299, 0.114  # BT.601: Y = KR·R + (1 − KR − KB)·G + KB·B
_MPEG_RANGE, _JPEG_RANGE = 1, 2
_MOVED = 1 / 32
_ROTATIONS = {
    90: cv2.ROTATE_90_COUNTERCLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_CLOCKWISE,
}


class Geometry:
    """Brings the pictures of one video to a contract's geometry.

    It keeps its buffers from picture to picture, and makes them anew only if the pixel format, the
    size or the range changes: one thread at a time may use it. What it wrote stays as it is.

    Args:
        contract: resize rule and colour.
        rotation: degrees counter-clockwise by which pictures are to be turned: 0, 90, 180, 270.

    """

    def __init__(self, contract: ModelContract, *, rotation: int = 0) -> None:
        self._contract = contract
        self._rotation = rotation
        self._path: _Path | None = None

    def write(self, frame: av.VideoFrame, out: NDArray[np.uint8]) -> None:
        """Write a decoded picture into ``out``.

        Args:
            frame: any pixel format. Planar and semi-planar YUV, grey and RGB (8 to 16 bits) are
                read as they are; others are scaled and converted by swscale in one go, which
                averages where OpenCV samples.
            out: (height, width, channels) uint8, C-contiguous, 0 … 255; RGB order, or full-range
                luma.

        """
        name = frame.format.name
        source = _Source(name, frame.width, frame.height, _is_full_range(frame, name))
        if self._path is None or self._path.source != source:
            self._path = _Path(source, frame, self._contract, self._rotation)
        self._path.write(frame, out)


def to_geometry(
    frame: av.VideoFrame, out: NDArray[np.uint8], *, contract: ModelContract, rotation: int = 0
) -> None:
    """Write one picture into ``out``, with a ``Geometry`` kept by each thread for the next.

    Args:
        frame: any pixel format, as in ``Geometry.write``.
        out: (height, width, channels) uint8, C-contiguous; RGB order, or full-range luma.
        contract: resize rule and colour.
        rotation: degrees counter-clockwise by which the picture is to be turned: 0, 90, 180, 270.

    """
    kept = _kept_by_this_thread
    if kept.contract is not contract or kept.rotation != rotation:
        kept.contract, kept.rotation = contract, rotation
        kept.geometry = Geometry(contract, rotation=rotation)
    kept.geometry.write(frame, out)


class _Kept(threading.local):
    contract: ModelContract | None = None
    rotation: int = 0
    geometry: Geometry


_kept_by_this_thread = _Kept()


def use_one_opencv_thread() -> None:
    """Keep OpenCV from sharing one plane among threads, for the whole process.

    Planes are small: at 640 × 272, one thread takes 61 ms of processor time for 64 frames, decoding
    included, and OpenCV's own choice of two takes 85. Commands call this; a library must not.
    """
    cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class _Source:
    pixel_format: str
    width: int
    height: int
    full_range: bool


@dataclass(frozen=True)
class _Layout:
    """How a pixel format lies in memory.

    Attributes:
        order: what the channels of all planes are, in order; 0 and A are left out of the result.
        channels: of each plane that is read.
        bits: of a value; above 8 it takes two bytes.
    """

    order: str
    channels: tuple[int, ...]
    bits: int = 8

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint8 if self.bits == 8 else np.uint16)

    @property
    def luma(self) -> _Layout:
        """The luma plane alone, where there is one."""
        return _Layout("Y", (1,), self.bits) if self.order[0] == "Y" else self


def _known_layouts() -> dict[str, _Layout]:
    planar = {"gray": ("Y", (1,)), "gbrp": ("GBR", (1, 1, 1)), "gbrap": ("GBR", (1, 1, 1))}
    for subsampling in ("410", "411", "420", "422", "440", "444"):
        for prefix in ("yuv", "yuvj", "yuva"):
            planar[f"{prefix}{subsampling}p"] = ("YUV", (1, 1, 1))
    layouts = {name: _Layout(*planes) for name, planes in planar.items()}
    for bits in (9, 10, 12, 14, 16):
        layouts |= {f"{name}{bits}le": _Layout(*planes, bits) for name, planes in planar.items()}
    layouts |= {name: _Layout("YUV", (1, 2)) for name in ("nv12", "nv16", "nv24")}
    layouts |= {name: _Layout("YVU", (1, 2)) for name in ("nv21", "nv42")}
    for subsampling in "024":  # the value is in the upper bits
        for bits in (10, 12, 16):
            layouts[f"p{subsampling}{bits}le"] = _Layout("YUV", (1, 2), 16)
    for order in ("rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr"):
        layouts[order] = _Layout(order.upper(), (4,))
    return layouts | {"rgb24": _Layout("RGB", (3,)), "bgr24": _Layout("BGR", (3,))}


_LAYOUTS = _known_layouts()


class _Path:
    """The steps from pictures of one kind to the geometry, with a buffer after each."""

    def __init__(
        self, source: _Source, frame: av.VideoFrame, contract: ModelContract, rotation: int
    ) -> None:
        self.source = source
        self._rotation = rotation
        width, height, rows, columns = _kept_part(source, contract, rotation)
        layout = _LAYOUTS.get(source.pixel_format)
        self._reformat: Callable[[av.VideoFrame], av.VideoFrame] | None = None
        if layout is None or any(plane.line_size < 0 for plane in frame.planes):
            layout = _LAYOUTS["rgb24"]
            self._reformat = _to_small_rgb(width, height)
            frame = self._reformat(frame)
        if contract.colour == "grey":
            layout = layout.luma
        self._matrix = _matrix(layout.order, contract.colour, source.full_range)
        self._scalers = [
            _Scaler(
                _cut(plane.height, height, rows),
                _cut(plane.width, width, columns),
                channels,
                layout,
            )
            for plane, channels in zip(frame.planes, layout.channels, strict=False)
        ]
        size = (rows.stop - rows.start, columns.stop - columns.start)
        self._merged = np.empty((*size, len(layout.order)), np.uint8)
        self._unturned = np.empty((*size, contract.channels), np.uint8) if rotation else None

    def write(self, frame: av.VideoFrame, out: NDArray[np.uint8]) -> None:
        if self._reformat is not None:
            frame = self._reformat(frame)
        planes = zip(self._scalers, frame.planes, strict=False)
        scaled = [scaler.scale(plane) for scaler, plane in planes]
        merged = scaled[0] if len(scaled) == 1 else cv2.merge(scaled, self._merged)
        if self._unturned is None:
            cv2.transform(merged, self._matrix, out)
        else:
            cv2.transform(merged, self._matrix, self._unturned)
            cv2.rotate(self._unturned, _ROTATIONS[self._rotation], out)


def _to_small_rgb(width: int, height: int) -> Callable[[av.VideoFrame], av.VideoFrame]:
    """Return what scales a picture of any format to ``rgb24``, with one context for all."""
    return functools.partial(
        VideoReformatter().reformat,
        width=width,
        height=height,
        format="rgb24",
        interpolation="BILINEAR",
    )


@dataclass(frozen=True)
class _Cut:
    """Rows or columns of a plane, which ones are scaled and which of the result are kept.

    Attributes:
        start, stop: of the plane.
        scaled: how many they become.
        kept: of those.
    """

    start: int
    stop: int
    scaled: int
    kept: slice

    @property
    def halves(self) -> bool:
        """Whether two become one."""
        return self.stop - self.start == 2 * self.scaled


def _cut(source: int, scaled: int, kept: slice) -> _Cut:
    """Find the smallest part of a plane from which ``kept`` comes out as from the whole plane.

    A part becomes a whole number of pixels, so its scale need not be quite that of the whole:
    allowed is what moves no sampling position by more than ``_MOVED`` pixels of the plane. The
    whole plane moves none.
    """
    pitch = source / scaled  # of sampling positions
    first, last = ((pixel + 0.5) * pitch - 0.5 for pixel in (kept.start, kept.stop - 1))
    starts = np.arange(max(0, math.floor(first)) + 1)[:, None]
    stops = np.arange(min(source, math.floor(last) + 2), source + 1)[None]
    lengths = np.rint((stops - starts) / pitch)
    before = np.rint(starts / pitch)  # pixels of the whole that come before the part's
    moved = np.zeros(lengths.shape)
    for pixel, position in ((kept.start, first), (kept.stop - 1, last)):
        inside = (pixel - before + 0.5) * (stops - starts) / lengths
        moved = np.maximum(moved, np.abs(starts + inside - 0.5 - position))
    usable = (moved <= _MOVED) & (before <= kept.start) & (before + lengths >= kept.stop)
    work = np.where(usable, lengths * source + stops - starts, np.inf)
    i, j = np.unravel_index(np.argmin(work), work.shape)
    left = round(before[i, 0])
    return _Cut(
        start=int(starts[i, 0]),
        stop=int(stops[0, j]),
        scaled=round(lengths[i, j]),
        kept=slice(kept.start - left, kept.stop - left),
    )


class _Scaler:
    """Scales planes of one kind to bytes; what it returns holds until the next one."""

    def __init__(self, rows: _Cut, columns: _Cut, channels: int, layout: _Layout) -> None:
        self._rows, self._columns = rows, columns
        self._dtype = layout.dtype
        item = self._dtype.itemsize
        more = (channels,) if channels > 1 else ()
        self._shape = (rows.stop - rows.start, columns.stop - columns.start, *more)
        self._strides = (item * channels, item)[: 1 + len(more)]
        self._scaled: NDArray[np.uint8] | NDArray[np.uint16] = np.empty(
            (rows.scaled, columns.scaled, *more), self._dtype
        )
        self._kept = (rows.kept, columns.kept)
        self._size = (columns.scaled, rows.scaled)
        self._by_ipp = not (rows.halves and columns.halves)  # OpenCV's own is quicker at that
        self._to_byte = 2.0 ** (8 - layout.bits)
        size = (rows.kept.stop - rows.kept.start, columns.kept.stop - columns.kept.start)
        self._bytes = np.empty((*size, *more), np.uint8)

    def scale(self, plane: VideoPlane) -> NDArray[np.uint8]:
        """Return the kept part: (height, width) or (height, width, channels), uint8."""
        line = plane.line_size
        view: NDArray[Any] = np.ndarray(
            self._shape,
            self._dtype,
            buffer=memoryview(plane),
            offset=self._rows.start * line + self._columns.start * self._strides[0],
            strides=(line, *self._strides),
        )
        before = cv2.ipp.useIPP_NotExact()  # of this thread alone
        cv2.ipp.setUseIPP_NotExact(self._by_ipp)
        try:
            scaled = cv2.resize(view, self._size, self._scaled, interpolation=cv2.INTER_LINEAR)
        finally:
            cv2.ipp.setUseIPP_NotExact(before)
        scaled = scaled[self._kept]
        if self._dtype != np.uint8:
            scaled = cv2.convertScaleAbs(scaled, self._bytes, self._to_byte)
        return cast("NDArray[np.uint8]", scaled)


def _kept_part(
    source: _Source, contract: ModelContract, rotation: int
) -> tuple[int, int, slice, slice]:
    """Return the width and height to scale to, and the rows and columns of it that are kept.

    All before the picture is turned.
    """
    size = (contract.width, contract.height)
    if rotation % 180 == 90:
        size = (contract.height, contract.width)
    scaled = size
    short_side = contract.resize.short_side
    if short_side is not None:
        scale = short_side / min(source.width, source.height)
        scaled = (
            max(short_side, round(source.width * scale)),
            max(short_side, round(source.height * scale)),
        )
    # Where an odd number of pixels is cut, the extra one is the last of the upright picture.
    extra_first = (rotation in (90, 180), rotation in (180, 270))
    columns, rows = (
        slice(first := (whole - kept + late) // 2, first + kept)
        for whole, kept, late in zip(scaled, size, extra_first, strict=True)
    )
    return *scaled, rows, columns


def _is_full_range(frame: av.VideoFrame, pixel_format: str) -> bool:
    """Say whether luma runs from 0 to the highest value: as declared, else by the pixel format."""
    declared = int(frame.color_range)
    if declared in (_MPEG_RANGE, _JPEG_RANGE):
        return declared == _JPEG_RANGE
    return pixel_format.startswith(("yuvj", "gray"))


def _matrix(order: str, colour: Colour, full_range: bool) -> NDArray[np.float32]:
    """Return the matrix from a picture's channels and 1 to the result's, in bytes.

    (3 or 1, channels + 1), float32; ``order`` names the picture's channels.
    """
    if order[0] == "Y":
        luma, chroma, black = (1.0, 1.0, 0.0) if full_range else (255 / 219, 255 / 224, 16.0)
        red_v, blue_u = 2 * (1 - _KR) * chroma, 2 * (1 - _KB) * chroma
        green = 1 - _KR - _KB
        columns = {
            "Y": (luma, luma, luma),
            "U": (0.0, -blue_u * _KB / green, blue_u),
            "V": (red_v, -red_v * _KR / green, 0.0),
        }
        zeros = [black if letter == "Y" else 128.0 for letter in order]
    else:
        columns = {"R": (1.0, 0.0, 0.0), "G": (0.0, 1.0, 0.0), "B": (0.0, 0.0, 1.0)}
        zeros = [0.0] * len(order)
    matrix = np.array([columns.get(letter, (0.0, 0.0, 0.0)) for letter in order]).T
    if colour == "grey":
        matrix = np.array([[_KR, 1 - _KR - _KB, _KB]]) @ matrix
    return np.column_stack([matrix, -matrix @ zeros]).astype(np.float32)
