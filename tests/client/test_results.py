"""The tables of a video against the same tables written the slow way, a row at a time."""

import csv
import errno
import io
import json
import resource
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame, ModelContract, Normalisation, Resize
from i3d_client.errors import OutputError
from i3d_client.results import check_tables, read_run, write_run, write_tables
from i3d_client.spans import SpanResult
from i3d_client.windows import WindowGrid

LABELS = ("drink", 'eat, "by hand"', "groom", "hang", "rear", "rest, curled", "walk")


def contract(
    *,
    clip_frames: int = 16,
    stride: int = 4,
    windows: int = 2,
    labels: tuple[str, ...] = LABELS,
    label_frame: LabelFrame = "last",
) -> ModelContract:
    return ModelContract(
        profile="tiny",
        height=32,
        width=32,
        colour="grey",
        clip_frames=clip_frames,
        stride=stride,
        windows_per_segment=windows,
        resize=Resize(rule="stretch"),
        normalisation=Normalisation(divide_by=127.5, add=-1.0),
        labels=labels,
        label_frame=label_frame,
        trained_fps=30.0,
    )


def grid_of(num_frames: int, model: ModelContract) -> WindowGrid:
    return WindowGrid(num_frames, model.clip_frames, model.stride)


def cut_spans(
    grid: WindowGrid,
    model: ModelContract,
    *,
    probabilities: NDArray[np.float32],
    scored: NDArray[np.bool_],
    cuts: tuple[int, ...] = (),
    failed: frozenset[int] = frozenset(),
) -> list[SpanResult]:
    """Give the windows to spans that begin at the segments ``cuts``; span i of ``failed`` failed.

    Of the frames of a span, the first is lost and the others are decoded.
    """
    per_segment = model.windows_per_segment
    bounds = sorted({0, *cuts, grid.num_segments(per_segment)})
    spans = []
    for number, (a, b) in enumerate(pairwise(bounds)):
        first, stop = grid.windows_of_segments(a, b, per_segment)
        start_frame, stop_frame = grid.frames_of_segments(a, b, per_segment)
        given_up = number in failed
        spans.append(
            SpanResult(
                first_segment=a,
                stop_segment=b,
                probabilities=probabilities[first:stop],
                scored=scored[first:stop] & (not given_up),
                decoded=0 if given_up else stop_frame - start_frame - 1,
                lost_frames=np.array([] if given_up else [start_frame], np.int64),
                failed=given_up,
            )
        )
    return spans


def microseconds(first: int, stop: int) -> NDArray[np.int64]:
    return np.rint(np.arange(first, stop) / 29.97 * 1e6).astype(np.int64)


def slow_starts(grid: WindowGrid) -> list[int]:
    last = max(0, grid.num_frames - grid.clip_frames)
    starts = list(range(0, last + 1, grid.stride))
    return starts if starts[-1] == last else [*starts, last]


