"""Where a video lies now."""

import hashlib
import os
from pathlib import Path

import pytest

from i3d_client.errors import VideoError
from i3d_client.printable import printable
from i3d_ethogram.formats.video_files import find_video, relative_path, video_path


def recorded(path: Path, content: bytes) -> dict[str, object]:
    sha256 = hashlib.sha256(content).hexdigest()
    return {"path": printable(path), "bytes": len(content), "sha256": sha256}


def test_it_is_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "mouse.mp4"
    path.write_bytes(b"video")
    assert find_video(recorded(path, b"video")) == path


def test_it_is_found_by_name_and_content_where_it_moved_to(tmp_path: Path) -> None:
    for folder, content in (("a", b"other"), ("b", b"VIDEO"), ("c/d", b"video")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "mouse.mp4").write_bytes(content)
    gone = recorded(tmp_path / "gone" / "mouse.mp4", b"video")
    assert find_video(gone, videos=tmp_path) == tmp_path / "c" / "d" / "mouse.mp4"


def test_another_file_of_its_name_is_not_taken(tmp_path: Path) -> None:
    path = tmp_path / "mouse.mp4"
    path.write_bytes(b"longer than it was")
    with pytest.raises(VideoError, match=r"not the video that was classified.*5 bytes.*--videos"):
        find_video(recorded(path, b"video"))
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mouse.mp4").write_bytes(b"VIDEO")
    path.unlink()
    with pytest.raises(VideoError, match=r"new/mouse\.mp4: is not the video"):
        find_video(recorded(path, b"video"), videos=tmp_path / "new")


def test_what_is_not_there_is_said_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "mouse.mp4"
    with pytest.raises(VideoError, match=r"gone/mouse\.mp4: .*not there any more.*--videos"):
        find_video(recorded(path, b"video"))
    with pytest.raises(VideoError, match=r"nor below .*\. Give"):
        find_video(recorded(path, b"video"), videos=tmp_path)


def test_a_link_that_leads_nowhere_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "mouse.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mouse.mp4").write_bytes(b"video")
    gone = recorded(tmp_path / "gone" / "mouse.mp4", b"video")
    assert find_video(gone, videos=tmp_path) == tmp_path / "b" / "mouse.mp4"


def test_a_moved_video_is_read_once_unless_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mouse.mp4").write_bytes(b"video")
    gone = recorded(tmp_path / "gone" / "mouse.mp4", b"video")
    digest, reads = hashlib.file_digest, []
    monkeypatch.setattr(hashlib, "file_digest", lambda *file: reads.append(1) or digest(*file))
    for _ in range(3):
        assert find_video(gone, videos=tmp_path) == tmp_path / "mouse.mp4"
    assert len(reads) == 1
    (tmp_path / "mouse.mp4").write_bytes(b"VIDEO")
    os.utime(tmp_path / "mouse.mp4", ns=(1, 1))
    with pytest.raises(VideoError):
        find_video(gone, videos=tmp_path)


def test_what_is_nowhere_keeps_the_path_that_was_recorded(tmp_path: Path) -> None:
    gone = recorded(tmp_path / "gone" / "mouse.mp4", b"video")
    (tmp_path / "mouse.mp4").write_bytes(b"VIDEO")
    for videos in (None, tmp_path, tmp_path / "gone"):
        assert video_path(gone, videos=videos) == tmp_path / "gone" / "mouse.mp4"
    (tmp_path / "mouse.mp4").write_bytes(b"video")
    os.utime(tmp_path / "mouse.mp4", ns=(1, 1))
    assert video_path(gone, videos=tmp_path) == tmp_path / "mouse.mp4"


def test_a_name_that_is_not_utf8_is_found_though_run_json_cannot_hold_it(tmp_path: Path) -> None:
    path = tmp_path / "m\udce4use\n.mp4"
    path.write_bytes(b"video")
    assert find_video(recorded(path, b"video")) == path


def test_a_relative_path_leads_there_through_symbolic_links(tmp_path: Path) -> None:
    (tmp_path / "far" / "results").mkdir(parents=True)
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "mouse.mp4").write_bytes(b"video")
    (tmp_path / "out").symlink_to(tmp_path / "far" / "results")
    path = relative_path(tmp_path / "videos" / "mouse.mp4", tmp_path / "out")
    assert not path.startswith("/")
    assert Path(os.fspath(tmp_path / "out"), path).read_bytes() == b"video"
