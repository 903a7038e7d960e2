"""The same tables come out however a recording is cut into spans and whatever it lies in."""

import csv
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tests.client.runs import classify, tables, windows_table
from tests.client.test_video import damage
from tests.conftest import MakeVideo, numbered_picture, write_video

from i3d_client.errors import VideoError
from i3d_client.recording import open_recording
from i3d_client.video import Reader, open_video

SHARED_VIDEOS = Path(__file__).parents[3] / "shared" / "videos"
FRAMES = 150
MODEL = "overlapping"
_OPEN_GOP = "open-gop=1:keyint=12:min-keyint=12:scenecut=0:bframes=3:ref=4"
KINDS: dict[str, dict[str, object]] = {
    "plain.mp4": {},
    "b_frames.mp4": {"b_frames": 3, "gop": 30},
    "open_gop.mp4": {"b_frames": 3, "options": {"x264-params": _OPEN_GOP}},
    "one_key.mp4": {"gop": 1000, "b_frames": 2},
    "no_timestamps.avi": {"b_frames": 2},
    "stream.ts": {"b_frames": 2},
    "matroska.mkv": {"b_frames": 2},
    "variable.mp4": {
        "ticks": np.cumsum([0, *([33, 34, 100, 17, 10_000] * 29), 1, 1, 1, 1]).tolist(),
        "time_base": Fraction(1, 1000),
        "b_frames": 2,
    },
    "refresh.mkv": {"options": {"x264-params": "intra-refresh=1:keyint=20:bframes=0"}},
    "hevc.mp4": {
        "codec": "libx265",
        "b_frames": 2,
        "options": {"x265-params": "log-level=none:keyint=12:min-keyint=12:open-gop=1"},
    },
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "intra.mov": {"codec": "mjpeg", "pixel_format": "yuvj420p"},
}
DAMAGED = {
    "plain.mp4": {40, 77},
    "b_frames.mp4": {60, 61},  # a key frame, and the one after it
    "open_gop.mp4": {47, 60, 90},
    "matroska.mkv": {48, 66, 100},  # B-frames then come late from the decoder
    "refresh.mkv": {50},
    "hevc.mp4": {60, 83},
    "vp9.webm": {60, 83},
    "intra.mov": {50, 51},
    "one_key.mp4": {70},
}


def hide_first_half_second(source: Path, target: Path) -> None:
    """Copy a video with an edit list that hides what is before half a second."""
    options = {"use_editlist": "1", "avoid_negative_ts": "disabled"}
    with av.open(str(source)) as given, av.open(str(target), "w", options=options) as container:
        stream = given.streams.video[0]
        copy = container.add_stream_from_template(stream)
        assert stream.time_base is not None
        early = int(Fraction(1, 2) / stream.time_base)
        for packet in given.demux(stream):
            if packet.size:
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts, packet.stream = packet.pts - early, packet.dts - early, copy
                container.mux(packet)


def repeat_a_timestamp(source: Path, target: Path) -> None:
    """Copy a video so that two pictures have one timestamp."""
    with av.open(str(source)) as given, av.open(str(target), "w") as container:
        stream = given.streams.video[0]
        copy = container.add_stream_from_template(stream)
        packets = [packet for packet in given.demux(stream) if packet.size]
        packets[50].pts = packets[51].pts
        for packet in packets:
            packet.stream = copy
            container.mux(packet)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("kinds")
    made = [write_video(folder / name, FRAMES, **options) for name, options in KINDS.items()]  # type: ignore[arg-type]
    for name, packets in DAMAGED.items():
        path = folder / f"damaged_{name}"
        path.write_bytes((folder / name).read_bytes())
        damage(path, packets=packets)
        made.append(path)
    torn = folder / "damaged_stream.ts"
    content = bytearray((folder / "stream.ts").read_bytes())
    middle = len(content) // 2 // 188 * 188
    content[middle : middle + 8 * 188] = bytes(8 * 188)
    torn.write_bytes(content)
    hide_first_half_second(folder / "b_frames.mp4", folder / "hidden.mp4")
    repeat_a_timestamp(folder / "matroska.mkv", folder / "repeated.mkv")
    return [*made, torn, folder / "hidden.mp4", folder / "repeated.mkv"]


