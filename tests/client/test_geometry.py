"""Frames at the model's geometry against a plain OpenCV reader that converts to RGB first."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from tests.conftest import MakeVideo

from i3d_bench.clips import clip
from i3d_client.contract import Colour, ModelContract, Normalisation, Resize
from i3d_client.geometry import Geometry, to_geometry

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


def straightforwardly(
    frame: av.VideoFrame, wanted: ModelContract, *, rotation: int = 0, full_range: bool = False
) -> np.ndarray:
    """Scale whole planes, turn, cut, then convert: (height, width, channels) uint8."""
    turned = rotation % 180 == 90
    width, height = (frame.height, frame.width) if turned else (frame.width, frame.height)
    size = (wanted.width, wanted.height)
    if (short_side := wanted.resize.short_side) is not None:
        scale = short_side / min(width, height)
        size = (max(short_side, round(width * scale)), max(short_side, round(height * scale)))
    top, left = (size[1] - wanted.height) // 2, (size[0] - wanted.width) // 2
    planes = []
    for plane in frame.planes[: wanted.channels]:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        scaled = cv2.resize(rows[:, : plane.width], size[::-1] if turned else size)
        upright = np.rot90(scaled, rotation // 90)
        planes.append(upright[top : top + wanted.height, left : left + wanted.width])
    luma, chroma, black = (1, 1, 0) if full_range else (255 / 219, 255 / 224, 16)
    if len(planes) == 1:
        y = (planes[0].astype(np.float64) - black) * luma
        return y.round().clip(0, 255).astype(np.uint8)[..., None]
    red, blue = 1.402 * chroma, 1.772 * chroma
    matrix = np.array(
        [[luma, 0, red], [luma, -blue * 0.114 / 0.587, -red * 0.299 / 0.587], [luma, blue, 0]]
    )
    matrix = np.column_stack([matrix, -matrix @ (black, 128, 128)])
    return cv2.transform(cv2.merge([np.ascontiguousarray(p) for p in planes]), matrix)


def noise(width: int, height: int, pixel_format: str, *, seed: int = 0) -> av.VideoFrame:
    """Fill every byte at random, so that any other sampling position shows."""
    frame = av.VideoFrame(width, height, pixel_format)
    random = np.random.default_rng(seed)
    for plane in frame.planes:
        plane.update(random.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
    return frame


def written(frame: av.VideoFrame, wanted: ModelContract, *, rotation: int = 0) -> np.ndarray:
    out = np.zeros(wanted.frame_shape, np.uint8)
    Geometry(wanted, rotation=rotation).write(frame, out)
    return out


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


RULES = [Resize(rule="stretch")] + [
    Resize(rule="short_side_centre_crop", short_side=side) for side in (256, 257, 340)
]
SIZES = [
    *[(640, 480), (640, 272), (720, 480), (1280, 720), (1280, 1024), (1920, 1080), (416, 374)],
    *[(256, 256), (448, 448), (512, 512), (224, 224), (320, 240), (200, 200), (120, 90)],
    *[(639, 481), (481, 639), (300, 1000), (1936, 1216), (101, 301)],
]


# Two sizes where cutting first takes care, and an odd one; all of them are minutes.
FEW_SIZES = [(640, 272), (1280, 720), (639, 481)]


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(size, marks=[] if size in FEW_SIZES else pytest.mark.full_size)
        for size in SIZES
    ],
    ids=str,
)
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_cutting_first_moves_nothing(size: tuple[int, int], colour: Colour) -> None:
    for pixel_format in ("yuv420p", "yuvj420p", "yuv422p", "yuv444p"):
        frame = noise(*size, pixel_format)
        for rule in RULES:
            for shape in ((224, 224), (192, 256)):
                for rotation in (0, 90, 180, 270):
                    wanted = contract(colour, resize=rule, size=shape)
                    full_range = pixel_format == "yuvj420p"
                    expected = straightforwardly(
                        frame, wanted, rotation=rotation, full_range=full_range
                    )
                    found = written(frame, wanted, rotation=rotation)
                    away = np.abs(found.astype(int) - expected)
                    where = f"{pixel_format}, {rule}, {shape}, turned by {rotation}"
                    assert away.mean() < 3, where  # a whole pixel off, in noise, is about 60
                    assert away.max() < 50, where


@pytest.mark.parametrize(
    ("pixel_format", "greatest"),
    [
        ("yuva420p", 0),
        # OpenCV scales two interleaved channels with other rounding than one.
        *[("nv12", 4), ("nv21", 4)],
        # Scaled with more than 8 bits, so rounded less.
        *[("yuv420p10le", 4), ("yuv420p12le", 4), ("p010le", 4), ("yuv420p16le", 4)],
    ],
)
@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_same_values_in_another_format(
    pixel_format: str, greatest: int, colour: Colour, rotation: int
) -> None:
    wanted = contract(colour, size=(192, 224))
    planar = smooth(641, 481, "yuv420p")
    away = written(planar.reformat(format=pixel_format), wanted, rotation=rotation).astype(int)
    away -= written(planar, wanted, rotation=rotation)
    assert np.abs(away).max() <= greatest
    assert np.abs(away).mean() <= greatest / 8


@pytest.mark.parametrize(
    "pixel_format",
    [
        *["rgb24", "bgr24", "rgba", "bgra", "argb", "0rgb", "bgr0", "gbrp", "gbrp10le", "gray"],
        *["gray10le", "gray16le", "yuv444p", "yuv444p10le", "nv24", "rgb48le"],
    ],
)
@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("rule", RULES[:2], ids=["stretch", "cut"])
def test_every_format_shows_the_same_picture(
    pixel_format: str, colour: Colour, rotation: int, rule: Resize
) -> None:
    wanted = contract(colour, resize=rule)
    frame = smooth(640, 482, "rgb24").reformat(format=pixel_format)
    rgb = frame.to_ndarray(format="rgb24")
    expected = scaled_rgb(np.rot90(rgb, rotation // 90), wanted)
    away = np.abs(written(frame, wanted, rotation=rotation).astype(int) - expected)
    assert away.mean() <= 1.5
    assert away.max() <= 4


@pytest.mark.parametrize("pixel_format", ["yuyv422", "uyvy422"])
@pytest.mark.parametrize("rule", RULES[:2], ids=["stretch", "cut"])
def test_packed_yuv_is_scaled_by_swscale(pixel_format: str, rule: Resize) -> None:
    wanted = contract(resize=rule)
    picture = moving_picture(3, width=640, height=482)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)
    away = written(frame, wanted).astype(int) - scaled_rgb(picture, wanted)
    assert np.abs(away).mean() <= 3


def test_a_picture_with_a_palette() -> None:
    indices = np.arange(640 * 480, dtype=np.uint32).reshape(480, 640) * 255 // (640 * 480)
    palette = np.full((256, 4), 255, np.uint8)
    palette[:, 1], palette[:, 2], palette[:, 3] = np.arange(256), 40, np.arange(256)[::-1]
    frame = av.VideoFrame.from_ndarray((indices.astype(np.uint8), palette), format="pal8")
    expected = scaled_rgb(frame.to_ndarray(format="rgb24"), contract())
    assert np.abs(written(frame, contract()).astype(int) - expected).max() <= 2


def smooth(width: int, height: int, pixel_format: str) -> av.VideoFrame:
    picture = moving_picture(3, width=width, height=height)
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixel_format)


def scaled_rgb(rgb: np.ndarray, wanted: ModelContract) -> np.ndarray:
    """Scale and cut an upright RGB picture: (height, width, channels) uint8."""
    height, width = rgb.shape[:2]
    size = (wanted.width, wanted.height)
    if (short_side := wanted.resize.short_side) is not None:
        scale = short_side / min(height, width)
        size = (round(width * scale), round(height * scale))
    scaled = cv2.resize(np.ascontiguousarray(rgb), size, interpolation=cv2.INTER_LINEAR)
    top, left = (size[1] - wanted.height) // 2, (size[0] - wanted.width) // 2
    cut = scaled[top : top + wanted.height, left : left + wanted.width]
    return cut if wanted.channels == 3 else cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)[..., None]


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "nv12", "gray", "gray10le"])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_the_declared_range_decides(full_range: bool, pixel_format: str, colour: Colour) -> None:
    limited = smooth(320, 240, "yuv420p").reformat(format=pixel_format)
    limited.color_range = 2 if full_range else 1
    wanted = contract(colour, resize=Resize(rule="stretch"))
    levels = written(limited, wanted).astype(float).mean(axis=2)
    luma = np.frombuffer(memoryview(limited.planes[0]), np.uint8).reshape(240, -1)
    if pixel_format.endswith("10le"):
        luma = luma.view(np.uint16) / 4
    expected = cv2.resize(luma[:, :320].astype(np.float32), (224, 224))
    expected = expected if full_range else (expected - 16) * 255 / 219
    assert abs(levels.mean() - expected.mean()) <= 2


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_what_was_written_stays(colour: Colour, rotation: int) -> None:
    wanted = contract(colour)
    geometry = Geometry(wanted, rotation=rotation)
    frames = [noise(640, 480, "yuv420p", seed=seed) for seed in range(3)]
    frames += [noise(320, 240, "yuv444p"), noise(320, 240, "yuvj444p"), noise(640, 480, "nv12")]
    outs = np.zeros((len(frames), *wanted.frame_shape), np.uint8)
    for frame, out in zip(frames, outs, strict=True):
        geometry.write(frame, out)
    for frame, out in zip(frames, outs, strict=True):
        np.testing.assert_array_equal(out, written(frame, wanted, rotation=rotation))


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le", "nv12", "rgb24"])
@pytest.mark.parametrize("rule", RULES[:2], ids=["stretch", "cut"])
def test_the_next_picture_needs_no_new_buffers(
    colour: Colour, rotation: int, pixel_format: str, rule: Resize
) -> None:
    wanted = contract(colour, resize=rule)
    geometry = Geometry(wanted, rotation=rotation)
    frame, out = noise(640, 480, pixel_format), np.zeros(wanted.frame_shape, np.uint8)
    geometry.write(frame, out)
    tracemalloc.start()
    geometry.write(frame, out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= 10_000  # bytes; a plane at the geometry is 50,176


def test_threads_do_not_share_buffers() -> None:
    wanted = contract()
    frames = [noise(640, 480, "yuv420p", seed=seed) for seed in range(4)]
    expected = [written(frame, wanted) for frame in frames]

    def many(number: int) -> bool:
        out = np.zeros(wanted.frame_shape, np.uint8)
        same = True
        for _ in range(50):
            to_geometry(frames[number], out, contract=wanted)
            same &= np.array_equal(out, expected[number])
        return same

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(many, range(4)))


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
