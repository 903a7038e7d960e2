"""Frames at the model's geometry against a plain OpenCV reader that converts to RGB first."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo

from i3d_bench.clips import clip
from i3d_client.contract import Colour, ModelContract, Normalisation, Resize
from i3d_client.geometry import to_geometry

SHARED_VIDEOS = Path(__file__).parents[3] / "shared" / "videos"


def contract(
    colour: Colour = "rgb", *, resize: Resize | None = None, size: tuple[int, int] = (224, 224)
) -> ModelContract:
    return ModelContract(
        profile="geometry",
        height=size[0],
        width=size[1],
        colour=colour,
        clip_frames=16,
        stride=16,
        windows_per_segment=1,
        resize=resize or Resize(rule="short_side_centre_crop", short_side=256),
        normalisation=Normalisation(divide_by=127.5, add=-1.0),
        labels=("a", "b"),
        label_frame="centre",
        trained_fps=25.0,
    )


def by_opencv(path: Path, wanted: ModelContract, *, limit: int = 60) -> np.ndarray:
    """Read with OpenCV, scale and cut in RGB: (n, height, width, channels) uint8."""
    reader = cv2.VideoCapture(str(path))
    pictures = []
    while len(pictures) < limit:
        more, bgr = reader.read()
        if not more:
            break
        height, width = bgr.shape[:2]
        if wanted.resize.short_side is None:
            scaled = cv2.resize(bgr, (wanted.width, wanted.height), interpolation=cv2.INTER_LINEAR)
        else:
            scale = wanted.resize.short_side / min(height, width)
            size = (round(width * scale), round(height * scale))
            scaled = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)
        top = (scaled.shape[0] - wanted.height) // 2
        left = (scaled.shape[1] - wanted.width) // 2
        cut = scaled[top : top + wanted.height, left : left + wanted.width]
        pictures.append(
            cut[..., ::-1]
            if wanted.channels == 3
            else cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY)[..., None]
        )
    return np.stack(pictures)


def by_planes(path: Path, wanted: ModelContract, *, limit: int = 60) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame for _, frame in zip(range(limit), container.decode(video=0), strict=False)]
    pictures = np.zeros((len(frames), *wanted.frame_shape), np.uint8)
    for frame, row in zip(frames, pictures, strict=True):
        to_geometry(frame, row, contract=wanted)
    return pictures


def difference(path: Path, wanted: ModelContract) -> np.ndarray:
    ours, reference = by_planes(path, wanted), by_opencv(path, wanted)
    assert ours.shape == reference.shape
    return np.abs(ours.astype(int) - reference)


def moving_picture(number: int, *, width: int, height: int, colour: float = 20.0) -> np.ndarray:
    """Draw waves that move: (height, width, 3) uint8 RGB, channels apart by up to ``colour``."""
    y, x = np.mgrid[:height, :width]
    luma = np.sin((x + 2 * y + number * 5) / 19) * 80 + 128
    channels = [luma + np.sin((x * k + y * (4 - k) + number * 5) / 23) * colour for k in (1, 2, 3)]
    return np.stack(channels, axis=-1).clip(0, 255).astype(np.uint8)


def exactly(path: Path, wanted: ModelContract, *, full_range: bool) -> np.ndarray:
    """Convert in floating point at full size (ITU-R BT.601-7), then scale: (n, h, w, 3)."""
    luma, chroma, black = (1, 1, 0) if full_range else (255 / 219, 255 / 224, 16)
    pictures = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            size = (frame.width, frame.height)
            y, u, v = (
                cv2.resize(
                    np.frombuffer(memoryview(plane), np.uint8)
                    .reshape(plane.height, plane.line_size)[:, : plane.width]
                    .astype(np.float32),
                    size,
                    interpolation=cv2.INTER_LINEAR,
                )
                for plane in frame.planes
            )
            y, u, v = (y - black) * luma, (u - 128) * chroma, (v - 128) * chroma
            red, blue = y + 1.402 * v, y + 1.772 * u
            green = (y - 0.299 * red - 0.114 * blue) / 0.587
            rgb = np.stack([red, green, blue], axis=-1).clip(0, 255)
            pictures.append(cv2.resize(rgb, (wanted.width, wanted.height)))
    return np.stack(pictures)


@pytest.fixture
def make_moving(make_video: MakeVideo) -> MakeVideo:
    def make(
        *, width: int = 640, height: int = 480, colour: float = 20.0, **options: object
    ) -> Path:
        def picture(number: int) -> np.ndarray:
            return moving_picture(number, width=width, height=height, colour=colour)

        return make_video(8, width=width, height=height, picture=picture, **options)

    return make


@pytest.mark.parametrize("size", [(640, 480), (639, 481), (481, 639), (300, 1000)])
def test_colour_at_full_chroma(make_moving: MakeVideo, size: tuple[int, int]) -> None:
    path = make_moving(width=size[0], height=size[1], pixel_format="yuv444p", colour=1.0)
    assert np.percentile(difference(path, contract()), 99.9) <= 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv422p"])
@pytest.mark.parametrize("size", [(640, 480), (642, 358)])
def test_colour_at_reduced_chroma(
    make_moving: MakeVideo, pixel_format: str, size: tuple[int, int]
) -> None:
    path = make_moving(width=size[0], height=size[1], pixel_format=pixel_format)
    assert difference(path, contract()).mean() <= 1.5


@pytest.mark.parametrize("size", [(639, 481), (641, 359)])
def test_odd_sizes_at_reduced_chroma(make_moving: MakeVideo, size: tuple[int, int]) -> None:
    path = make_moving(
        width=size[0], height=size[1], codec="mjpeg", pixel_format="yuvj420p", name="odd.avi"
    )
    assert difference(path, contract()).mean() <= 1.5


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p"])
def test_strong_colours_are_nearer_to_the_truth_than_opencv_s(
    make_moving: MakeVideo, pixel_format: str
) -> None:
    wanted = contract(resize=Resize(rule="stretch"))
    path = make_moving(pixel_format=pixel_format, colour=45.0)
    truth = exactly(path, wanted, full_range=pixel_format.startswith("yuvj"))
    ours = np.abs(by_planes(path, wanted) - truth)
    opencv = np.abs(by_opencv(path, wanted) - truth)
    assert ours.mean() <= max(0.7, opencv.mean())
    assert np.percentile(ours, 99.9) <= 3


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "gray"])
def test_grey_is_full_range_luma(make_moving: MakeVideo, pixel_format: str) -> None:
    wanted = contract("grey", resize=Resize(rule="stretch"), size=(192, 256))
    path = make_moving(pixel_format=pixel_format)
    away = difference(path, wanted)
    assert away.mean() <= 1.5  # swscale's own RGB is 1.1 to 1.6 too dark on 4:2:0
    assert np.percentile(away, 99.9) <= 3


def test_black_and_white_come_out_as_0_and_255(make_video: MakeVideo) -> None:
    wanted = contract("grey", resize=Resize(rule="stretch"), size=(32, 64))

    def halves(_number: int) -> np.ndarray:
        picture = np.zeros((64, 128, 3), np.uint8)
        picture[:, 64:] = 255
        return picture

    for pixel_format in ("yuv420p", "yuvj420p"):
        path = make_video(3, width=128, height=64, pixel_format=pixel_format, picture=halves)
        pictures = by_planes(path, wanted)
        assert pictures[..., :24, :].max() <= 1
        assert pictures[..., 40:, :].min() >= 254


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "rgb24"])
def test_other_formats_take_the_long_way(make_moving: MakeVideo, pixel_format: str) -> None:
    codec = "libx265" if pixel_format == "yuv420p10le" else "rawvideo"
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    name = "x.mp4" if codec == "libx265" else "x.avi"
    path = make_moving(pixel_format=pixel_format, codec=codec, name=name, options=options)
    assert difference(path, contract()).mean() <= 1.5


@pytest.mark.parametrize(
    ("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)], ids=["left", "over", "right"]
)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_rotation_metadata_turns_the_picture(
    make_moving: MakeVideo, rotation: int, turns: int, pixel_format: str
) -> None:
    wanted = contract(resize=Resize(rule="stretch"), size=(224, 160))
    path = make_moving(rotation=rotation, pixel_format=pixel_format)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
    assert frame.rotation % 360 == rotation % 360
    out = np.zeros(wanted.frame_shape, np.uint8)
    to_geometry(frame, out, contract=wanted, rotation=frame.rotation % 360)
    upright = np.rot90(frame.to_ndarray(format="rgb24"), turns)
    expected = cv2.resize(np.ascontiguousarray(upright), (160, 224), interpolation=cv2.INTER_LINEAR)
    assert np.abs(out.astype(int) - expected).mean() <= 1.5


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "bikes.mp4"])
def test_real_clips_at_reduced_chroma(name: str) -> None:
    assert difference(clip(name), contract()).mean() <= 1.5


@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="needs the real mouse videos")
@pytest.mark.parametrize(
    ("name", "percentile", "mean"),
    [
        ("dlc_openfield_m3v1mp4.mp4", 1, 1.0),
        ("deepof_madlc_circular_arena.mp4", 255, 1.5),
        ("dlc_tests_vid.avi", 255, 1.5),
        ("sleap_minimal_side.mp4", 255, 1.5),
    ],
)
def test_real_mouse_videos(name: str, percentile: int, mean: float) -> None:
    away = difference(SHARED_VIDEOS / name, contract())
    assert np.percentile(away, 99.9) <= percentile
    assert away.mean() <= mean