def pictures(reader: Reader, path: Path, first: int, stop: int | None) -> Iterator[bytes | None]:
    for frame in reader.frames(open_video(path).stretch(first, stop)):
        yield None if frame is None else frame.to_ndarray(format="gray").tobytes()


def test_a_stretch_decoded_alone_is_what_one_pass_gives(videos: list[Path]) -> None:
    for path in videos:
        with Reader() as reader:
            everything = list(pictures(reader, path, 0, None))
            for first in range(3, len(everything), 29):
                stretch = list(pictures(reader, path, first, first + 20))
                assert stretch == everything[first : first + 20], (path.name, first)


@pytest.fixture(scope="module")
def one_pass(videos: list[Path], server: str) -> dict[str, bytes]:
    """``windows.csv`` of every video, from one pass in one process."""
    return {path.name: windows_table(path, server=server, model=MODEL) for path in videos}


@pytest.mark.parametrize(
    ("workers", "options"),
    [
        (1, {"transport": "grpc", "in_flight": 1, "span_frames": 10**6}),
        (2, {"transport": "shared memory", "span_frames": 24}),
        (3, {"transport": "auto", "in_flight": 9, "span_frames": 50}),
    ],
)
def test_the_same_bits_for_any_workers_spans_and_transport(
    videos: list[Path],
    one_pass: dict[str, bytes],
    server: str,
    tmp_path: Path,
    workers: int,
    options: dict[str, object],
) -> None:
    run = classify(videos, server=server, model=MODEL, out=tmp_path, workers=workers, **options)
    for outcome in run.outcomes:
        name = outcome.given.files[0].name
        assert outcome.folder is not None, (name, outcome.problems)
        assert (outcome.folder / "windows.csv").read_bytes() == one_pass[name], name
        assert outcome.tally is not None
        assert (outcome.tally.lost > 0) == (name.startswith("damaged")), (name, outcome.problems)
        assert bool(outcome.problems) == name.startswith("damaged")
        said = any("decoded in one pass" in warning for warning in outcome.warnings)
        slow = ("one_key.mp4", "refresh.mkv", "no_timestamps.avi", "repeated.mkv")
        assert said == (name.endswith(slow) and options["span_frames"] != 10**6), name


def lossless(folder: Path, name: str, numbers: range) -> Path:
    """Write frames with these numbers, exactly as drawn."""

    def picture(place: int) -> np.ndarray:
        return numbered_picture(numbers[place], width=64, height=64)

    return write_video(
        folder / name,
        len(numbers),
        codec="ffv1",
        width=64,
        height=64,
        picture=picture,
        time_base=Fraction(1, 1000),
        ticks=[place * 40 for place in range(len(numbers))],
        rate=25,
    )


def rows(table: bytes) -> list[list[str]]:
    return list(csv.reader(table.decode().splitlines()))[1:]


def renumbered(table: bytes, by: int) -> list[list[str]]:
    return [[str(int(row[0]) + by), str(int(row[1]) + by), *row[2:]] for row in rows(table)]


def test_windows_run_across_the_borders_of_files(server: str, tmp_path: Path) -> None:
    whole = lossless(tmp_path, "whole.mkv", range(115))
    parts = (
        lossless(tmp_path, "a 1.mkv", range(37)),
        lossless(tmp_path, "a 2.mkv", range(37, 45)),  # shorter than a window
        lossless(tmp_path, "a 10.mkv", range(45, 115)),
    )
    options = {"server": server, "model": MODEL, "workers": 2, "span_frames": 24}
    run = classify([whole, parts], out=tmp_path / "out", **options)  # type: ignore[arg-type]
    assert not run.problems
    made = tables(tmp_path / "out")
    for name in ("windows.csv", "frames.csv"):
        assert made[f"a 1.mkv/{name}"] == made[f"whole.mkv/{name}"]


