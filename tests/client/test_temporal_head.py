"""A last layer that sees a window among its neighbours."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.conftest import NUMBER_MODELS
from tests.client.runs import classify, i3d_classify
from tests.conftest import MakeVideo

from i3d_client.contract import FEATURE_SIZE, ModelContract, geometry_of
from i3d_client.errors import InputError
from i3d_client.features_file import open_features
from i3d_client.results import read_run
from i3d_client.spans import SpanResult
from i3d_client.temporal_head import (
    TemporalHead,
    context_means,
    read_temporal_head,
    save_temporal_head,
    with_context,
)
from i3d_client.windows import WindowGrid

LABELS = ("still", "walk", "groom")
CONTRACT = replace(NUMBER_MODELS["overlapping"], labels=LABELS)
CLIP, N = 16, 2


def _head(*, context_frames: int = 64, seed: int = 3) -> TemporalHead:
    random = np.random.default_rng(seed)
    own, context = random.normal(0, 0.1, (2, FEATURE_SIZE, 3)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    return TemporalHead(
        own=own,
        context=context,
        bias=bias,
        labels=LABELS,
        context_frames=context_frames,
        geometry=geometry_of(CONTRACT),
        checkpoint_sha256="of the weights",
    )


def _features(count: int) -> np.ndarray:
    return np.random.default_rng(1).random((count, FEATURE_SIZE), np.float32)


def _spans(
    grid: WindowGrid, edges: list[int], features: np.ndarray, scored: np.ndarray
) -> list[SpanResult]:
    """Cut windows into spans at segments."""
    found = []
    for first, stop in itertools.pairwise(edges):
        a, b = grid.windows_of_segments(first, stop, N)
        found.append(
            SpanResult(
                first_segment=first,
                stop_segment=stop,
                probabilities=np.zeros((b - a, 3), np.float32),
                scored=scored[a:b],
                decoded=0,
                lost_frames=np.empty(0, np.int64),
                features=features[a:b] if scored[a:b].any() else None,
            )
        )
    return found


def test_a_neighbourhood_is_the_scored_windows_that_begin_near() -> None:
    starts = np.array([0, 8, 16, 24, 64], np.int64)
    scored = np.array([True, True, False, True, True])
    features = _features(5)
    means = context_means(starts, features, scored, context_frames=32)
    expected = [[0, 1], [0, 1, 3], [0, 1, 3], [1, 3], [4]]
    for mean, windows in zip(means, expected, strict=True):
        np.testing.assert_allclose(mean, features[windows].mean(axis=0), rtol=1e-5)


def test_where_nothing_near_is_scored_the_mean_is_nothing() -> None:
    means = context_means(np.arange(3), _features(3), np.zeros(3, bool), context_frames=4)
    assert not means.any()


@given(
    cuts=st.sets(st.integers(1, 23)),
    stride=st.sampled_from([1, 5, 8, 16]),
    context_frames=st.sampled_from([0, 16, 64, 640]),
    lost=st.sets(st.integers(0, 40)),
)
def test_answers_do_not_depend_on_how_a_recording_was_cut_into_spans(
    cuts: set[int], stride: int, context_frames: int, lost: set[int]
) -> None:
    num_frames = CLIP + 47 * stride + (3 if stride > 3 else 0)
    grid = WindowGrid(num_frames, CLIP, stride)
    features, scored = _features(grid.count), np.ones(grid.count, bool)
    scored[[k for k in lost if k < grid.count]] = False
    segments = grid.num_segments(N)
    head = _head(context_frames=context_frames)

    def answers(edges: list[int]) -> np.ndarray:
        spans = _spans(grid, edges, features, scored)
        found = list(with_context(spans, head, grid=grid, windows_per_segment=N))
        assert [one.first_segment for one in found] == edges[:-1]
        return np.concatenate([one.probabilities for one in found])

    whole = answers([0, segments])
    cut = answers([0, *sorted(one for one in cuts if one < segments), segments])
    np.testing.assert_allclose(cut, whole, atol=1e-6)
    assert not whole[~scored].any()
    np.testing.assert_allclose(whole[scored].sum(axis=1), 1, atol=1e-5)


def test_neighbours_change_an_answer() -> None:
    grid = WindowGrid(CLIP + 8 * 9, CLIP, 8)
    features, scored = _features(grid.count), np.ones(grid.count, bool)
    edges = [0, grid.num_segments(N)]
    (one,) = with_context(
        _spans(grid, edges, features, scored), _head(), grid=grid, windows_per_segment=N
    )
    alone = _head().probabilities(features, features)
    assert np.abs(one.probabilities - alone).max() > 1e-3


def test_a_head_is_read_as_it_was_written(tmp_path: Path) -> None:
    head, path = _head(), tmp_path / "mice.temporal.npz"
    save_temporal_head(head, path)
    read = read_temporal_head(path, contract=CONTRACT, checkpoint_sha256="of the weights")
    assert (read.geometry, read.checkpoint_sha256) == (head.geometry, head.checkpoint_sha256)
    for name in ("own", "context", "bias"):
        np.testing.assert_array_equal(getattr(read, name), getattr(head, name))
    assert (read.labels, read.context_frames) == (LABELS, 64)
    assert len(read.sha256) == 64


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (("still", "groom", "walk"), "its labels are still, walk, groom"),
        (("still", "walk"), r"expected \(1024, 2\)"),
    ],
)
def test_a_head_for_other_labels_is_refused(
    tmp_path: Path, labels: tuple[str, ...], said: str
) -> None:
    save_temporal_head(_head(), tmp_path / "mice.temporal.npz")
    with pytest.raises(InputError, match=said):
        read_temporal_head(
            tmp_path / "mice.temporal.npz",
            contract=replace(CONTRACT, labels=labels),
            checkpoint_sha256=None,
        )


@pytest.mark.parametrize(
    ("contract", "checkpoint", "may"),
    [
        (CONTRACT, None, True),  # a model that does not say
        (CONTRACT, "of others", False),
        (replace(CONTRACT, stride=4, windows_per_segment=1), "of the weights", True),
        (replace(CONTRACT, height=CONTRACT.height + 32), "of the weights", False),
    ],
)
def test_a_head_for_another_network_is_refused(
    tmp_path: Path, contract: ModelContract, checkpoint: str | None, may: bool
) -> None:
    path = tmp_path / "mice.temporal.npz"
    save_temporal_head(_head(), path)
    if may:
        read_temporal_head(path, contract=contract, checkpoint_sha256=checkpoint)
        return
    with pytest.raises(InputError, match="fitted on features of another network"):
        read_temporal_head(path, contract=contract, checkpoint_sha256=checkpoint)


def test_what_is_no_head_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mice")
    np.save(tmp_path / "features.npy", np.zeros((4, FEATURE_SIZE), np.float32))
    save_temporal_head(replace(_head(), context_frames=-64), tmp_path / "backwards.npz")
    for name in ("notes.txt", "absent.npz", "features.npy", "backwards.npz"):
        with pytest.raises(InputError, match=f"{name}: expected a temporal head for 3 labels"):
            read_temporal_head(tmp_path / name, contract=CONTRACT, checkpoint_sha256=None)


def test_a_run_answers_by_the_head_as_if_it_saw_the_recording_whole(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    video, labels = make_video(150), NUMBER_MODELS["overlapping"].labels
    random = np.random.default_rng(5)
    own, context = random.normal(0, 1, (2, FEATURE_SIZE, len(labels))).astype(np.float32)
    head = TemporalHead(
        own=own,
        context=context,
        bias=np.zeros(len(labels), np.float32),
        labels=labels,
        context_frames=64,
        geometry=geometry_of(NUMBER_MODELS["overlapping"]),
        checkpoint_sha256="",
    )
    save_temporal_head(head, tmp_path / "head.npz")
    options = {"server": server, "model": "overlapping", "span_frames": 16, "workers": 2}
    out = tmp_path / "out"
    run = classify([video], out=out, features=True, temporal_head=tmp_path / "head.npz", **options)
    assert not run.problems
    folder = out / video.name
    with np.load(folder / "scores.npz") as arrays:
        probabilities, scored = arrays["probabilities"], arrays["scored"]
    features = np.array(open_features(folder, num_windows=len(scored)))
    contract = NUMBER_MODELS["overlapping"]
    grid = WindowGrid(150, contract.clip_frames, contract.stride)
    means = context_means(
        grid.starts(0, grid.count), features, scored, context_frames=head.context_frames
    )
    np.testing.assert_allclose(probabilities, head.probabilities(features, means), atol=1e-5)
    document = read_run(folder)
    assert document is not None
    assert len(document["identity"]["temporal_head"]) == 64
    again = classify([video], out=out, features=True, **options)
    assert "temporal head was" in again.problems


def test_a_head_for_another_model_ends_the_run_before_it_begins(
    make_video: MakeVideo, server: str, tmp_path: Path
) -> None:
    save_temporal_head(_head(), tmp_path / "head.npz")
    out = tmp_path / "out"
    where = ["--server", server, "--model", "overlapping", "--out", out]
    done = i3d_classify(make_video(50), *where, "--temporal-head", tmp_path / "head.npz")
    assert done.returncode == 1
    assert "head.npz: expected a temporal head for 32 labels" in done.stderr
    assert not list(out.rglob("run.json"))
