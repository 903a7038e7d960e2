"""A worker decodes its next span while it waits for the last answers of the one before."""

import json
from pathlib import Path

from tests.client.conftest import SLOW
from tests.client.runs import FixedServer, classify, i3d_classify, tables, windows_table
from tests.conftest import MakeVideo

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
