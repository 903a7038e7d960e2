"""``--log-json``: one object a line, whatever is logged, wherever it goes."""

import io
import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.log import JsonLog

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line, parse_constant=refuse) for line in stream.getvalue().splitlines()]


def test_an_event_is_a_line_with_its_time_name_and_fields() -> None:
    stream = io.StringIO()
    log = JsonLog(stream)
    log.event("video_done", video=Path("cage 3/Käfig.mp4"), frames=np.int64(12), rate=1.5)
    log.event("done", seconds=float("inf"), shape=(np.float32("nan"), 2), name="x", left=None)
    first, second = read(stream)
    assert list(first)[:2] == ["time", "event"]
    assert abs(datetime.fromisoformat(first.pop("time")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert first == {
        "event": "video_done", "video": "cage 3/Käfig.mp4", "frames": 12, "rate": 1.5
    }  # fmt: skip
    assert second.pop("time").endswith("+00:00")
    assert second == {
        "event": "done", "seconds": None, "shape": [None, 2], "name": "x", "left": None
    }  # fmt: skip


def test_an_undecodable_name_reaches_a_stream_of_any_encoding(tmp_path: Path) -> None:
    for encoding in ("ascii", "utf-8", "latin-1"):
        with (tmp_path / "log").open("w", encoding=encoding, errors="strict") as stream:
            JsonLog(stream).event("found", video=Path("k\udce4fig\n.mp4"), other="日本")
        (line,) = (tmp_path / "log").read_text("ascii").splitlines()
        assert json.loads(line)["video"] == "k\\xe4fig\\n.mp4"
        assert json.loads(line)["other"] == "日本"


def test_a_field_cannot_hide_what_every_event_has() -> None:
    with pytest.raises(ValueError, match="'time'"):
        JsonLog(io.StringIO()).event("x", time=1)


def test_a_stream_that_is_full_loses_the_log_and_not_the_run() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        log = JsonLog(io.TextIOWrapper(full, write_through=True))
        log.event("x")
        log.event("x")


class PiecewiseStream(io.StringIO):
    """Lets other threads run in the middle of a line, as a stream to a slow pipe does."""

    def write(self, text: str) -> int:
        for start in range(0, len(text), 40):
            super().write(text[start : start + 40])
            time.sleep(0)
        return len(text)


def test_lines_of_threads_are_not_mixed() -> None:
    stream = PiecewiseStream()
    log = JsonLog(stream)
    threads = [
        threading.Thread(target=lambda: [log.event("x", text="y" * 100) for _ in range(200)])
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(read(stream)) == 800


@given(st.dictionaries(st.text().filter(lambda key: key not in ("time", "event")), anything))
def test_anything_can_be_logged(fields: dict[str, Any]) -> None:
    stream = io.StringIO()
    JsonLog(stream).event("x", **fields)
    assert stream.getvalue().isascii()
    assert len(read(stream)) == 1
