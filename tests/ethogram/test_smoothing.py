"""Smoothing: each rule against answers worked out by hand, and what no rule may ever do."""

from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i3d_client.errors import InputError, ResultError
from i3d_client.frame_status import Status
from i3d_client.scores_file import FrameBatch
from i3d_ethogram.ethogram import UNSCORED
from i3d_ethogram.smoothing import (
    NO_SMOOTHING,
    OTHER_LABELS,
    Runs,
    Smoothing,
    frame_codes,
    median_codes,
    merge_runs,
)

LABELS = ("rest", "walk", "groom")
LETTERS = "rwg"


def times_us(frames: np.ndarray) -> np.ndarray:
    """At 30 frames a second: frames of 33 333 and of 33 334 µs."""
    return (frames * 1_000_000 + 15) // 30


def codes_of(text: str) -> np.ndarray:
    """``r``, ``w``, ``g`` a scored frame each; ``.`` an unscored one."""
    return np.array([LETTERS.find(letter) for letter in text], np.int16)


def text_of(codes: np.ndarray) -> str:
    return "".join("." if code == UNSCORED else LETTERS[code] for code in codes)


def runs_of(text: str) -> Runs:
    """As ``codes_of``; ``.`` a lost frame, ``,`` one near a lost one."""
    groups = [(letter, len(list(group))) for letter, group in groupby(text)]
    first_frames = np.cumsum([0, *(length for _, length in groups)])
    statuses = {".": Status.LOST, ",": Status.NEAR_LOST}
    return Runs(
        first_frames,
        times_us(first_frames),
        np.array([LETTERS.find(letter) for letter, _ in groups], np.int16),
        np.array([statuses.get(letter, Status.SCORED) for letter, _ in groups], np.uint8),
    )


def merged(text: str, smoothing: Smoothing) -> str:
    runs = merge_runs(**runs_of(text)._asdict(), labels=LABELS, smoothing=smoothing)
    assert (runs.times_us == times_us(runs.first_frames)).all()
    differ = (np.diff(runs.codes) != 0) | (np.diff(runs.statuses) != 0)
    assert differ.all(), "neighbours are one run"
    letters = [
        LETTERS[code] if code != UNSCORED else {Status.LOST: ".", Status.NEAR_LOST: ","}[status]
        for code, status in zip(runs.codes, runs.statuses, strict=True)
    ]
    lengths = np.diff(runs.first_frames)
    return "".join(letter * n for letter, n in zip(letters, lengths, strict=True))


def batch_of(probabilities: np.ndarray, statuses: np.ndarray, first_frame: int = 0) -> FrameBatch:
    return FrameBatch(
        first_frame=first_frame,
        times_us=times_us(first_frame + np.arange(len(statuses) + 1)),
        probabilities=probabilities.astype(np.float32),
        statuses=statuses.astype(np.uint8),
    )


def test_without_smoothing_a_frame_has_its_most_probable_label_the_first_of_equal_ones() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.4, 0.2, 0.4], [0, 0, 0]])
    codes = frame_codes(batch_of(probabilities, np.array([0, 0, 2])), NO_SMOOTHING)
    assert codes.tolist() == [1, 0, UNSCORED]
    assert codes.dtype == np.int16


def test_hysteresis_holds_a_label_until_it_falls_or_another_one_reaches_enter() -> None:
    rows = [
        (0.7, 0.3, 0.0, 0, "r"),
        (0.45, 0.55, 0.0, 0, "r"),  # walk is more probable and not yet 0.6
        (0.40, 0.60, 0.0, 0, "w"),  # reaches enter, though rest has not fallen below leave
        (0.50, 0.45, 0.05, 0, "w"),
        (0.35, 0.30, 0.35, 0, "r"),  # walk fell; the most probable, of equal ones the first
        (0.41, 0.0, 0.59, 0, "r"),
        (0.0, 0.0, 0.0, Status.LOST, "."),
        (0.41, 0.0, 0.59, 0, "g"),  # what came before the unscored frame is forgotten
        (0.59, 0.0, 0.41, 0, "g"),
        (0.61, 0.0, 0.39, 0, "r"),
    ]
    batch = batch_of(np.array([row[:3] for row in rows]), np.array([row[3] for row in rows]))
    codes = frame_codes(batch, Smoothing(hysteresis=(0.6, 0.4)))
    assert text_of(codes) == "".join(row[4] for row in rows)


