"""A worker decodes its next span while it waits for the last answers of the one before."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tests.client.conftest import SLOW
from tests.client.runs import FixedServer, Run, classify, i3d_classify, tables, windows_table
from tests.conftest import MakeVideo

from i3d_client.access import Access
from i3d_client.classify import _Assignment, _Run
from i3d_client.errors import VideoError
from i3d_client.messages import Done, Failed, Result
from i3d_client.options import Options
from i3d_client.pool import Worker
from i3d_client.segments import Buffers, Segment
from i3d_client.spans import Span, SpanResult
from i3d_client.streaming import Decoding

SPAN_FRAMES = 128
SEGMENTS_A_SPAN = SPAN_FRAMES // (SLOW.windows_per_segment * SLOW.stride)


def test_the_next_span_is_decoded_while_answers_are_awaited(
    make_video: MakeVideo, slow_server: FixedServer, tmp_path: Path
) -> None:
    num_spans = 5
    video = make_video(num_spans * SPAN_FRAMES, gop=SPAN_FRAMES)
    trace = tmp_path / "trace.json"
    options = ["--workers", 1, "--span-frames", SPAN_FRAMES, "--trace", trace]
    where = ["--server", slow_server.address, "--model", "slow", "--out", tmp_path / "out"]
    run = i3d_classify(video, *where, *options)
    assert run.returncode == 0, run.stderr
    events = [event for event in json.loads(trace.read_text()) if event["ph"] == "X"]
    decoded = {e["args"]["segment"]: e["ts"] for e in events if e["name"] == "decode"}
    answers = sorted((e["ts"], e["ts"] + e["dur"]) for e in events if e["name"] == "infer")
    last = [answers[number * SEGMENTS_A_SPAN - 1][1] for number in range(1, num_spans)]
    ahead = [decoded[n * SEGMENTS_A_SPAN] < end for n, end in enumerate(last, start=1)]
    assert sum(ahead) > num_spans // 2


def test_videos_that_fail_leave_their_memory_to_the_next(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    small, large = make_video(100, name="a.ts"), make_video(100, name="b.ts", width=256)
    bad = [tmp_path / f"{number}.ts" for number in range(12)]
    for path in bad:
        path.write_bytes(small.read_bytes() + large.read_bytes())
    good = make_video(100, name="good.mp4")
    run = classify([*bad, good], server=server, model="every_frame", out=tmp_path / "out")
    assert [outcome.state for outcome in run.outcomes] == ["failed"] * len(bad) + ["done"]
    assert run.problems.count("the picture size changes") == len(bad)
    assert tables(tmp_path / "out")["good.mp4/windows.csv"] == windows_table(
        good, server=server, model="every_frame"
    )


class Kept:
    """Stands for the recording of a span: takes results and does nothing else."""

    frames_before = frames_now = 0

    def __init__(self) -> None:
        self.results: list[SpanResult] = []

    def keep(self, result: SpanResult) -> None:
        self.results.append(result)


@pytest.mark.parametrize("end", [Done(), Failed(error=VideoError("cut"))], ids=["done", "failed"])
def test_what_comes_after_the_end_of_a_run_goes_to_its_own_recording(
    end: Done | Failed, tmp_path: Path
) -> None:
    """A span ends and the next one is answered between the last event that was handled and Stop."""
    options = Options(access=Access(server=""), model=None, out=tmp_path, workers=1)
    run = _Run([], cast("Any", None), options, Run(), None)
    first, second = Kept(), Kept()
    worker = Worker.__new__(Worker)
    for work in (first, second):
        span = Span(first_segment=0, stop_segment=1)
        run._assigned[worker].append(_Assignment(cast("Any", work), span, 0))
    result = SpanResult(
        first_segment=0,
        stop_segment=1,
        probabilities=np.zeros((1, 2), np.float32),
        scored=np.ones(1, bool),
        decoded=16,
        lost_frames=np.empty(0, np.int64),
    )
    assert run._keep_last(worker, end) is None
    assert run._keep_last(worker, Result(span=result, trace=[])) is None
    assert (first.results, second.results) == ([], [result])


@pytest.mark.parametrize(
    ("error", "called"),
    [(None, True), (VideoError("cut"), True), (MemoryError("full"), False)],
    ids=str,
)
def test_a_worker_that_is_about_to_die_does_not_ask_for_a_task(
    error: Exception | None, called: bool
) -> None:
    buffers = Buffers.for_segments(SLOW, 1)
    calls: list[bool] = []

    def segments() -> Iterator[Segment]:
        yield from ()
        if error is not None:
            raise error

    async def decode() -> None:
        decoding = Decoding(segments(), buffers, on_decoded=lambda: calls.append(True))
        with contextlib.suppress(VideoError, MemoryError):
            async with decoding:
                async for _ in decoding:
                    raise AssertionError

    asyncio.run(decode())
    assert bool(calls) == called
    buffers.take().release()  # they are not closed for the next task
