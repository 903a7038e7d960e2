"""From what ``i3d classify`` wrote to an ethogram."""

import csv
import shutil
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ethogram.synthetic import frame_times_us, write_recording

from i3d_client.errors import ResultError
from i3d_client.frame_status import STATUS_NAMES
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.reading import find_recordings, open_scores, read_ethogram
from i3d_ethogram.smoothing import Smoothing

RATES = [Fraction(30), Fraction(30000, 1001), Fraction(25)]


def runs_of_frames_csv(folder: Path) -> list[tuple[int, int, str, str, float]]:
    """First frame, frame after the last, label, status and mean score, the slow way."""
    with (folder / "frames.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = []
    for (label, status), group in groupby(rows, key=lambda row: (row["label"], row["status"])):
        frames = list(group)
        mean = np.mean([float(row["score"]) for row in frames]) if label else np.nan
        first = int(frames[0]["frame"])
        found.append((first, first + len(frames), label, status, float(mean)))
    return found


def check_against_frames_csv(ethogram: Ethogram, folder: Path) -> None:
    expected = runs_of_frames_csv(folder)
    names = ["" if code == UNSCORED else ethogram.labels[code] for code in ethogram.codes]
    statuses = [STATUS_NAMES[status] for status in ethogram.statuses]
    firsts = ethogram.first_frames.tolist()
    got = list(zip(firsts[:-1], firsts[1:], names, statuses, strict=True))
    assert got == [run[:4] for run in expected]
    np.testing.assert_allclose(ethogram.scores, [run[4] for run in expected], atol=1e-5)


@given(
    st.integers(1, 600),
    st.integers(1, 16),
    st.sampled_from(["last", "centre"]),
    st.sampled_from(RATES),
    st.integers(0, 1000),
)
def test_runs_are_those_of_frames_csv_and_cover_the_recording(
    tmp_path_factory: pytest.TempPathFactory,
    frames: int,
    stride: int,
    rule: str,
    fps: Fraction,
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    out = tmp_path_factory.mktemp("out")
    folder = write_recording(
        out,
        num_frames=frames,
        stride=stride,
        label_frame=rule,  # type: ignore[arg-type]
        fps=fps,
        lost_frames=np.flatnonzero(random.random(frames) < 0.01).tolist(),
        seed=seed,
        first_frame=seed,
    )
    ethogram = read_ethogram(out, folder.name)
    check_against_frames_csv(ethogram, folder)
    times = frame_times_us(frames, fps)
    np.testing.assert_array_equal(ethogram.times_us, times[ethogram.first_frames - seed])
    assert ethogram.duration_us == times[-1] == ethogram.durations_us.sum()


def test_batches_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_recording(tmp_path, num_frames=20_000, stride=4, lost_frames=[9000])
    rules = Smoothing(hysteresis=(0.9, 0.1), median_frames=31, minimum_bout_s={"": 1.0})
    whole = [read_ethogram(tmp_path, folder.name, smoothing=one) for one in (Smoothing(), rules)]
    monkeypatch.setattr("i3d_client.scores_file._ROWS_AT_ONCE", 1)
    cut = [read_ethogram(tmp_path, folder.name, smoothing=one) for one in (Smoothing(), rules)]
    for one, other in zip(whole, cut, strict=True):
        for name in ("first_frames", "times_us", "codes", "statuses"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_allclose(one.scores, other.scores, rtol=1e-6)
    assert len(whole[1].codes) < len(whole[0].codes)


def test_the_score_of_a_smoothed_bout_is_that_of_its_label(tmp_path: Path) -> None:
    bouts = [("rest", 10), ("walk", 0.1), ("rest", 10)]
    folder = write_recording(tmp_path, num_frames=600, bouts=bouts)
    ethogram = read_ethogram(tmp_path, folder.name, smoothing=Smoothing(merge_bouts_frames=3))
    assert [ethogram.labels[code] for code in ethogram.codes[1:]] == ["rest"]
    probabilities = np.concatenate([b.probabilities for b in open_scores(folder).batches()])
    rest = probabilities[15:, ethogram.labels.index("rest")]
    assert ethogram.scores[1] == pytest.approx(rest.mean(), rel=1e-6)


def test_recordings_are_found_in_the_order_that_people_use(tmp_path: Path) -> None:
    for name in ("cage 10/a.mp4", "cage 2/a.mp4", "b.mp4"):
        write_recording(tmp_path, name, num_frames=50)
    (tmp_path / "cage 2" / "unfinished.mp4" / ".journal").mkdir(parents=True)
    (tmp_path / "cage 2" / "unfinished.mp4" / ".journal" / "run.json").write_text("{}")
    assert find_recordings(tmp_path) == ["b.mp4", "cage 2/a.mp4", "cage 10/a.mp4"]


def test_what_is_not_there_or_not_whole_is_said(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no results in it"):
        find_recordings(tmp_path)
    folder = write_recording(tmp_path, num_frames=50)
    shutil.copytree(folder, tmp_path / "old")
    old = (tmp_path / "old" / "run.json").read_text()
    (tmp_path / "old" / "run.json").write_text(old.replace("scores.npz", "labels.csv"))
    with pytest.raises(ResultError, match="an earlier version"):
        read_ethogram(tmp_path, "old")
    (folder / "scores.npz").unlink()
    with pytest.raises(ResultError, match=r"scores\.npz: cannot be used: is not there"):
        read_ethogram(tmp_path, folder.name)
    (folder / "run.json").unlink()
    with pytest.raises(ResultError, match="no whole results"):
        read_ethogram(tmp_path, folder.name)


def test_scores_that_run_json_does_not_record_are_refused(tmp_path: Path) -> None:
    folder = write_recording(tmp_path, num_frames=3000)
    path = folder / "scores.npz"
    content = path.read_bytes()
    place = content.index(b"probabilities.npy") + 20_000  # a score, a little different
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ResultError, match=r"scores\.npz: cannot be used: expected the SHA-256"):
        read_ethogram(tmp_path, folder.name)
    open_scores(folder)  # which is read again for each format, right after read_ethogram
    path.write_bytes(content + b"\0")
    for read in (lambda: read_ethogram(tmp_path, folder.name), lambda: open_scores(folder)):
        with pytest.raises(ResultError, match=rf"expected {len(content)} bytes, found"):
            read()
