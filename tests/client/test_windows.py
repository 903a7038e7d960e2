"""Windows, segments and labels against the rules, written again the slow way."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.contract import LabelFrame, ModelContract, Normalisation, Resize
from i3d_client.segments import Buffers, Segment, cut_segments
from i3d_client.windows import WindowGrid


@st.composite
def layouts(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """n, T, stride, N."""
    clip_frames = draw(st.integers(16, 40))
    stride = draw(st.integers(1, clip_frames))
    windows = draw(st.integers(1, 6))
    num_frames = draw(st.integers(1, 4 * (clip_frames + windows * stride)))
    return num_frames, clip_frames, stride, windows


def contract(clip_frames: int, stride: int, windows: int) -> ModelContract:
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
        labels=("a", "b"),
        label_frame="last",
        trained_fps=30.0,
    )


def expected_starts(num_frames: int, clip_frames: int, stride: int) -> list[int]:
    if num_frames <= clip_frames:
        return [0]
    starts = []
    start = 0
    while start + clip_frames <= num_frames:
        starts.append(start)
        start += stride
    if starts[-1] + clip_frames != num_frames:
        starts.append(num_frames - clip_frames)
    return starts


@given(layouts(), st.data())
def test_windows_start_every_stride_and_the_last_ends_with_the_video(
    layout: tuple[int, int, int, int], data: st.DataObject
) -> None:
    num_frames, clip_frames, stride, _ = layout
    expected = expected_starts(num_frames, clip_frames, stride)
    grid = WindowGrid(num_frames, clip_frames, stride)
    assert grid.count == len(expected)
    first, stop = sorted(data.draw(st.tuples(*[st.integers(0, len(expected))] * 2)))
    assert grid.starts(first, stop).tolist() == expected[first:stop]
    stops = [min(start + clip_frames, num_frames) for start in expected[first:stop]]
    assert grid.stops(first, stop).tolist() == stops
    assert grid.has_tail == (expected[-1] % stride != 0)
    assert grid.num_regular == grid.count - grid.has_tail


def test_no_frames_no_windows() -> None:
    grid = WindowGrid(0, 16, 4)
    assert (grid.count, grid.num_regular, grid.has_tail) == (0, 0, False)
    assert grid.num_segments(2) == 0
    assert grid.starts(0, 0).tolist() == []
    none = grid.labelling_windows(0, 0, scored=np.zeros(0, bool), label_frame="last")
    assert none.tolist() == []


@given(layouts())
def test_the_tail_is_counted_with_the_last_segment(layout: tuple[int, int, int, int]) -> None:
    num_frames, clip_frames, stride, windows = layout
    grid = WindowGrid(num_frames, clip_frames, stride)
    starts = expected_starts(num_frames, clip_frames, stride)
    segments: list[list[int]] = []
    for window, start in enumerate(starts):
        tail = start % stride != 0
        if not tail and window % windows == 0:
            segments.append([])
        segments[-1].append(window)
    assert grid.num_segments(windows) == len(segments)
    first_frame = 0
    for number, held in enumerate(segments):
        got = grid.windows_of_segments(number, number + 1, windows)
        assert list(range(*got)) == held
        frames = grid.frames_of_segments(number, number + 1, windows)
        assert frames[0] == first_frame == starts[held[0]]
        first_frame = frames[1]
    assert first_frame == num_frames
    everything = grid.windows_of_segments(0, len(segments), windows)
    assert everything == (0, len(starts))
    nothing = grid.windows_of_segments(len(segments), len(segments), windows)
    assert nothing == (len(starts), len(starts))


@given(layouts())
def test_the_grid_has_the_segments_that_are_cut(layout: tuple[int, int, int, int]) -> None:
    num_frames, clip_frames, stride, windows = layout
    grid = WindowGrid(num_frames, clip_frames, stride)
    segments = cut(num_frames, clip_frames, stride, windows, frozenset())
    assert len(segments) == grid.num_segments(windows) + grid.has_tail


def numbered(num_frames: int, lost: frozenset[int]) -> Iterator[int | None]:
    for frame in range(num_frames):
        yield None if frame in lost else frame


def write_number(frame: int, row: np.ndarray) -> None:
    row[...] = frame % 251


def cut(
    num_frames: int, clip_frames: int, stride: int, windows: int, lost: frozenset[int]
) -> list[Segment]:
    return list(
        cut_segments(
            numbered(num_frames, lost),
            contract=contract(clip_frames, stride, windows),
            convert=write_number,
            buffers=Buffers.for_segments(contract(clip_frames, stride, windows), 200),
        )
    )


@given(layouts(), st.data())
def test_segments_carry_every_window_once_with_its_own_frames(
    layout: tuple[int, int, int, int], data: st.DataObject
) -> None:
    num_frames, clip_frames, stride, windows = layout
    lost = data.draw(st.frozensets(st.integers(0, num_frames - 1), max_size=5))
    segments = cut(num_frames, clip_frames, stride, windows, lost)
    ranges = [window for segment in segments for window in segment.windows]
    grid = WindowGrid(num_frames, clip_frames, stride)
    starts = grid.starts(0, grid.count)
    assert [window.start for window in ranges] == starts.tolist()
    for segment in segments:
        assert segment.frames.shape == contract(clip_frames, stride, windows).segment_shape
        assert 1 <= len(segment.windows) <= windows
        for place, window in enumerate(segment.windows):
            assert window.stop == min(window.start + clip_frames, num_frames)
            within = range(window.start, window.stop)
            assert window.scored == (not lost & set(within))
            if window.scored:
                rows = segment.frames[place * stride : place * stride + len(within), 0, 0, 0]
                assert rows.tolist() == [frame % 251 for frame in within]


@given(layouts())
def test_all_but_the_tail_are_full_or_last(layout: tuple[int, int, int, int]) -> None:
    num_frames, clip_frames, stride, windows = layout
    segments = cut(num_frames, clip_frames, stride, windows, frozenset())
    regular = [window.start for segment in segments for window in segment.windows]
    for number, segment in enumerate(segments[:-2]):
        first = number * windows * stride
        assert [window.start for window in segment.windows] == list(
            range(first, first + windows * stride, stride)
        )
    tail = regular[-1] % stride != 0 and num_frames > clip_frames
    if tail:
        assert len(segments[-1].windows) == 1


def test_a_short_video_is_padded_by_its_last_frame() -> None:
    (segment,) = cut(5, 16, 16, 1, frozenset())
    assert segment.frames[:, 0, 0, 0].tolist() == [0, 1, 2, 3] + [4] * 12
    assert segment.windows == ((0, 5, True),)


def slow_last(
    num_frames: int, starts: list[int], scored: list[bool], clip_frames: int, stride: int
) -> list[int]:
    owner = [-1] * num_frames
    if num_frames <= clip_frames:
        return [0 if scored[0] else -1] * num_frames
    before = clip_frames - stride - 1
    for window, start in enumerate(starts):
        last = start + clip_frames - 1
        for frame in range(before + 1, last + 1):
            owner[frame] = window if scored[window] else -1
        before = last
    return owner


def slow_centre(
    num_frames: int, starts: list[int], scored: list[bool], clip_frames: int
) -> list[int]:
    owner = []
    for frame in range(num_frames):
        best, distance = -1, float("inf")
        for window, start in enumerate(starts):
            inside = start <= frame < start + clip_frames
            away = abs(start + (clip_frames - 1) / 2 - frame)
            if scored[window] and inside and away < distance:
                best, distance = window, away
        owner.append(best)
    return owner


@given(layouts(), st.sampled_from(["last", "centre"]), st.data())
def test_labels_follow_the_rules_whatever_frames_are_asked_for_together(
    layout: tuple[int, int, int, int], rule: LabelFrame, data: st.DataObject
) -> None:
    num_frames, clip_frames, stride, _ = layout
    starts = expected_starts(num_frames, clip_frames, stride)
    scored = data.draw(st.lists(st.booleans(), min_size=len(starts), max_size=len(starts)))
    if rule == "last":
        expected = slow_last(num_frames, starts, scored, clip_frames, stride)
    else:
        expected = slow_centre(num_frames, starts, scored, clip_frames)
    cuts = data.draw(st.lists(st.integers(0, num_frames), max_size=6))
    bounds = [0, *sorted(cuts), num_frames]
    grid = WindowGrid(num_frames, clip_frames, stride)
    got: list[int] = []
    for first, stop in pairwise(bounds):
        part = grid.labelling_windows(first, stop, scored=np.array(scored), label_frame=rule)
        assert part.dtype == np.int64
        got += part.tolist()
    assert got == expected


def label_all(grid: WindowGrid, scored: list[bool], rule: LabelFrame) -> list[int]:
    windows = grid.labelling_windows(0, grid.num_frames, scored=np.array(scored), label_frame=rule)
    return windows.tolist()


@given(layouts())
def test_centre_leaves_no_frame_of_a_whole_video_without_a_label(
    layout: tuple[int, int, int, int],
) -> None:
    num_frames, clip_frames, stride, _ = layout
    grid = WindowGrid(num_frames, clip_frames, stride)
    assert min(label_all(grid, [True] * grid.count, "centre")) >= 0


def test_last_leaves_the_first_frames_unscored_at_stride_1() -> None:
    got = label_all(WindowGrid(20, 16, 1), [True] * 5, "last")
    assert got == [-1] * 15 + [0, 1, 2, 3, 4]


def test_a_tie_between_centres_goes_to_the_earlier() -> None:
    got = label_all(WindowGrid(19, 17, 2), [True] * 2, "centre")
    assert got == [0] * 10 + [1] * 9  # centres 8 and 10; frame 9 is between


def test_a_frame_outside_every_scored_window_takes_none() -> None:
    got = label_all(WindowGrid(64, 16, 16), [True, False, False, True], "centre")
    assert got == [0] * 16 + [-1] * 32 + [3] * 16
