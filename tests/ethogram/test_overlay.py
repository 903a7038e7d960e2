"""The review video: every frame, its time, and what is drawn on it."""

import hashlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.conftest import MakeVideo, read_number
from tests.ethogram.synthetic import HOMECAGE9, write_recording

from i3d_client.errors import OutputError, VideoError
from i3d_client.recording import open_recording
from i3d_client.results import read_run, write_run
from i3d_client.video import open_video
from i3d_ethogram.colours import UNSCORED_COLOUR, colours_of
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.overlay import OVERLAY_FILE, write_overlay
from i3d_ethogram.reading import open_scores, read_ethogram

BOUTS = [("rest", 1.0), ("eat", 0.4), ("groom", 100.0)]
Classify = Callable[..., tuple[Path, Ethogram]]


@pytest.fixture
def classify(tmp_path: Path) -> Classify:
    """Return a function that writes results of videos and reads them."""

    def of(
        *videos: Path, lost: Sequence[int] = (), start_s: float | None = None
    ) -> tuple[Path, Ethogram]:
        recording = open_recording(videos, start_s=start_s)
        folder = write_recording(
            tmp_path / "out",
            videos[0].name,
            bouts=BOUTS,
            num_frames=recording.num_frames,
            times_us=recording.times_us(0, recording.num_frames + 1),
            first_frame=recording.first_frame,
            lost_frames=lost,
            video=videos[0],
        )
        run = read_run(folder)
        assert run is not None
        run["videos"] = [
            {
                **run["videos"][0],
                "path": str(video.path),
                "bytes": video.path.stat().st_size,
                "sha256": hashlib.sha256(video.path.read_bytes()).hexdigest(),
                "frames": video.num_frames_expected,
                "fps": float(video.fps),
            }
            for video in recording.videos
        ]
        in_file = sum(video.num_frames_expected for video in recording.videos)
        run["frames"] = {**run["frames"], "in_file": in_file}
        write_run(folder, run)
        return folder, read_ethogram(tmp_path / "out", folder.name)

    return of


def overlay(folder: Path, ethogram: Ethogram, **options: object) -> list[av.VideoFrame]:
    write_overlay(folder, ethogram, open_scores(folder), **options)  # type: ignore[arg-type]
    with av.open(f"file:{folder / OVERLAY_FILE}") as container:
        return list(container.decode(video=0))


def numbers(frames: list[av.VideoFrame]) -> list[int]:
    return [read_number(frame.to_ndarray(format="rgb24")) for frame in frames]


def times(frames: list[av.VideoFrame]) -> list[Fraction]:
    return [frame.pts * frame.time_base for frame in frames]  # type: ignore[operator,misc]


def swatch(frame: av.VideoFrame) -> str:
    """The colour of the square before the label, as the nearest that it may be."""
    colour = frame.to_ndarray(format="rgb24")[6:11, 6:11].reshape(-1, 3).mean(axis=0)
    known = [*colours_of(HOMECAGE9).items(), ("unscored", UNSCORED_COLOUR)]
    return min(known, key=lambda item: np.abs(rgb(item[1]) - colour).sum())[0]


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": Fraction(30000, 1001), "b_frames": 2},
        {"rate": 25, "name": "n.mkv"},
        {"ticks": np.cumsum([0, *([33, 34, 100, 17, 33] * 12)]).tolist()[:60]},
        {"ticks": [500 + 7 * n for n in range(60)], "name": "late.mkv"},
        {"rate": 30, "name": "n.avi", "codec": "mpeg4"},
        {"rate": Fraction(24000, 1001), "name": "n.webm", "codec": "libvpx-vp9"},
    ],
    ids=str,
)
def test_every_frame_once_at_its_own_time(
    make_video: MakeVideo, classify: Classify, options: dict[str, object]
) -> None:
    if "ticks" in options:
        options = {**options, "time_base": Fraction(1, 1000)}
    path = make_video(60, **options)
    video = open_video(path)
    frames = overlay(*classify(path))
    assert numbers(frames) == list(range(60))
    if video.timestamps is None:
        expected = [number / video.fps for number in range(60)]
    else:
        ticks = video.timestamps[:].tolist()
        expected = [(tick - ticks[0]) * video.time_base for tick in ticks]
    assert times(frames) == expected


def test_the_last_frame_is_shown_as_long_as_it_was(
    make_video: MakeVideo, classify: Classify
) -> None:
    def shown_s(folder: Path) -> Fraction:
        with av.open(f"file:{folder / OVERLAY_FILE}") as container:
            stream = container.streams.video[0]
            return stream.duration * stream.time_base  # type: ignore[operator]

    folder, ethogram = classify(make_video(50, rate=25))
    overlay(folder, ethogram)
    assert shown_s(folder) == 2
    ticks = [40 * n + 500 * (n >= 30) for n in range(50)]
    path = make_video(50, rate=25, ticks=ticks, time_base=Fraction(1, 1000), name="pause.mp4")
    folder, ethogram = classify(path)
    overlay(folder, ethogram, stop_s=1.2)
    assert shown_s(folder) == Fraction(17, 10)


