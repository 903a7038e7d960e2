"""Frames are the right ones, in the right place, at the right time."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.conftest import MakeVideo, numbered_picture, read_number

from i3d_client.errors import VideoError
from i3d_client.video import DecodeCounts, Video, decode, open_video

SHARED_VIDEOS = Path(__file__).parents[3] / "shared" / "videos"


def numbers_of(video: Video, *, codec_threads: int = 0) -> tuple[list[int | None], DecodeCounts]:
    counts = DecodeCounts()
    frames = decode(video, counts, codec_threads=codec_threads)
    numbers = [f if f is None else read_number(f.to_ndarray(format="rgb24")) for f in frames]
    return numbers, counts


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"rate": Fraction(30000, 1001)},
        {"b_frames": 3},
        {"name": "n.mkv", "b_frames": 2},
        {"name": "n.ts", "b_frames": 2},
        {"name": "n.avi", "codec": "mpeg4"},
        {"name": "n.avi", "b_frames": 2},
        {"name": "n.webm", "codec": "libvpx-vp9"},
        {"codec": "libx265", "b_frames": 2, "options": {"x265-params": "log-level=none"}},
    ],
    ids=str,
)
@pytest.mark.parametrize("codec_threads", [1, 2])
def test_every_frame_once_in_order_with_its_time(
    make_video: MakeVideo, options: dict[str, object], codec_threads: int
) -> None:
    video = open_video(make_video(70, **options))
    numbers, counts = numbers_of(video, codec_threads=codec_threads)
    assert numbers == list(range(70))
    assert (counts.decoded, counts.lost) == (70, 0)
    assert video.num_frames_expected == 70
    assert video.cut_short is None
    times = video.times_s(0, 70)
    tick = 1e-3 if str(options.get("name")).endswith(("mkv", "webm")) else 1e-6
    rate = Fraction(options.get("rate", 30))  # type: ignore[arg-type]
    np.testing.assert_allclose(times, np.arange(70) / float(rate), atol=tick, rtol=0)


def test_a_variable_rate_keeps_each_frame_s_own_time(make_video: MakeVideo) -> None:
    ticks = np.cumsum([0, *([33, 34, 100, 17, 33] * 10)]).tolist()
    path = make_video(51, ticks=ticks, time_base=Fraction(1, 1000), b_frames=2)
    video = open_video(path)
    assert numbers_of(video)[0] == list(range(51))
    np.testing.assert_allclose(video.times_s(0, 51), np.array(ticks) / 1000, atol=1e-6, rtol=0)


def test_time_counts_from_the_first_frame(make_video: MakeVideo) -> None:
    path = make_video(
        20, ticks=[300 + n for n in range(20)], time_base=Fraction(1, 30), name="late.mkv"
    )
    video = open_video(path)
    assert numbers_of(video)[0] == list(range(20))
    assert video.first_timestamp_s == pytest.approx(10.0)
    np.testing.assert_allclose(video.times_s(0, 20), np.arange(20) / 30, atol=1e-3, rtol=0)


def test_avi_has_no_presentation_times_and_says_so(make_video: MakeVideo) -> None:
    video = open_video(make_video(40, name="n.avi", b_frames=2))
    assert video.timestamps is None
    assert "timed at 30 frames/s" in video.warnings[0]


def damage(path: Path, *, packets: set[int]) -> None:
    """Overwrite the content of some packets, in order of the file, with zeros."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets_in_file = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    for number in packets:
        start = content.index(packets_in_file[number])
        content[start : start + len(packets_in_file[number])] = bytes(len(packets_in_file[number]))
    path.write_bytes(content)


@pytest.mark.parametrize("codec_threads", [1, 2])
def test_a_picture_that_cannot_be_decoded_keeps_its_place(
    make_video: MakeVideo, codec_threads: int
) -> None:
    path = make_video(60, codec="mjpeg", name="damaged.mkv", pixel_format="yuvj420p")
    damage(path, packets={10, 11, 40})
    video = open_video(path)
    numbers, counts = numbers_of(video, codec_threads=codec_threads)
    assert numbers == [None if n in (10, 11, 40) else n for n in range(60)]
    assert counts.lost_frames == [10, 11, 40]


def test_a_damaged_group_loses_its_own_frames_alone(make_video: MakeVideo) -> None:
    path = make_video(60, gop=12)
    damage(path, packets={24})
    numbers, counts = numbers_of(open_video(path))
    assert len(numbers) == 60
    assert counts.lost >= 1
    kept = {place: number for place, number in enumerate(numbers) if number is not None}
    assert all(kept[place] == place for place in [*range(24), *range(36, 60)])


@pytest.mark.parametrize(
    "options",
    [
        {"name": "whole.avi", "codec": "mjpeg", "pixel_format": "yuvj420p"},
        {"name": "whole.mp4", "container_options": {"movflags": "faststart"}, "b_frames": 2},
    ],
    ids=["avi", "mp4"],
)
def test_a_file_cut_in_the_middle_is_noticed(
    make_video: MakeVideo, options: dict[str, object]
) -> None:
    path = make_video(200, **options)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    video = open_video(path)
    assert video.cut_short is not None
    assert "header says 200" in video.cut_short
    numbers, counts = numbers_of(video)
    readable = [number for number in numbers if number is not None]
    assert 60 < len(readable) < 200
    assert readable == list(range(len(readable)))
    assert counts.num_frames == len(numbers)


@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="needs the real videos")
def test_pictures_hidden_by_an_edit_list_are_said() -> None:
    video = open_video(SHARED_VIDEOS / "sleap_min_session_side.mp4")
    assert (video.num_frames_from_header, video.num_frames_hidden) == (3, 1)
    assert "1 pictures are hidden" in video.warnings[0]
    counts = DecodeCounts()
    assert len(list(decode(video, counts))) == video.num_frames_expected == counts.decoded == 2


def text(path: Path) -> None:
    path.write_text("this is no video\n" * 50)


def empty(path: Path) -> None:
    path.touch()


def folder(path: Path) -> None:
    path.mkdir()


def audio_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


def absent(path: Path) -> None:
    del path


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (absent, "no such file"),
        (empty, "empty"),
        (folder, "folder"),
        (text, "not a video"),
        (audio_only, "no video stream"),
    ],
)
def test_rubbish_is_named(tmp_path: Path, make: Callable[[Path], None], says: str) -> None:
    path = tmp_path / "x.mp4"
    make(path)
    with pytest.raises(VideoError, match=says) as caught:
        open_video(path)
    assert str(path) in str(caught.value)


def test_an_mp4_without_its_index_says_what_may_have_happened(make_video: MakeVideo) -> None:
    path = make_video(60)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(VideoError, match="interrupted"):
        open_video(path)


def test_no_decodable_frame(make_video: MakeVideo) -> None:
    path = make_video(5, codec="mjpeg", name="x.mkv", pixel_format="yuvj420p")
    damage(path, packets=set(range(5)))
    with pytest.raises(VideoError, match="no frame of it can be decoded"):
        open_video(path)


def test_a_change_of_size_is_named_with_its_frame(make_video: MakeVideo, tmp_path: Path) -> None:
    small = make_video(20, name="a.ts", width=128)
    large = make_video(20, name="b.ts", width=256)
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    video = open_video(joined)
    with pytest.raises(VideoError, match="128×128 to 256×128 at frame 20"):
        numbers_of(video, codec_threads=1)


def test_a_picture_is_what_was_drawn() -> None:
    assert read_number(numbered_picture(0xBEEF, width=128, height=128)) == 0xBEEF