def slow_owners(
    grid: WindowGrid, starts: list[int], scored: list[bool], rule: LabelFrame
) -> Iterator[int | None]:
    """Give each frame its window by the words of the rule."""
    n, clip, stride = grid.num_frames, grid.clip_frames, grid.stride
    for frame in range(n):
        around = range(max(0, (frame - clip) // stride), min(frame // stride + 2, len(starts)))
        holding = [k for k in {*around, len(starts) - 1} if starts[k] <= frame < starts[k] + clip]
        if n <= clip:
            yield 0 if scored[0] else None
        elif rule == "last":
            owner = min(holding)
            early = frame < clip - stride
            yield owner if scored[owner] and not early else None
        else:
            able = [k for k in holding if scored[k]]
            distances = [(abs(2 * (starts[k] - frame) + clip - 1), k) for k in able]
            yield min(distances)[1] if able else None


def slow_tables(
    grid: WindowGrid, model: ModelContract, spans: list[SpanResult], first_frame: int
) -> tuple[str, str, Counter[str]]:
    """Return ``frames.csv``, ``windows.csv`` and the frames of every label."""
    starts = slow_starts(grid)
    scored = [bool(flag) for span in spans for flag in span.scored]
    answers = [row.tolist() for span in spans for row in span.probabilities]
    count = min(5, len(model.labels))
    ranked = [
        sorted(range(len(model.labels)), key=lambda k, row=row: (-row[k], k))[:count]
        for row in answers
    ]
    windows, frames = io.StringIO(), io.StringIO()
    table = csv.writer(windows, lineterminator="\n")
    names = [f"{name}_{rank}" for rank in range(1, count + 1) for name in ("label", "score")]
    table.writerow(["start_frame", "stop_frame", "label", "score", *names])
    for k, start in enumerate(starts):
        stop = min(start + grid.clip_frames, grid.num_frames)
        cells = [c for i in ranked[k] for c in (model.labels[i], f"{answers[k][i]:.6f}")]
        cells = cells if scored[k] else [""] * len(cells)
        table.writerow([first_frame + start, first_frame + stop, *cells[:2], *cells])
    table = csv.writer(frames, lineterminator="\n")
    few = len(model.labels) <= 32
    names = [f"p_{label}" for label in model.labels] if few else names
    table.writerow(["frame", "time_s", "label", "score", "status", *names])
    labels: Counter[str] = Counter()
    lost = {int(frame) for span in spans for frame in span.lost_frames}
    failed = [span.failed for span in spans for _ in span.scored]
    wanted = slow_owners(grid, starts, [True] * len(starts), model.label_frame)
    owners = slow_owners(grid, starts, scored, model.label_frame)
    for frame, (k, wish) in enumerate(zip(owners, wanted, strict=True)):
        if k is not None:
            best = ranked[k][0]
            labels[model.labels[best]] += 1
            tops = [c for i in ranked[k] for c in (model.labels[i], f"{answers[k][i]:.6f}")]
            every = [f"{answer:.6f}" for answer in answers[k]] if few else tops
            cells = [*tops[:2], "scored", *every]
        else:
            reason = "before_first" if wish is None else "near_lost"
            reason = "given_up" if wish is not None and failed[wish] else reason
            reason = "lost" if frame in lost else reason
            cells = ["", "", reason, *[""] * len(names)]
        table.writerow([first_frame + frame, f"{frame / 29.97:.6f}", *cells])
    return frames.getvalue(), windows.getvalue(), labels


def few_values(seed: int, windows: int, classes: int) -> NDArray[np.float32]:
    """Return probabilities among which many are equal, (windows, classes)."""
    random = np.random.default_rng(seed)
    return (random.integers(0, 6, (windows, classes)) / 7).astype(np.float32)


@given(st.data())
def test_tables_are_those_written_the_slow_way(data: st.DataObject) -> None:
    draw = data.draw
    clip_frames = draw(st.integers(16, 24))
    model = contract(
        clip_frames=clip_frames,
        stride=draw(st.integers(1, clip_frames)),
        windows=draw(st.integers(1, 4)),
        labels=LABELS[: draw(st.integers(2, len(LABELS)))],
        label_frame=draw(st.sampled_from(["last", "centre"])),
    )
    grid = grid_of(draw(st.integers(1, 120)), model)
    segments = grid.num_segments(model.windows_per_segment)
    scored = draw(st.lists(st.booleans(), min_size=grid.count, max_size=grid.count))
    spans = cut_spans(
        grid,
        model,
        probabilities=few_values(draw(st.integers(0, 99)), grid.count, len(model.labels)),
        scored=np.array(scored),
        cuts=tuple(draw(st.lists(st.integers(0, segments), max_size=4))),
        failed=draw(st.frozensets(st.integers(0, 4), max_size=2)),
    )
    first_frame = draw(st.sampled_from([0, 1000]))
    with TemporaryDirectory() as name:
        folder = Path(name)
        tally = write_tables(
            folder,
            spans=lambda: iter(spans),
            grid=grid,
            times_us=microseconds,
            contract=model,
            first_frame=first_frame,
        )
        got = [(folder / file).read_bytes().decode() for file in ("frames.csv", "windows.csv")]
    frames, windows, labels = slow_tables(grid, model, spans, first_frame)
    assert got == [frames, windows]
    assert tally.num_frames == grid.num_frames
    assert tally.frames_scored == labels.total()
    assert tally.frames_of_label == tuple(labels[label] for label in model.labels)
    assert tally.windows == grid.count
    assert tally.windows_scored == sum(int(span.scored.sum()) for span in spans)
    assert tally.decoded == sum(span.decoded for span in spans)
    lost = [first_frame + int(frame) for span in spans for frame in span.lost_frames]
    assert (tally.lost, tally.first_lost) == (len(lost), tuple(lost[:5]))
    counted = sum(stop - start for start, stop in tally.failed_spans)
    assert tally.decoded + tally.lost + counted == grid.num_frames


@pytest.mark.parametrize("rule", ["last", "centre"])
def test_batches_leave_no_seam(tmp_path: Path, rule: LabelFrame) -> None:
    """More windows than are formatted at a time, in spans that are longer than that too."""
    labels = tuple(f"behaviour {number}" for number in range(400))
    model = contract(stride=3, windows=700, labels=labels, label_frame=rule)
    grid = grid_of(9_002, model)
    random = np.random.default_rng(1)
    spans = cut_spans(
        grid,
        model,
        probabilities=few_values(1, grid.count, len(labels)),
        scored=random.random(grid.count) < 0.7,
        cuts=(3,),
    )
    write_tables(
        tmp_path, spans=lambda: iter(spans), grid=grid, times_us=microseconds, contract=model
    )
    frames, windows, _ = slow_tables(grid, model, spans, 0)
    assert (tmp_path / "frames.csv").read_text() == frames
    assert (tmp_path / "windows.csv").read_text() == windows


def small_video() -> tuple[ModelContract, WindowGrid, list[SpanResult]]:
    """18 frames in windows at 0, 1 and 2, each a span; the second span was given up."""
    model = contract(stride=1, windows=1, labels=('a "1"', "b, c", "d"))
    grid = grid_of(18, model)
    spans = cut_spans(
        grid,
        model,
        probabilities=np.array(
            [[0.25, 0.5, 0.25], [0.9, 0.05, 0.05], [0.125, 0.125, 0.75]], np.float32
        ),
        scored=np.array([True, True, True]),
        cuts=(1, 2),
        failed=frozenset({1}),
    )
    return model, grid, spans


def write_small_video(folder: Path) -> None:
    model, grid, spans = small_video()
    tally = write_tables(
        folder, spans=lambda: iter(spans), grid=grid, times_us=microseconds, contract=model
    )
    write_run(folder, {"files": tally.files})


def test_the_text_of_the_tables(tmp_path: Path) -> None:
    write_small_video(tmp_path)
    assert (tmp_path / "windows.csv").read_bytes().decode() == (
        "start_frame,stop_frame,label,score,label_1,score_1,label_2,score_2,label_3,score_3\n"
        '0,16,"b, c",0.500000,"b, c",0.500000,"a ""1""",0.250000,d,0.250000\n'
        "1,17,,,,,,,,\n"
        '2,18,d,0.750000,d,0.750000,"a ""1""",0.125000,"b, c",0.125000\n'
    )
    lines = (tmp_path / "frames.csv").read_bytes().decode().splitlines(keepends=True)
    assert lines[:3] == [
        'frame,time_s,label,score,status,"p_a ""1""","p_b, c",p_d\n',
        "0,0.000000,,,lost,,,\n",
        "1,0.033367,,,before_first,,,\n",
    ]
    assert lines[-3:] == [
        '15,0.500501,"b, c",0.500000,scored,0.250000,0.500000,0.250000\n',
        "16,0.533867,,,given_up,,,\n",
        "17,0.567234,d,0.750000,scored,0.125000,0.125000,0.750000\n",
    ]
    assert len(lines) == 19


def test_shares_are_of_the_scored_frames_largest_first(tmp_path: Path) -> None:
    model = contract(stride=16, windows=1)
    grid = grid_of(80, model)
    best = [3, 5, 3, 0, 1]
    spans = cut_spans(
        grid,
        model,
        probabilities=np.eye(len(LABELS), dtype=np.float32)[best],
        scored=np.array([True, True, True, True, False]),
    )
    tally = write_tables(
        tmp_path, spans=lambda: iter(spans), grid=grid, times_us=microseconds, contract=model
    )
    assert tally.share_of_labels() == [("hang", 0.5), ("drink", 0.25), ("rest, curled", 0.25)]


def test_without_a_scored_window_there_are_no_shares(tmp_path: Path) -> None:
    model = contract()
    grid = grid_of(5, model)
    spans = cut_spans(
        grid, model, probabilities=few_values(0, 1, len(LABELS)), scored=np.array([False])
    )
    tally = write_tables(
        tmp_path, spans=lambda: iter(spans), grid=grid, times_us=microseconds, contract=model
    )
    assert (tally.frames_scored, tally.share_of_labels()) == (0, [])


def test_spans_that_were_given_up_are_named_by_their_frames(tmp_path: Path) -> None:
    model = contract(stride=4, windows=2)
    grid = grid_of(41, model)
    spans = cut_spans(
        grid,
        model,
        probabilities=few_values(0, grid.count, len(LABELS)),
        scored=np.ones(grid.count, bool),
        cuts=(1, 2, 3),
        failed=frozenset({1, 3}),
    )
    tally = write_tables(
        tmp_path,
        spans=lambda: iter(spans),
        grid=grid,
        times_us=microseconds,
        contract=model,
        first_frame=100,
    )
    assert tally.failed_spans == ((108, 116), (124, 141))
    assert tally.first_lost == (100, 116)


@pytest.mark.parametrize("wrong", ["missing first", "missing last", "twice", "short", "classes"])
def test_spans_that_are_not_the_recordings_are_refused(tmp_path: Path, wrong: str) -> None:
    model, grid, spans = small_video()
    short = SpanResult(
        first_segment=2,
        stop_segment=3,
        probabilities=np.zeros((0, 3), np.float32),
        scored=np.zeros(0, bool),
        decoded=0,
        lost_frames=np.zeros(0, np.int64),
    )
    other = contract(stride=1, windows=1, labels=("a", "b"))
    broken = {
        "missing first": spans[1:],
        "missing last": spans[:-1],
        "twice": [spans[0], *spans],
        "short": [*spans[:2], short],
        "classes": spans,
    }[wrong]
    with pytest.raises(ValueError, match=r"spans?: expected"):
        write_tables(
            tmp_path,
            spans=lambda: iter(broken),
            grid=grid,
            times_us=microseconds,
            contract=other if wrong == "classes" else model,
        )
    assert list(tmp_path.iterdir()) == []


def test_peak_memory_grows_by_a_byte_a_window(tmp_path: Path) -> None:
    labels = LABELS[:2]
    model = contract(clip_frames=64, stride=1, windows=32, labels=labels, label_frame="centre")

    def peak_bytes(num_windows: int) -> int:
        grid = grid_of(num_windows + model.clip_frames - 1, model)
        step = 32  # segments a span

        def spans() -> Iterator[SpanResult]:
            for a in range(0, grid.num_segments(32), step):
                b = min(a + step, grid.num_segments(32))
                first, stop = grid.windows_of_segments(a, b, 32)
                yield SpanResult(
                    first_segment=a,
                    stop_segment=b,
                    probabilities=few_values(a, stop - first, len(labels)),
                    scored=np.ones(stop - first, bool),
                    decoded=stop - first,
                    lost_frames=np.zeros(0, np.int64),
                )

        tracemalloc.start()
        write_tables(tmp_path, spans=spans, grid=grid, times_us=microseconds, contract=model)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    few, many = 20_000, 120_000
    assert peak_bytes(many) - peak_bytes(few) < (many - few) + 64_000


@pytest.mark.parametrize("failed", [False, True])
def test_memory_does_not_grow_with_the_features(tmp_path: Path, failed: bool) -> None:
    """Those of a span that was given up, too: it may be as long as the recording."""
    model = contract(stride=1, windows=32, labels=LABELS[:2])

    def peak_bytes(num_windows: int) -> int:
        grid = grid_of(num_windows + model.clip_frames - 1, model)
        segments = grid.num_segments(32)

        def spans(*, features: bool = False) -> Iterator[SpanResult]:
            step = segments if failed else 4
            for a in range(0, segments, step):
                first, stop = grid.windows_of_segments(a, min(a + step, segments), 32)
                count = stop - first
                yield SpanResult(
                    first_segment=a,
                    stop_segment=min(a + step, segments),
                    probabilities=np.zeros((count, 2), np.float32),
                    scored=np.full(count, not failed),
                    decoded=0 if failed else count,
                    lost_frames=np.zeros(0, np.int64),
                    failed=failed,
                    features=np.ones((count, 1024), np.float32)
                    if features and not failed
                    else None,
                )

        tracemalloc.start()
        write_tables(
            tmp_path,
            spans=spans,
            grid=grid,
            times_us=microseconds,
            contract=model,
            spans_with_features=lambda: spans(features=True),
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        rows = np.load(tmp_path / "features.npy", mmap_mode="r")
        assert rows.shape == (num_windows, 1024)
        assert (rows[-1] == (not failed)).all()
        return peak

    few, many = 1_000, 9_000
    # Features are 4,096 bytes a window; probabilities of the one span that failed are some too.
    assert peak_bytes(many) - peak_bytes(few) < 200 * (many - few) + 64_000


def test_a_span_without_the_features_that_are_wanted_is_refused(tmp_path: Path) -> None:
    model, grid, spans = small_video()
    with pytest.raises(ValueError, match="span: expected features of 1 windows, got None"):
        write_tables(
            tmp_path,
            spans=lambda: iter(spans),
            grid=grid,
            times_us=microseconds,
            contract=model,
            spans_with_features=lambda: iter(spans),
        )
    assert not (tmp_path / "features.npy").exists()


def test_features_of_an_earlier_run_do_not_pass_for_those_of_this_one(tmp_path: Path) -> None:
    (tmp_path / "features.npy").write_bytes(b"of another run")
    write_small_video(tmp_path)
    assert not (tmp_path / "features.npy").exists()


def test_a_new_start_takes_the_old_run_away_first(tmp_path: Path) -> None:
    write_small_video(tmp_path)
    model, grid, spans = small_video()

    def killed() -> Iterator[SpanResult]:
        yield spans[0]
        raise KeyboardInterrupt

    before = (tmp_path / "frames.csv").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        write_tables(tmp_path, spans=killed, grid=grid, times_us=microseconds, contract=model)
    assert read_run(tmp_path) is None
    names = ["frames.csv", "scores.npz", "windows.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert (tmp_path / "frames.csv").read_bytes() == before


@contextmanager
def little_room(size: int) -> Iterator[None]:
    """Limit the size of the files that this process may write, as a full disk does.

    For no longer than it takes: what pytest prints may go to a file, too.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [10, 30_000])
def test_a_full_disk_is_one_error_and_leaves_no_half(tmp_path: Path, size: int) -> None:
    model = contract(stride=1)
    grid = grid_of(2_000, model)
    spans = cut_spans(
        grid,
        model,
        probabilities=few_values(0, grid.count, len(LABELS)),
        scored=np.ones(grid.count, bool),
    )
    with (
        pytest.raises(OutputError, match=r"cannot be written: File too large\. Choose") as caught,
        little_room(size),
    ):
        write_tables(
            tmp_path, spans=lambda: iter(spans), grid=grid, times_us=microseconds, contract=model
        )
    assert str(tmp_path / "windows.csv") in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OutputError, match=r"run\.json: cannot be written"), little_room(size):
        write_run(tmp_path, {"problems": ["long"] * size})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    model, grid, spans = small_video()
    with pytest.raises(OutputError, match=r"taken.* cannot be written"):
        write_tables(
            tmp_path / "taken" / "video.mp4",
            spans=lambda: iter(spans),
            grid=grid,
            times_us=microseconds,
            contract=model,
        )


def test_an_error_of_the_spans_stays_what_it_is(tmp_path: Path) -> None:
    model, grid, _ = small_video()

    def unreadable() -> Iterator[SpanResult]:
        raise OSError(errno.EIO, "the journal's disk is gone")
        yield

    with pytest.raises(OSError, match="journal"):
        write_tables(tmp_path, spans=unreadable, grid=grid, times_us=microseconds, contract=model)


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    document = {
        "problems": ["Mäuse"],
        "video": {"path": b"/data/\xff.mp4".decode(errors="surrogateescape")},
    }
    write_run(tmp_path, document)
    assert read_run(tmp_path) == document
    text = (tmp_path / "run.json").read_text(encoding="utf-8")
    assert "Mäuse" in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("content", [None, b"", b'{"complete": tr', b"[1]", b"\xff\xfe\x00"])
def test_what_is_not_a_run_is_none(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    assert read_run(tmp_path) is None


def test_a_run_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(OutputError, match=r"run\.json: cannot be read: "):
        read_run(tmp_path)


def checked(folder: Path) -> str | None:
    run = read_run(folder)
    assert run is not None
    return check_tables(folder, run)


def test_tables_as_written_are_accepted(tmp_path: Path) -> None:
    write_small_video(tmp_path)
    assert checked(tmp_path) is None


@pytest.mark.parametrize("name", ["frames.csv", "windows.csv", "scores.npz"])
def test_tables_that_have_changed_are_not_accepted(tmp_path: Path, name: str) -> None:
    write_small_video(tmp_path)
    path = tmp_path / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert f"{path}: expected {len(content)} bytes, found {len(content) - 1}" == checked(tmp_path)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert f"{path}: expected the SHA-256" in (checked(tmp_path) or "")
    path.unlink()
    assert checked(tmp_path) == f"{path}: is not there"
    path.mkdir()
    assert f"{path}: cannot be read" in (checked(tmp_path) or "")


@pytest.mark.parametrize("files", [None, [], {}, {"frames.csv": 1}])
def test_a_run_that_does_not_say_what_its_tables_were_is_not_accepted(
    tmp_path: Path, files: object
) -> None:
    write_small_video(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"files": files}))
    assert checked(tmp_path) == f"{tmp_path / 'run.json'}: does not say what frames.csv was"
