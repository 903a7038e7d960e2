"""review.boris, as BORIS reads it. That BORIS opens it was seen with BORIS 8.27.4 itself."""

import hashlib
import json
import os
from collections import defaultdict
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram, write_recording

from i3d_client.frame_status import Status
from i3d_client.scores_file import Scores
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.boris_project import BORIS_PROJECT_FILE, write_boris_project
from i3d_ethogram.reading import open_scores, read_ethogram


def observation(folder: Path) -> dict[str, Any]:
    (only,) = project(folder)["observations"].values()
    return dict(only)


def project(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / BORIS_PROJECT_FILE).read_bytes()))


def intervals(events: list[list[Any]]) -> list[tuple[str, float, float]]:
    """Pair the events of each behaviour: the first begins it, the next ends it."""
    begun: dict[str, float] = {}
    found = []
    for seconds, _subject, code, *_ in events:
        if code in begun:
            found.append((code, begun.pop(code), seconds))
        else:
            begun[code] = seconds
    assert not begun
    return found


@pytest.fixture
def recording(tmp_path: Path) -> tuple[Path, Ethogram, Scores]:
    folder = write_recording(
        tmp_path / "out", lost_frames=[300], video=tmp_path / "videos" / "mouse.mp4"
    )
    return folder, read_ethogram(tmp_path / "out", folder.name), open_scores(folder)


def test_events_are_the_bouts(recording: tuple[Path, Ethogram, Scores]) -> None:
    folder, ethogram, scores = recording
    write_boris_project(folder, ethogram, scores)
    events = observation(folder)["events"]
    assert [event[0] for event in events] == sorted(event[0] for event in events)
    bouts = [
        (HOMECAGE9[code], start / 1e6, stop / 1e6)
        for code, start, stop in zip(
            ethogram.codes.tolist(),
            ethogram.times_us[:-1].tolist(),
            ethogram.times_us[1:].tolist(),
            strict=True,
        )
        if code >= 0
    ]
    assert len(bouts) > 3
    assert intervals(events) == bouts
    assert all(0.5 < float(event[4]) < 1 for event in events[::2])
    assert [event[5] for event in events] == [round(event[0] * 30) for event in events]


def test_behaviours_have_keys_of_their_own_and_colours(
    recording: tuple[Path, Ethogram, Scores],
) -> None:
    folder, ethogram, scores = recording
    write_boris_project(folder, ethogram, scores)
    behaviours = list(project(folder)["behaviors_conf"].values())
    assert [behaviour["code"] for behaviour in behaviours] == list(HOMECAGE9)
    assert [behaviour["key"] for behaviour in behaviours] == list("deghsrtwa")
    assert {behaviour["type"] for behaviour in behaviours} == {"State event"}
    assert len({behaviour["color"] for behaviour in behaviours}) == 9


def test_the_video_is_named_by_its_way_from_the_project(
    recording: tuple[Path, Ethogram, Scores],
) -> None:
    folder, ethogram, scores = recording
    write_boris_project(folder, ethogram, scores)
    seen = observation(folder)
    assert seen["file"]["1"] == ["../../videos/mouse.mp4"]
    assert sorted(seen["file"]) == list("12345678")
    assert seen["media_info"]["length"] == {"../../videos/mouse.mp4": 30.0}
    assert seen["media_info"]["fps"] == {"../../videos/mouse.mp4": 30.0}


def test_frames_are_counted_in_their_own_video(recording: tuple[Path, Ethogram, Scores]) -> None:
    folder, ethogram, scores = recording
    video = ethogram.run["videos"][0]
    videos = [
        {**video, "path": f"/v/{name}.mp4", "frames": frames}
        for name, frames in zip("abc", (100, 500, 300), strict=True)
    ]
    ethogram = replace(ethogram, run={**ethogram.run, "videos": videos})
    write_boris_project(folder, ethogram, scores)
    seen = observation(folder)
    lengths = list(seen["media_info"]["length"].values())
    assert lengths == [pytest.approx(s, abs=2e-6) for s in (100 / 30, 500 / 30, 10)]
    for seconds, *_, frame in seen["events"]:
        number = round(seconds * 30)
        first = max(start for start in (0, 100, 600) if start <= number)
        assert frame == number - first