def test_the_label_is_drawn_from_its_first_frame_to_its_last(
    make_video: MakeVideo, classify: Classify
) -> None:
    frames = overlay(*classify(make_video(90)))
    names = [swatch(frame) for frame in frames]
    expected = ["unscored"] * 15 + ["rest"] * 15 + ["eat"] * 12 + ["groom"] * 48
    assert names == expected


def test_the_bouts_run_through_the_strip(make_video: MakeVideo, classify: Classify) -> None:
    path = make_video(90, width=320, height=240)
    frame = overlay(*classify(path))[45]  # at 1.5 s; 16 pixels are a second
    row = frame.to_ndarray(format="rgb24")[-6].astype(int)
    colours = colours_of(HOMECAGE9)
    for seconds, label in ((-0.3, "eat"), (-0.75, "rest"), (1.2, "groom")):
        pixel = row[160 + round(seconds * 16)]
        nearest = min(HOMECAGE9, key=lambda name: np.abs(rgb(colours[name]) - pixel).sum())
        assert nearest == label
    assert row[160].min() > 180  # now
    assert row[160 + 60].max() < 80  # nothing after the end
    assert row[160 - 40].max() < 80  # nor before the beginning


def test_the_picture_between_is_not_changed(make_video: MakeVideo, classify: Classify) -> None:
    path = make_video(40, width=320, height=240)
    frames = overlay(*classify(path))
    with av.open(str(path)) as container:
        source = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    for frame, original in zip(frames, source, strict=True):
        drawn = frame.to_ndarray(format="yuv420p")
        difference = np.abs(drawn[40:200].astype(int) - original[40:200])
        assert difference.mean() < 1


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuvj444p"])
def test_dark_and_light_stay_as_they_are(
    make_video: MakeVideo, classify: Classify, pixel_format: str
) -> None:
    slope = np.tile(
        np.linspace(0, 255, 320).astype(np.uint8)[np.newaxis, :, np.newaxis], (240, 1, 3)
    )
    codec, name = ("libx264", "n.mp4") if pixel_format == "yuv420p" else ("mjpeg", "n.mkv")
    path = make_video(
        20, width=320, height=240, pixel_format=pixel_format, codec=codec, name=name,
        picture=lambda _n: slope,
    )  # fmt: skip
    frame = overlay(*classify(path))[10]
    difference = frame.to_ndarray(format="rgb24")[60:180].astype(int) - slope[60:180]
    assert np.abs(difference).mean() < 3


def test_a_frame_that_cannot_be_decoded_keeps_its_place(
    make_video: MakeVideo, classify: Classify
) -> None:
    path = make_video(40, codec="mjpeg", name="damaged.mkv", pixel_format="yuvj420p")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for number in (0, 20, 21):
        start = content.index(packets[number])
        content[start : start + len(packets[number])] = bytes(len(packets[number]))
    path.write_bytes(content)
    frames = overlay(*classify(path, lost=[0, 20, 21]))
    seen = numbers(frames)
    assert len(seen) == 40
    assert seen[1:] == [19 if number in (20, 21) else number for number in range(1, 40)]
    assert [swatch(frames[number]) for number in (19, 20, 21, 22, 39)] == [
        "rest",
        *["unscored"] * 3,
        "eat",
    ]


def test_several_videos_follow_one_another(make_video: MakeVideo, classify: Classify) -> None:
    first = make_video(31, rate=30, name="a.mp4")
    second = make_video(20, rate=25, name="b.mkv")
    folder, ethogram = classify(first, second)
    frames = overlay(folder, ethogram)
    assert numbers(frames) == [*range(31), *range(20)]
    expected = [Fraction(n, 30) for n in range(31)]
    expected += [Fraction(31, 30) + Fraction(n, 25) for n in range(20)]
    got = times(frames)
    assert all(abs(a - b) <= Fraction(1, 10**6) for a, b in zip(got, expected, strict=True))