@pytest.mark.parametrize(
    ("start_s", "stop_s", "first", "stop"),
    [(1.0, 3.0, 25, 75), (None, 2.0, 0, 50), (0.99, None, 25, 115), (1.3, 1.5, 33, 38)],
)
def test_a_part_by_time_is_what_a_video_of_that_part_alone_gives(
    server: str, tmp_path: Path, start_s: float | None, stop_s: float | None, first: int, stop: int
) -> None:
    parts = (
        lossless(tmp_path, "a.mkv", range(60)),
        lossless(tmp_path, "b.mkv", range(60, 115)),
    )
    alone = lossless(tmp_path, "alone.mkv", range(first, stop))
    classify([alone], server=server, model=MODEL, out=tmp_path / "alone")
    classify(
        [parts],
        server=server,
        model=MODEL,
        out=tmp_path / "part",
        start_s=start_s,
        stop_s=stop_s,
        span_frames=24,
    )
    part, expected = tables(tmp_path / "part"), tables(tmp_path / "alone")
    assert rows(part["a.mkv/windows.csv"]) == renumbered(expected["alone.mkv/windows.csv"], first)
    frames = rows(part["a.mkv/frames.csv"])
    assert [row[2:] for row in frames] == [
        row[2:] for row in rows(expected["alone.mkv/frames.csv"])
    ]
    assert [int(row[0]) for row in frames] == list(range(first, stop))
    assert [float(row[1]) for row in frames] == [round(n / 25, 6) for n in range(first, stop)]


@pytest.mark.parametrize(("start_s", "stop_s"), [(9.0, None), (2.0, 2.0), (None, 0.0)])
def test_no_frame_between_start_and_stop(
    make_video: MakeVideo, start_s: float | None, stop_s: float | None
) -> None:
    with pytest.raises(VideoError, match=r"no frame is shown between --start .* it lasts 1\.000 s"):
        open_recording((make_video(30),), start_s=start_s, stop_s=stop_s)


@pytest.mark.parametrize(
    ("name", "enterable"), [("stream.ts", True), ("refresh.mkv", False), ("one_key.mp4", False)]
)
def test_where_a_decoder_can_enter(videos: list[Path], name: str, enterable: bool) -> None:
    path = next(path for path in videos if path.name == name)
    recording = open_recording((path,))
    assert (recording.one_pass is None) == enterable
    assert len(recording.key_frames) > 1 or not enterable


@pytest.mark.full_size
@pytest.mark.skipif(not SHARED_VIDEOS.is_dir(), reason="needs the real videos")
def test_real_videos_give_the_same_bits(server: str, tmp_path: Path) -> None:
    files = sorted(SHARED_VIDEOS.iterdir())
    everything = [tables_of(files, server, tmp_path / str(workers), workers) for workers in (1, 3)]
    assert everything[0] == everything[1]
    assert len(everything[0]) == 2 * len(files)


def tables_of(files: list[Path], server: str, out: Path, workers: int) -> dict[str, bytes]:
    length = 10**6 if workers == 1 else 60
    classify(
        list(files),
        server=server,
        model="every_frame",
        out=out,
        workers=workers,
        span_frames=length,
    )
    return tables(out)


def test_frames_follow_one_another_to_the_end_in_whole_microseconds(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.mkv", 30, rate=Fraction(30000, 1001))
    second = write_video(tmp_path / "b.mkv", 30, rate=Fraction(30000, 1001))
    whole = open_recording((first, second))
    times = whole.times_us(0, 61)
    assert times.dtype == np.int64
    assert times[0] == 0
    assert (np.diff(times) > 0).all()
    np.testing.assert_array_equal(times[:60], np.rint(whole.times_s(0, 60) * 1e6))
    duration = sum(float(video.duration_s) for video in whole.videos)
    assert times[60] == round(duration * 1e6)
    part = open_recording((first, second), start_s=0.5, stop_s=1.5)
    at = part.first_frame
    np.testing.assert_array_equal(
        part.times_us(0, part.num_frames + 1), times[at : at + part.num_frames + 1]
    )


def test_without_timestamps_the_end_follows_from_the_frames_found(tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.avi", 40, b_frames=2)
    recording = open_recording((video,))
    if recording.counted_exactly:
        pytest.skip("this FFmpeg writes timestamps into AVI")
    found = recording.with_frames_found(38)
    assert found.times_us(37, 39)[1] == round(38 / recording.fps * 10**6)


def test_a_camera_that_was_off_is_said(tmp_path: Path, server: str) -> None:
    ticks = np.cumsum([0, *[33] * 30, 7_200_000, *[33] * 30]).tolist()
    video = write_video(tmp_path / "off.mp4", len(ticks), ticks=ticks, time_base=Fraction(1, 1000))
    run = classify([video], server=server, model=MODEL, out=tmp_path / "out")
    assert "1 frames stay for longer than 1 s, 7200.0 s in all" in run.warnings