def test_unscored_time_is_in_the_description_and_has_no_event(
    recording: tuple[Path, Ethogram, Scores],
) -> None:
    folder, ethogram, scores = recording
    write_boris_project(folder, ethogram, scores)
    description = observation(folder)["description"].splitlines()
    assert "classified (not recorded)" in description[1]
    assert description[2].endswith("1.033333 s, namely")
    assert description[3:] == [
        "  0.000000 to 0.500000 s: before_first",
        "  10.000000 to 10.033333 s: lost",
        "  10.033333 to 10.533333 s: near_lost",
    ]


def test_the_date_is_the_recording_s_if_it_is_known(
    recording: tuple[Path, Ethogram, Scores],
) -> None:
    folder, ethogram, scores = recording
    ethogram = replace(ethogram, recorded_at=datetime(2026, 3, 4, 19, 30, 0, 250_000))
    write_boris_project(folder, ethogram, scores)
    assert observation(folder)["date"] == "2026-03-04T19:30:00.250"


def test_many_labels_and_strange_names(tmp_path: Path) -> None:
    labels = ("a|b", "größer", '"x", y', *(f"class {n}" for n in range(397)))
    bouts = [("a|b", 10.0), ("größer", 20.0)]
    folder = write_recording(tmp_path, "m\udce4\nx.mp4", labels=labels, bouts=bouts)
    write_boris_project(folder, read_ethogram(tmp_path, folder.name), open_scores(folder))
    content = project(folder)
    assert list(content["observations"]) == ["m\\xe4\\nx.mp4"]
    behaviours = content["behaviors_conf"].values()
    assert [b["code"] for b in behaviours][:3] == ["a/b", "größer", '"x", y']
    shared = defaultdict(list)
    for behaviour in behaviours:
        shared[behaviour["key"]].append(behaviour["code"])
    assert len(shared) == 62
    assert all(len(key) == 1 for key in shared)
    assert {code for code, *_ in intervals(observation(folder)["events"])} == {"a/b", "größer"}
    assert (folder / BORIS_PROJECT_FILE).read_bytes().isascii()


def test_a_part_of_a_recording_has_the_frames_of_the_video(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, bouts=[("eat", 30.0)], first_frame=60)
    ethogram = make_ethogram([(Status.BEFORE_FIRST, 0.5), ("eat", 29.5)], first_frame=60)
    video = {**ethogram.run["videos"][0], "frames": 1200}
    ethogram = replace(ethogram, run={**ethogram.run, "videos": [video]})
    write_boris_project(folder, ethogram, open_scores(folder))
    seen = observation(folder)
    assert [event[5] for event in seen["events"]] == [75, 960]
    assert list(seen["media_info"]["length"].values()) == [40.0]


def test_a_video_that_moved_is_named_where_it_is_now(
    recording: tuple[Path, Ethogram, Scores], tmp_path: Path
) -> None:
    folder, ethogram, scores = recording
    video = {
        **ethogram.run["videos"][0],
        "path": str(tmp_path / "gone" / "mouse.mp4"),
        "bytes": 5,
        "sha256": hashlib.sha256(b"video").hexdigest(),
    }
    ethogram = replace(ethogram, run={**ethogram.run, "videos": [video]})
    place = tmp_path / "moved" / "m1" / "mouse.mp4"
    place.parent.mkdir(parents=True)
    for content, path in (
        (b"VIDEO", "../../gone/mouse.mp4"),
        (b"video", "../../moved/m1/mouse.mp4"),
    ):
        place.write_bytes(content)
        os.utime(place, ns=(len(path), len(path)))
        write_boris_project(folder, ethogram, scores, videos=tmp_path / "moved")
        seen = observation(folder)
        assert seen["file"]["1"] == [path]
        assert list(seen["media_info"]["length"]) == [path]