def test_a_part_begins_at_nought_and_says_the_recording_s_time(
    make_video: MakeVideo, classify: Classify
) -> None:
    folder, ethogram = classify(make_video(120), start_s=1.0)
    frames = overlay(folder, ethogram, start_s=1.5, stop_s=2.5)
    assert numbers(frames) == list(range(45, 75))
    assert times(frames) == [Fraction(n, 30) for n in range(30)]
    # The bouts began at 1 s; 16 frames of a window lie before the first label.
    assert [swatch(frame) for frame in frames] == ["rest"] * 15 + ["eat"] * 12 + ["groom"] * 3
    with pytest.raises(VideoError, match=r"between 5 and 6 s: the results go from 1 to 4 s"):
        overlay(folder, ethogram, start_s=5, stop_s=6)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_video_that_is_turned_is_upright(
    make_video: MakeVideo, classify: Classify, rotation: int
) -> None:
    rows, columns = np.mgrid[0:128, 0:192]
    slope = np.repeat((rows // 2 + columns)[..., np.newaxis], 3, axis=2).astype(np.uint8)
    path = make_video(20, width=192, height=128, rotation=rotation, picture=lambda _n: slope)
    frames = overlay(*classify(path))
    upright = np.rot90(slope, open_video(path).rotation // 90)
    for frame in frames:
        picture = frame.to_ndarray(format="rgb24")
        assert picture.shape == upright.shape
        middle = slice(len(picture) // 3, len(picture) * 2 // 3)
        difference = np.abs(picture[middle].astype(int) - upright[middle])
        assert difference.mean() < 3


@pytest.mark.parametrize(
    ("pixel_format", "codec", "container"),
    [("yuv444p", "libx264", "mp4"), ("gray", "ffv1", "mkv"), ("rgb24", "qtrle", "mov")],
)
def test_other_pictures_and_odd_sides(
    make_video: MakeVideo, classify: Classify, pixel_format: str, codec: str, container: str
) -> None:
    path = make_video(
        20, width=129, height=131, pixel_format=pixel_format, codec=codec, name=f"odd.{container}",
        picture=lambda n: np.full((131, 129, 3), 10 * n, np.uint8),
    )  # fmt: skip
    frames = overlay(*classify(path))
    assert {(frame.width, frame.height) for frame in frames} == {(130, 132)}
    middles = [frame.to_ndarray(format="rgb24")[40:90].mean() for frame in frames]
    assert middles == pytest.approx([10 * n for n in range(20)], abs=3)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (320, 8), (16, 200), (640, 34)])
def test_a_picture_that_is_too_small_for_text_is_drawn_on_all_the_same(
    make_video: MakeVideo, classify: Classify, width: int, height: int
) -> None:
    grey = np.full((height, width, 3), 128, np.uint8)
    path = make_video(20, rate=1, width=width, height=height, picture=lambda _n: grey)
    frames = overlay(*classify(path))
    assert {(frame.width, frame.height) for frame in frames} == {(width, height)}
    assert len(frames) == 20


def test_a_clock_and_labels_of_any_script(make_video: MakeVideo, classify: Classify) -> None:
    folder, ethogram = classify(make_video(20, name="a b\udce4.mp4", width=320, height=240))
    labels = ("$x^2$ größer", *ethogram.labels[1:])
    plain = overlay(folder, ethogram)[-1].to_ndarray(format="gray")
    ethogram = replace(ethogram, labels=labels, recorded_at=datetime(2026, 3, 4, 23, 59, 59))
    clock = overlay(folder, ethogram)[-1].to_ndarray(format="gray")
    assert (clock[:16] > 150).sum() > 1.3 * (plain[:16] > 150).sum()  # the date as well


def test_a_video_that_moved_is_said_and_found(
    make_video: MakeVideo, classify: Classify, tmp_path: Path
) -> None:
    path = make_video(20)
    folder, ethogram = classify(path)
    (tmp_path / "archive" / "day 1").mkdir(parents=True)
    path.rename(tmp_path / "archive" / "day 1" / path.name)
    with pytest.raises(VideoError, match=r"not there any more.*--videos"):
        overlay(folder, ethogram)
    assert not (folder / OVERLAY_FILE).exists()
    assert numbers(overlay(folder, ethogram, videos=tmp_path / "archive")) == list(range(20))


def test_videos_of_two_sizes_are_refused(make_video: MakeVideo, classify: Classify) -> None:
    first = make_video(20, name="a.mp4")
    second = make_video(20, name="b.mp4", width=64, height=64)
    with pytest.raises(VideoError, match="differ in size"):
        overlay(*classify(first, second))


def test_nothing_is_left_where_it_cannot_be_written(
    make_video: MakeVideo, classify: Classify
) -> None:
    folder, ethogram = classify(make_video(20))
    (folder / OVERLAY_FILE).mkdir()
    with pytest.raises(OutputError, match="overlay"):
        overlay(folder, ethogram)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_without_matplotlib_it_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from i3d_client.errors import MissingExtraError\n"
        "from i3d_ethogram.formats import overlay\n"
        "from i3d_ethogram.formats.text_masks import TextMasks\n"
        "try:\n"
        "    TextMasks(12)\n"
        "except MissingExtraError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "--overlay needs an extra: pip install 'i3d-triton[report]'"