@st.composite
def answers(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    frames = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    statuses = (rng.random(frames) < draw(st.sampled_from([0, 0.2]))) * Status.LOST
    probabilities = rng.dirichlet([0.6] * 3, frames)
    probabilities[statuses != Status.SCORED] = 0
    return probabilities, statuses


@given(answers(), st.integers(1, 20))
def test_hysteresis_does_not_depend_on_how_a_recording_is_cut(
    answer: tuple[np.ndarray, np.ndarray], size: int
) -> None:
    probabilities, statuses = answer
    smoothing = Smoothing(hysteresis=(0.6, 0.3))
    whole = frame_codes(batch_of(probabilities, statuses), smoothing)
    parts, before = [], UNSCORED
    for first in range(0, len(statuses), size):
        part = slice(first, first + size)
        batch = batch_of(probabilities[part], statuses[part], first)
        parts.append(frame_codes(batch, smoothing, before=before))
        before = int(parts[-1][-1])
    assert np.concatenate(parts).tolist() == whole.tolist()
    assert ((whole == UNSCORED) == (statuses != Status.SCORED)).all()


@pytest.mark.parametrize(
    ("before", "frames", "after"),
    [
        ("rrwrr", 3, "rrrrr"),
        ("rrwwrr", 3, "rrwwrr"),
        ("rrwwrr", 5, "rrrrrr"),
        ("rwg", 3, "rwg"),  # three equally frequent: the frame's own
        ("wrrggr", 5, "rrrrgg"),
        ("wwggr", 5, "wwggg"),  # two w and two g around the first g: its own
        ("rrwgg", 5, "rrrgg"),  # r and g equally frequent around w: the first
        ("ggwrr", 5, "gggrr"),
        ("rr.rwwrw.w", 3, "rr.rwwww.w"),
        ("w.rrr", 5, "w.rrr"),  # does not see across
        ("", 3, ""),
        ("...", 3, "..."),
        ("rwrw", 1, "rwrw"),
    ],
)
def test_median(before: str, frames: int, after: str) -> None:
    assert text_of(median_codes(codes_of(before), frames)) == after


@given(st.text("rwg.", max_size=80), st.sampled_from([1, 3, 5, 9, 101]))
def test_median_is_what_its_rule_says_of_each_frame(text: str, frames: int) -> None:
    reach, smooth = frames // 2, text_of(median_codes(codes_of(text), frames))
    for place, letter in enumerate(text):
        before = text[max(0, place - reach) : place].rpartition(".")[2]
        window = before + text[place : place + reach + 1].partition(".")[0]
        most = max([window.count(other) for other in window], default=0)
        frequent = [other for other in window if window.count(other) == most]
        expected = letter if letter == "." or letter in frequent else frequent[0]
        assert smooth[place] == expected


def test_median_of_a_long_stretch_is_that_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.random.default_rng(3).integers(-1, 3, 5_000).astype(np.int16)
    codes[1000:4000][codes[1000:4000] == UNSCORED] = 1
    whole = median_codes(codes, 31)
    monkeypatch.setattr("i3d_ethogram.smoothing._FRAMES_AT_ONCE", 64)
    assert (median_codes(codes, 31) == whole).all()


AUTHORS_LIKE = Smoothing(merge_bouts_frames=1, merge_label_frames={"rest": 3})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wwwgrrrr", "wwwwrrrr"),
        ("wwwgwww", "wwwwwww"),
        ("wwgrgrww", "wwwwwwww"),  # one after another into the same
        ("wwrrrgg", "wwwwwgg"),  # rest, three frames
        ("wwrrrrgg", "wwrrrrgg"),
        ("rrwwrrr", "rrwwwww"),  # the first of a stretch has none before it: stays
        ("gww.gww", "gww.gww"),
        ("rrgrr", "rrrrr"),
        ("wwrrgrrww", "wwrrrrrww"),  # rest is five frames by the time of its own rule
        ("ww.g,g.ww", "ww.g,g.ww"),
        ("..,,", "..,,"),
        ("", ""),
    ],
)
def test_merging_into_the_bout_before(before: str, after: str) -> None:
    assert merged(before, AUTHORS_LIKE) == after


