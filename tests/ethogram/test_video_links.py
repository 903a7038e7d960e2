import hashlib
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.ethogram.report_pages import of_video
from tests.ethogram.synthetic import make_ethogram

from i3d_ethogram.page.video_links import video_files

BOUTS = [("rest", 10), ("eat", 20)]


def file(path: Path, size: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    return path


def test_a_link_is_relative_to_the_page_and_quoted(tmp_path: Path) -> None:
    out = tmp_path / "results of May"
    for name, quoted in [
        ("mouse 1.mp4", "./../mouse%201.mp4"),
        ("a:b#c?d%.mp4", "./../a%3Ab%23c%3Fd%25.mp4"),
        ("results of May/x/é.mp4", "./x/%C3%A9.mp4"),
        ("videos/'\"<>&.mp4", "./../videos/%27%22%3C%3E%26.mp4"),
    ]:
        path = file(tmp_path / name)
        (found,) = video_files(of_video(make_ethogram(BOUTS), path), out=out)
        assert (found.url, found.why_not, found.there) == (quoted, "", True)
        assert (out / unquote(quoted)).resolve() == path.resolve()


def test_what_lies_elsewhere_is_not_linked(tmp_path: Path) -> None:
    path = file(tmp_path / "disk" / "mouse.mp4")
    out = tmp_path / "home" / "results"
    (found,) = video_files(of_video(make_ethogram(BOUTS), path), out=out)
    assert found.url is None
    assert found.there
    assert f"{path} does not lie in or below {tmp_path / 'home'}" in found.why_not


def test_a_folder_that_is_a_link_is_followed(tmp_path: Path) -> None:
    path = file(tmp_path / "store" / "videos" / "mouse.mp4")
    (tmp_path / "store" / "results").mkdir()
    (tmp_path / "here").symlink_to(tmp_path / "store")
    out = tmp_path / "here" / "results"
    (found,) = video_files(of_video(make_ethogram(BOUTS), path), out=out)
    assert found.url == "./../videos/mouse.mp4"


def test_a_file_that_changed_is_not_shown(tmp_path: Path) -> None:
    path = file(tmp_path / "mouse.mp4")
    ethogram = of_video(make_ethogram(BOUTS), path)
    file(path, 11)
    (found,) = video_files(ethogram, out=tmp_path / "results")
    assert (found.url, found.there) == (None, False)
    assert "expected 10 bytes, found 11" in found.why_not


def test_a_file_that_moved_is_looked_for(tmp_path: Path) -> None:
    path = file(tmp_path / "old" / "mouse.mp4")
    ethogram = of_video(make_ethogram(BOUTS), path, sha256=hashlib.sha256(b"x" * 10).hexdigest())
    place = tmp_path / "new" / "m1" / "day 2" / "mouse.mp4"
    place.parent.mkdir(parents=True)
    path.rename(place)
    out = tmp_path / "results"
    assert video_files(ethogram, out=out)[0].url is None
    assert f"{path} is not there" in video_files(ethogram, out=out)[0].why_not
    moved = video_files(ethogram, out=out, moved_to=tmp_path / "new")
    assert (moved[0].path, moved[0].url) == (place, "./../new/m1/day%202/mouse.mp4")


def test_a_file_of_the_same_name_and_size_is_not_taken_for_the_one_that_moved(
    tmp_path: Path,
) -> None:
    path = file(tmp_path / "old" / "mouse.mp4")
    ethogram = of_video(make_ethogram(BOUTS), path, sha256=hashlib.sha256(b"x" * 10).hexdigest())
    path.unlink()
    file(tmp_path / "new" / "mouse.mp4").write_bytes(b"y" * 10)
    (found,) = video_files(ethogram, out=tmp_path / "results", moved_to=tmp_path / "new")
    assert (found.url, found.there, found.path) == (None, False, path)
    assert found.why_not == f"{path} is not there, and it is not below {tmp_path / 'new'}"


@pytest.mark.parametrize(
    ("suffix", "codec", "pixels", "played"),
    [
        (".mp4", "h264", "yuv420p", True),
        (".MP4", "h264", "yuvj420p", True),
        (".mov", "h264", "yuv420p", True),
        (".webm", "vp9", "yuv420p", True),
        (".webm", "vp8", "yuv420p", True),
        (".mp4", "av1", "yuv420p", True),
        (".mp4", "h264", "yuv444p", False),
        (".mp4", "hevc", "yuv420p", False),
        (".avi", "h264", "yuv420p", False),
        (".mkv", "h264", "yuv420p", False),
        ("", "h264", "yuv420p", False),
    ],
)
def test_only_what_browsers_play_is_linked(
    tmp_path: Path, suffix: str, codec: str, pixels: str, played: bool
) -> None:
    path = file(tmp_path / f"mouse{suffix}")
    ethogram = of_video(make_ethogram(BOUTS), path, codec=codec, pixel_format=pixels)
    (found,) = video_files(ethogram, out=tmp_path / "results")
    assert (found.url is not None) == played
    assert played or f"browsers do not play {codec}, {pixels}" in found.why_not


def test_files_of_one_recording_follow_one_another(tmp_path: Path) -> None:
    paths = [file(tmp_path / name) for name in ("a.mp4", "b.mp4")]
    ethogram = make_ethogram(BOUTS, fps=Fraction(30000, 1001))
    ethogram = of_video(ethogram, *paths, frames=[400, 499])
    first, second = video_files(ethogram, out=tmp_path / "results")
    border = round(400 * 1001 / 30000 * 1e6)
    assert (first.start_us, first.stop_us) == (0, second.start_us)
    assert abs(second.start_us - border) <= 1
    assert second.stop_us == ethogram.times_us[-1]


def test_a_part_of_a_recording_keeps_the_times_of_the_whole(tmp_path: Path) -> None:
    path = file(tmp_path / "a.mp4")
    ethogram = make_ethogram(BOUTS, first_frame=300)
    ethogram = of_video(ethogram, path, frames=[2000])
    (found,) = video_files(ethogram, out=tmp_path / "results")
    # 300 frames before, 900 classified and 800 after them, at 30 frames/s.
    assert (found.start_us, found.stop_us) == (0, 30_000_000 + round(800 / 30 * 1e6))
