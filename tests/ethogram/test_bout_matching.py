import numpy as np

from i3d_ethogram.compare.bout_matching import bouts_of, matched_bouts


def codes(text: str) -> np.ndarray:
    """A letter a frame; a full stop has no label."""
    return np.array([-1 if sign == "." else ord(sign) - ord("a") for sign in text], np.int16)


def pairs(one: str, other: str, *, tolerance: int) -> list[tuple[int, int]]:
    everywhere = np.ones(len(one), np.bool_)
    return matched_bouts(
        bouts_of(codes(one), among=everywhere),
        bouts_of(codes(other), among=everywhere),
        times_us=np.arange(len(one) + 1, dtype=np.int64),
        tolerance_us=tolerance,
    )


def test_bouts_are_runs_of_one_label():
    found = bouts_of(codes("aab..bba"), among=np.ones(8, np.bool_))
    assert found.codes.tolist() == [0, 1, 1, 0]
    assert found.starts.tolist() == [0, 2, 5, 7]
    assert found.stops.tolist() == [2, 3, 7, 8]
    assert found.counts(3).tolist() == [2, 2, 0]


def test_a_bout_counts_if_half_of_it_is_compared():
    among = np.array([1, 1, 0, 0, 1, 0, 0], np.bool_)
    assert bouts_of(codes("aaaabbb"), among=among).codes.tolist() == [0]


def test_the_tolerance_is_of_the_beginnings_and_inclusive():
    assert pairs("..aaaa..", "....aaaa", tolerance=2) == [(0, 0)]
    assert pairs("..aaaa..", "....aaaa", tolerance=1) == []


def test_bouts_must_overlap_and_have_one_label():
    assert pairs("aa......", "..aa....", tolerance=5) == []
    assert pairs("aaa.....", ".bbb....", tolerance=5) == []


def test_each_bout_is_found_once_and_the_nearest_goes_first():
    # The person saw one bout, the model cut it in two: one is found, the other is too much.
    assert pairs("aaaaaaaa", "aaa.aaaa", tolerance=5) == [(0, 0)]
    assert pairs(".aaaaaaa", "a.aaaaaa", tolerance=5) == [(0, 1)]
    # Two of the person's compete for one; the nearest beginning has it.
    assert pairs("aab.aaaa", ".aaaaaaa", tolerance=9) == [(0, 0)]
    assert pairs("aaaa.aaa", "...aaaaa", tolerance=9) == [(1, 0)]


def test_no_frames():
    nothing = bouts_of(np.empty(0, np.int16), among=np.empty(0, np.bool_))
    assert nothing.counts(2).tolist() == [0, 0]