LEAST = Smoothing(minimum_bout_s={"walk": 0.1, "groom": 0.2})  # 3 and 6 frames


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("rwwr", "rrrr"),
        ("rwwwr", "rwwwr"),
        ("rgggggr", "rrrrrrr"),
        ("rggggggr", "rggggggr"),
        ("wwr", "rrr"),  # the first becomes part of the one after it
        ("wgwwwr", "wwwwwr"),  # w → g, too short still → w
        ("wggr", "rrrr"),  # g has three frames by now, and needs six
        ("ww", "ww"),  # alone
        ("ww.r", "ww.r"),
        ("wg.wwwr", "gg.wwwr"),
        ("rww,wwr", "rrr,rrr"),
    ],
)
def test_minimum_bout(before: str, after: str) -> None:
    assert merged(before, LEAST) == after


def test_minimum_bout_of_labels_that_are_not_named() -> None:
    smoothing = Smoothing(minimum_bout_s={OTHER_LABELS: 0.1, "walk": 0.03})
    assert merged("rrrwggrrr", smoothing) == "rrrwwwrrr"


@st.composite
def smoothings(draw: st.DrawFn) -> Smoothing:
    counts = st.integers(1, 20)
    seconds = st.sampled_from([0.01, 0.05, 0.1, 0.3])
    return Smoothing(
        merge_bouts_frames=draw(st.none() | counts),
        merge_label_frames=draw(st.dictionaries(st.sampled_from(LABELS), counts)),
        minimum_bout_s=draw(st.dictionaries(st.sampled_from([*LABELS, OTHER_LABELS]), seconds)),
    )


@given(st.text("rwg.,", max_size=60), smoothings())
def test_no_rule_changes_which_frames_are_scored_or_brings_a_label_across(
    text: str, smoothing: Smoothing
) -> None:
    after = merged(text, smoothing)
    assert len(after) == len(text)
    unscored = str.maketrans("rwg", "sss")
    assert after.translate(unscored) == text.translate(unscored)
    for stretch, smooth in zip(
        text.replace(",", ".").split("."), after.replace(",", ".").split("."), strict=True
    ):
        assert set(smooth) <= set(stretch)
        assert bool(smooth) == bool(stretch)


@given(st.text("rwg.", max_size=60), smoothings())
def test_no_bout_is_left_shorter_than_its_least_but_one_that_is_alone(
    text: str, smoothing: Smoothing
) -> None:
    others = smoothing.minimum_bout_s.get(OTHER_LABELS, 0)
    for stretch in merged(text, smoothing).split("."):
        bouts = [(letter, len(list(group))) for letter, group in groupby(stretch)]
        for letter, frames in bouts if len(bouts) > 1 else ():
            least = smoothing.minimum_bout_s.get(LABELS[LETTERS.index(letter)], others)
            assert frames / 30 >= least - 1e-6


def test_rules_for_a_label_that_there_is_not_are_refused() -> None:
    with pytest.raises(ResultError, match=r"'hang'.*rest, walk, groom"):
        merged("rw", Smoothing(merge_label_frames={"hang": 3}))
    with pytest.raises(ResultError, match="'hang'"):
        merged("rw", Smoothing(minimum_bout_s={"hang": 1.0, OTHER_LABELS: 2.0}))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"hysteresis": (0.4, 0.6)}, r"hysteresis.*\(0.4, 0.6\)"),
        ({"hysteresis": (1.2, 0.6)}, "hysteresis"),
        ({"hysteresis": (float("nan"), 0.6)}, "hysteresis"),
        ({"median_frames": 4}, "odd.*4"),
        ({"median_frames": -3}, "median"),
        ({"merge_bouts_frames": 0}, "merge bouts"),
        ({"merge_label_frames": {"rest": -1}}, "'rest'"),
        ({"minimum_bout_s": {"rest": 0.0}}, "'rest'"),
        ({"minimum_bout_s": {"": float("inf")}}, "minimum bout:"),
    ],
)
def test_impossible_rules_are_refused(rule: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Smoothing(**rule)  # type: ignore[arg-type]


def test_the_document_has_the_rules_that_are_on() -> None:
    assert NO_SMOOTHING.as_document() == {}
    assert Smoothing(hysteresis=(0.6, 0.4), merge_label_frames={"rest": 150}).as_document() == {
        "hysteresis": [0.6, 0.4],
        "merge_label_frames": {"rest": 150},
    }
