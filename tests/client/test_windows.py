"""Windows, segments and labels against the rules, written again the slow way."""

from collections.abc import Iterator

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.contract import ModelContract, Normalisation, Resize
from i3d_client.segments import Buffers, Segment, cut_segments
from i3d_client.windows import labelling_windows, window_starts


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


@given(layouts())
def test_windows_start_every_stride_and_the_last_ends_with_the_video(
    layout: tuple[int, int, int, int],
) -> None:
    num_frames, clip_frames, stride, _ = layout
    starts = window_starts(num_frames, clip_frames=clip_frames, stride=stride)
    assert starts.tolist() == expected_starts(num_frames, clip_frames, stride)


def test_no_frames_no_windows() -> None:
    assert window_starts(0, clip_frames=16, stride=4).tolist() == []


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
    starts = window_starts(num_frames, clip_frames=clip_frames, stride=stride)
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
def test_labels_follow_the_rules(
    layout: tuple[int, int, int, int], rule: str, data: st.DataObject
) -> None:
    num_frames, clip_frames, stride, _ = layout
    starts = expected_starts(num_frames, clip_frames, stride)
    scored = data.draw(st.lists(st.booleans(), min_size=len(starts), max_size=len(starts)))
    if rule == "last":
        expected = slow_last(num_frames, starts, scored, clip_frames, stride)
    else:
        expected = slow_centre(num_frames, starts, scored, clip_frames)
    got = labelling_windows(
        num_frames,
        starts=np.array(starts),
        scored=np.array(scored),
        clip_frames=clip_frames,
        stride=stride,
        label_frame=rule,
    )
    assert got.tolist() == expected


@given(layouts())
def test_centre_leaves_no_frame_of_a_whole_video_without_a_label(
    layout: tuple[int, int, int, int],
) -> None:
    num_frames, clip_frames, stride, _ = layout
    starts = window_starts(num_frames, clip_frames=clip_frames, stride=stride)
    got = labelling_windows(
        num_frames,
        starts=starts,
        scored=np.ones(len(starts), bool),
        clip_frames=clip_frames,
        stride=stride,
        label_frame="centre",
    )
    assert (got >= 0).all()


def test_last_leaves_the_first_frames_unscored_at_stride_1() -> None:
    got = labelling_windows(
        20,
        starts=np.arange(5),
        scored=np.ones(5, bool),
        clip_frames=16,
        stride=1,
        label_frame="last",
    )
    assert got.tolist() == [-1] * 15 + [0, 1, 2, 3, 4]


def test_a_tie_between_centres_goes_to_the_earlier() -> None:
    got = labelling_windows(
        19,
        starts=np.array([0, 2]),
        scored=np.ones(2, bool),
        clip_frames=17,
        stride=2,
        label_frame="centre",
    )
    assert got.tolist() == [0] * 10 + [1] * 9  # centres 8 and 10; frame 9 is between


def test_a_frame_outside_every_scored_window_takes_none() -> None:
    got = labelling_windows(
        64,
        starts=np.array([0, 16, 32, 48]),
        scored=np.array([True, False, False, True]),
        clip_frames=16,
        stride=16,
        label_frame="centre",
    )
    assert got.tolist() == [0] * 16 + [-1] * 32 + [3] * 16
