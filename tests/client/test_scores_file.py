"""``scores.npz``: what is read is what was written, and what is not such a file is refused."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ethogram.synthetic import frame_times_us, write_recording

from i3d_client import scores_file
from i3d_client.contract import ModelContract
from i3d_client.errors import ResultError
from i3d_client.frame_status import STATUS_NAMES
from i3d_client.scores_file import FrameBatch, Scores


def scores_of(folder: Path) -> Scores:
    contract = json.loads((folder / "run.json").read_text())["model"]["contract"]
    return Scores(folder / "scores.npz", ModelContract.from_json(json.dumps(contract)))


def write(out: Path, **options: object) -> Path:
    return write_recording(out, labels=("rest", "walk"), **options)  # type: ignore[arg-type]


def joined(scores: Scores) -> FrameBatch:
    batches = list(scores.batches())
    return FrameBatch(
        first_frame=batches[0].first_frame,
        times_us=np.concatenate([b.times_us[:-1] for b in batches] + [batches[-1].times_us[-1:]]),
        probabilities=np.concatenate([b.probabilities for b in batches]),
        statuses=np.concatenate([b.statuses for b in batches]),
    )


@given(st.integers(1, 400), st.integers(1, 16), st.sampled_from(["last", "centre"]), st.integers())
def test_it_says_what_frames_csv_says(
    tmp_path_factory: pytest.TempPathFactory, frames: int, stride: int, rule: str, seed: int
) -> None:
    random = np.random.default_rng(abs(seed))
    lost = np.flatnonzero(random.random(frames) < 0.01).tolist()
    folder = write(
        tmp_path_factory.mktemp("out"),
        num_frames=frames,
        stride=stride,
        label_frame=rule,
        lost_frames=lost,
        first_frame=7,
        bouts=[("rest", 3), ("walk", 3)],
    )
    every = joined(scores_of(folder))
    lines = (folder / "frames.csv").read_text().splitlines()[1:]
    cells = [line.split(",") for line in lines]
    assert [int(row[0]) for row in cells] == list(range(7, 7 + frames))
    assert every.first_frame == 7
    assert [row[4] for row in cells] == [STATUS_NAMES[status] for status in every.statuses]
    shown = [f"{value:.6f}" for value in every.probabilities[:, 0].tolist()]
    assert [row[5] or "0.000000" for row in cells] == shown
    times = [f"{us // 10**6}.{us % 10**6:06}" for us in every.times_us[:-1].tolist()]
    assert [row[1] for row in cells] == times


def test_batches_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path, num_frames=3000, stride=3, lost_frames=[700, 2999])
    whole = joined(scores_of(folder))
    monkeypatch.setattr(scores_file, "_ROWS_AT_ONCE", 1)
    assert len(list(scores_of(folder).batches())) > 10
    cut = joined(scores_of(folder))
    for name in ("times_us", "probabilities", "statuses"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(cut, name))
    np.testing.assert_array_equal(whole.times_us, frame_times_us(3000, 30))


def test_a_span_that_was_given_up_is_told_from_frames_near_a_lost_one(tmp_path: Path) -> None:
    folder = write(tmp_path, num_frames=200, stride=4, lost_frames=[30], given_up=(12, 20))
    names = [STATUS_NAMES[status] for status in joined(scores_of(folder)).statuses]
    assert set(names[:12]) == {"before_first"}
    assert names[30] == "lost"
    assert names[29] == names[31] == "near_lost"
    assert "given_up" in names[100:170]
    assert names[-1] == "scored"
    assert "near_lost" not in names[60:]


def test_numpy_reads_it_too(tmp_path: Path) -> None:
    folder = write(tmp_path, num_frames=100)
    with np.load(folder / "scores.npz", allow_pickle=False) as arrays:
        assert arrays["probabilities"].shape == (85, 2)
        np.testing.assert_array_equal(arrays["times_us"], frame_times_us(100, 30))


def test_what_is_no_probability_or_no_time_is_refused_where_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, num_frames=3000) / "scores.npz"
    monkeypatch.setattr(scores_file, "_ROWS_AT_ONCE", 1)
    with np.load(path) as arrays:
        content = dict(arrays)
    for value in (np.nan, np.inf, -0.5, 1.5):
        probabilities = content["probabilities"].copy()
        probabilities[2000, 1] = value
        np.savez(path, **{**content, "probabilities": probabilities})
        batches = scores_of(path.parent).batches()
        next(batches)  # what is right before is read
        with pytest.raises(ResultError, match=r"scores\.npz: cannot be used: probabilities: exp"):
            list(batches)
    for frame in (255, 256, 257, 2000, 2999):  # also where one batch ends and the next begins
        times_us = content["times_us"].copy()
        times_us[frame + 1] = times_us[frame] - 1
        np.savez(path, **{**content, "times_us": times_us})
        with pytest.raises(ResultError, match=f"times_us: .* after frame {frame} of"):
            list(scores_of(path.parent).batches())
    times_us[2999:] = times_us[2998]  # frames that are shown at one time are none of our business
    np.savez(path, **{**content, "times_us": times_us})
    assert len(list(scores_of(path.parent).batches())) > 10


@pytest.mark.parametrize("number", [0, 1])
def test_a_recording_without_a_frame_is_refused(tmp_path: Path, number: int) -> None:
    path = write(tmp_path, num_frames=100) / "scores.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    for name in ("probabilities", "scored"):
        content[name] = content[name][:0]
    np.savez(path, **{**content, "times_us": content["times_us"][:number]})
    with pytest.raises(
        ResultError, match=r"scores\.npz: cannot be used: times_us: expected a frame"
    ):
        scores_of(path.parent)


@pytest.mark.parametrize("harm", ["cut", "text", "pickle", "compressed", "missing", "other model"])
def test_what_is_not_such_a_file_is_refused(tmp_path: Path, harm: str) -> None:
    path = write(tmp_path, num_frames=100) / "scores.npz"
    with np.load(path) as arrays:
        content = dict(arrays)
    if harm == "cut":
        path.write_bytes(path.read_bytes()[:1000])
    elif harm == "text":
        path.write_text("not a zip")
    elif harm == "pickle":
        np.savez(path, **{**content, "scored": np.array([{}], object)})
    elif harm == "compressed":
        np.savez_compressed(path, **content)
    elif harm == "missing":
        with zipfile.ZipFile(path, "w"):
            pass
    else:
        np.savez(path, **{**content, "probabilities": np.zeros((85, 3), np.float32)})
    with pytest.raises(ResultError, match=r"scores\.npz: cannot be used: .*--overwrite"):
        scores_of(path.parent)
