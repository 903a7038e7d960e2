"""A ``run.json`` that says something odd is one error, which names the field."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from tests.ethogram.synthetic import write_recording

from i3d_client.errors import ResultError
from i3d_ethogram.reading import open_scores, read_ethogram
from i3d_ethogram.report_cli import report

SCORES = ("files", "scores.npz")
TEXTS = (None, 1, "", "a\0b", "\ud800", ["a"], {})
COUNTS = (None, True, -1, 1.0, "1", 10**30, [])
NUMBERS = (True, "1", float("nan"), float("inf"), 10**400, [])
OBJECTS = (None, 1, "text", ["a"])
LISTS = (None, 1, "text", {}, [1], [None])
ODD: tuple[tuple[tuple[str | int, ...], tuple[object, ...]], ...] = (
    (("videos",), (None, 1, "text", [], {}, [1], [[]], [None])),
    *((("videos", 0, name), TEXTS) for name in ("path", "sha256", "codec", "pixel_format")),
    *((("videos", 0, name), COUNTS) for name in ("bytes", "width", "height", "frames")),
    (("videos", 0, "fps"), (None, 0, -30.0, 1e300, *NUMBERS)),
    *((("videos", 0, name), NUMBERS) for name in ("rotation", "first_timestamp_s")),
    (("videos", 0, "timed_by"), (1, [])),
    (("frames",), OBJECTS),
    *((("frames", name), COUNTS) for name in ("first", "in_file")),
    *((("frames", name), COUNTS[1:]) for name in ("from_header", "lost", "scored", "hidden")),
    (("model",), OBJECTS),
    *((("model", name), TEXTS) for name in ("name", "version", "engine", "precision")),
    (("model", "contract"), (*OBJECTS, {})),
    (("model", "contract", "labels"), (None, 1, [], ["a", 1], [["a"], ["b"]])),
    (("options",), OBJECTS),
    (("options", "recorded_at"), (1, ["a"], True)),
    (SCORES, OBJECTS),
    ((*SCORES, "bytes"), COUNTS),
    ((*SCORES, "sha256"), TEXTS),
    (("problems",), LISTS),
    (("warnings",), LISTS),
    (("complete",), (None, "true", 1, [])),
    (("packages",), OBJECTS),
    (("run",), OBJECTS),
    (("run", "started_at"), (None, 5, "yesterday", [])),
)
NEEDED = (
    ("videos",),
    *(("videos", 0, name) for name in ("path", "bytes", "sha256", "fps", "frames", "width")),
    *(("frames", name) for name in ("first", "in_file")),
    *(("model", name) for name in ("name", "precision")),
    ("model", "contract"),
    ("options",),
    (*SCORES, "sha256"),
    ("run", "started_at"),
)
LEFT_OUT = (
    *(("complete",), ("problems",), ("warnings",), ("packages",), ("windows",), ("identity",)),
    *(("videos", 0, name) for name in ("rotation", "first_timestamp_s", "timed_by")),
    *(("frames", name) for name in ("from_header", "hidden", "given_up", "padded")),
    ("model", "build"),
    ("run", "frames_per_s"),
    ("files", "windows.csv"),
)
Place = tuple[str | int, ...]


def run_report(*arguments: object) -> Result:
    return CliRunner().invoke(report, [str(one) for one in arguments], catch_exceptions=False)


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return document


def put(folder: Path, document: object) -> None:
    (folder / "run.json").write_text(json.dumps(document))


def holder_of(document: Any, place: Place) -> Any:
    for step in place[:-1]:
        document = document[step]
    return document


def named(place: Place) -> str:
    text = "".join(
        f"[{step}]" if isinstance(step, int) else f'["{step}"]' if "." in step else f".{step}"
        for step in place
    )
    return text.removeprefix(".")


@pytest.mark.parametrize(("place", "values"), ODD, ids=[named(place) for place, _ in ODD])
def test_an_odd_value_is_an_error_that_names_its_field(
    tmp_path: Path, place: Place, values: tuple[object, ...]
) -> None:
    folder = write_recording(tmp_path, num_frames=50)
    whole = (folder / "run.json").read_text()
    for value in values:
        document = json.loads(whole)
        holder_of(document, place)[place[-1]] = value
        put(folder, document)
        with pytest.raises(ResultError) as caught:
            read_ethogram(tmp_path, folder.name)
        message = str(caught.value)
        start = (
            f"{folder / 'run.json'}: {'model.contract' if 'contract' in place else named(place)}"
        )
        assert message.startswith(start), (value, message)
        assert ": expected " in message or "contract" in place
        assert message.endswith("Classify the video again, into another folder or with --overwrite")
        assert len(message) < len(start) + 300


@pytest.mark.parametrize("frames", [0, 49, 51, 2**52, 2**53 - 1])
def test_a_video_has_as_many_frames_as_the_recording(tmp_path: Path, frames: int) -> None:
    """Some formats write a row for each of them, so a false count would fill the disk."""
    folder = write_recording(tmp_path, num_frames=50)
    document = document_of(folder)
    document["videos"][0]["frames"] = frames
    put(folder, document)
    done = run_report(tmp_path, "--format", "deepethogram")
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("error")]
    assert f"videos[0].frames: expected 50, as frames.in_file has it, got {frames}. " in line
    assert list(folder.glob("*_labels.csv")) == []


def test_several_videos_have_them_together(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, num_frames=50)
    document = document_of(folder)
    first = document["videos"][0]
    document["videos"] = [{**first, "frames": 20}, {**first, "path": "/v/2.mp4", "frames": 30}]
    put(folder, document)
    read_ethogram(tmp_path, folder.name)
    document["videos"][1]["frames"] = 31
    put(folder, document)
    with pytest.raises(ResultError, match=r"videos\[…\]\.frames: expected 50 in all, .*got 51"):
        read_ethogram(tmp_path, folder.name)


@pytest.mark.parametrize("place", NEEDED, ids=named)
def test_what_is_needed_is_missed(tmp_path: Path, place: Place) -> None:
    folder = write_recording(tmp_path, num_frames=50)
    document = document_of(folder)
    del holder_of(document, place)[place[-1]]
    put(folder, document)
    for read in (lambda: read_ethogram(tmp_path, folder.name), lambda: open_scores(folder)):
        with pytest.raises(ResultError, match=re.escape(f"{named(place)}: expected ")):
            read()


def test_what_may_be_left_out_may_and_what_is_not_known_may_be_there(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, num_frames=50)
    document = document_of(folder)
    document["frames"]["from_header"] = None  # a container that does not say
    document["videos"][0]["rotation"] = None
    document["frames"]["of_tomorrow"] = "text"
    document["tomorrow"] = [float("nan")]
    put(folder, document)
    read_ethogram(tmp_path, folder.name)
    for place in LEFT_OUT:
        del holder_of(document, place)[place[-1]]
    put(folder, document)
    read_ethogram(tmp_path, folder.name)
    assert run_report(tmp_path, "--format", "nwb", "--format", "boris-project").exit_code == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.sampled_from(ODD), JSON)
def test_any_value_is_read_or_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory,
    odd: tuple[Place, object],
    value: object,
) -> None:
    out = tmp_path_factory.mktemp("out")
    folder = write_recording(out, num_frames=20)
    document = document_of(folder)
    holder_of(document, odd[0])[odd[0][-1]] = value
    put(folder, document)
    with suppress(ResultError):
        read_ethogram(out, folder.name)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("videos",), []),
        (("videos", 0, "path"), "a\0b.mp4"),
        (("videos", 0, "fps"), "30"),
        (("options",), None),
        (("options", "recorded_at"), 5),
        (("problems",), 1),
        (("frames",), [1]),
        (SCORES, "yes"),
    ],
    ids=str,
)
def test_a_report_says_it_once_and_makes_the_other_recordings(
    tmp_path: Path, place: Place, value: object
) -> None:
    bad = write_recording(tmp_path, "a.mp4", num_frames=50)
    good = write_recording(tmp_path, "b.mp4", num_frames=50)
    document = document_of(bad)
    holder_of(document, place)[place[-1]] = value
    put(bad, document)
    done = run_report(tmp_path)
    assert done.exit_code == 1
    (line,) = [line for line in done.output.splitlines() if line.startswith("error")]
    assert f"a.mp4/run.json: {named(place)}: expected " in line
    assert (good / "bouts.csv").exists()
    assert not (bad / "bouts.csv").exists()


@pytest.mark.parametrize("times", [("nan", "nan"), ("0", "inf"), ("-inf", "1"), ("0", "1e303")])
def test_the_time_of_an_overlay_is_finite(tmp_path: Path, times: tuple[str, str]) -> None:
    write_recording(tmp_path, num_frames=50)
    done = run_report(tmp_path, "--overlay-time", *times)
    assert done.exit_code == 2
    assert "Invalid value for '--overlay-time'" in done.output
