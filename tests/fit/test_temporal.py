"""A head that sees windows among their neighbours."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.fit.fits import LABELS, Lab

from i3d_client.contract import FEATURE_SIZE
from i3d_client.temporal_head import context_means, read_temporal_head
from i3d_client.windows import WindowGrid
from i3d_export.profiles import load_profile
from i3d_fit import temporal
from i3d_fit.cross_validation import cross_validate
from i3d_fit.features import VideoFeatures
from i3d_fit.fit_cli import fit as fit_command
from i3d_fit.material import Material
from i3d_fit.measures import measure
from i3d_fit.temporal import Network, fit_temporal

_STRIDE, _CLIP, _BOUT, _BOUTS = 8, 16, 10, 24
NETWORK = Network(contract=load_profile("homecage9").contract, checkpoint_sha256="")


def _video(name: str, *, seed: int) -> tuple[VideoFeatures, np.ndarray]:
    """A video of noisy features whose class lasts for ten windows, and the classes."""
    random = np.random.default_rng(seed)
    codes = np.repeat(random.permutation(np.arange(_BOUTS) % 3), _BOUT).astype(np.int64)
    directions = np.random.default_rng(0).normal(0, 1, (3, FEATURE_SIZE))
    noise = random.normal(0, 18, (len(codes), FEATURE_SIZE))
    frames = _CLIP + _STRIDE * (len(codes) - 1)
    video = VideoFeatures(
        recording=name,
        path=Path(name),
        sha256="",
        features=(directions[codes] + noise).astype(np.float32),
        scored=np.ones(len(codes), bool),
        times_us=np.arange(frames + 1, dtype=np.int64) * 33_333,
        grid=WindowGrid(frames, _CLIP, _STRIDE),
        fps=30.0,
        run={},
    )
    return video, codes


def _material(videos: list[tuple[VideoFeatures, np.ndarray]]) -> Material:
    counts = [len(codes) for _, codes in videos]
    places = np.repeat(np.arange(len(videos), dtype=np.int64), counts)
    names = tuple(video.recording for video, _ in videos)
    return Material(
        features=np.concatenate([video.features for video, _ in videos]),
        codes=np.concatenate([codes for _, codes in videos]),
        pure=np.ones(sum(counts), bool),
        recordings=places,
        groups=places,
        starts=np.concatenate([v.grid.starts(0, v.grid.count) for v, _ in videos]),
        labels=("rest", "walk", "groom"),
        recording_names=names,
        group_names=names,
        clip_frames=_CLIP,
    )


def test_what_lasts_is_found_better_among_neighbours_than_alone() -> None:
    videos = [_video(f"mouse{seed}.mp4", seed=seed) for seed in range(4)]
    material = _material(videos)
    validated = cross_validate(material, unit="video")
    alone = measure(
        material.codes,
        validated.predicted,
        groups=material.groups,
        labels=material.labels,
    ).balanced_accuracy
    found = fit_temporal(
        [video for video, _ in videos],
        material,
        validated,
        context_frames=64,
        network=NETWORK,
        unit="video",
        seed=0,
    )
    assert alone < 0.85
    assert found.measures.balanced_accuracy > alone + 0.1
    assert found.head.context_frames == 64
    video, codes = _video("unseen.mp4", seed=9)
    means = context_means(
        video.grid.starts(0, video.grid.count), video.features, video.scored, context_frames=64
    )
    answers = found.head.probabilities(video.features, means).argmax(axis=1)
    assert (answers == codes).mean() > alone + 0.1


def test_neighbours_that_say_nothing_lend_nothing() -> None:
    """Classes that change at random have neighbours of any class: no better than alone."""
    videos = []
    for seed in range(4):
        video, _ = _video(f"mouse{seed}.mp4", seed=seed)
        codes = np.random.default_rng(seed + 50).integers(0, 3, video.grid.count)
        videos.append((video, codes))
    material = _material(videos)
    found = fit_temporal(
        [video for video, _ in videos],
        material,
        cross_validate(material, unit="video"),
        context_frames=64,
        network=NETWORK,
        unit="video",
        seed=0,
    )
    assert 0.23 < found.measures.balanced_accuracy < 0.43  # a leak would show here


def test_a_fit_with_context_writes_a_head_that_classify_reads(shared_lab: Lab) -> None:
    document, _ = shared_lab.fit("context", context=64)
    path = shared_lab.folder / "context.temporal.npz"
    contract = load_profile(str(shared_lab.folder / "context.toml")).contract
    head = read_temporal_head(path, contract=contract, checkpoint_sha256=None)
    assert set(head.labels) == set(LABELS)
    assert document["temporal"]["context_frames"] == head.context_frames == 64
    assert document["temporal"]["sha256"] == head.sha256
    assert 0 <= document["temporal"]["measures"]["balanced_accuracy"] <= 1
    alone = document["measures"]["balanced_accuracy"]
    among = document["temporal"]["measures"]["balanced_accuracy"]
    assert document["temporal"]["better"] == (among > alone)
    assert document["temporal"]["said"].startswith(f"{100 * (among - alone):+.1f} points against")
    assert "Among its neighbours" in (shared_lab.folder / "context" / "report.html").read_text()


def test_heads_of_an_earlier_fit_are_named(shared_lab: Lab) -> None:
    old = [shared_lab.folder / f"older.{kind}" for kind in ("temporal.npz", "keras")]
    for file in old:
        file.write_bytes(b"of an earlier fit")
    _, heard = shared_lab.fit("older", context=64)
    assert [doubt.partition(":")[0] for doubt in heard.doubts if "earlier fit" in doubt] == [
        "older.keras"
    ]
    _, heard = shared_lab.fit("older")
    assert [doubt.partition(":")[0] for doubt in heard.doubts if "earlier fit" in doubt] == [
        "older.temporal.npz",
        "older.keras",
    ]


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_neighbours_are_the_same_however_many_are_held_at_a_time(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    video, _ = _video("mouse.mp4", seed=1)
    scored = np.random.default_rng(2).random(video.grid.count) < 0.8
    video = replace(video, scored=scored, features=video.features)
    starts = video.grid.starts(0, video.grid.count)
    whole = context_means(starts, video.features, scored, context_frames=64)
    asked = np.flatnonzero(np.random.default_rng(3).random(len(starts)) < 0.1)
    monkeypatch.setattr(temporal, "_WINDOWS_AT_ONCE", at_once)
    found = temporal._means_of(video, starts[asked], 64)
    np.testing.assert_allclose(found, whole[asked], rtol=1e-5, atol=1e-5)


def test_context_does_not_go_with_another_network(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("video,start_s,stop_s,label\n")
    given = ["--videos", "v.mp4", "--annotations", str(tmp_path / "a.csv"), "--out", "mice"]
    done = CliRunner().invoke(fit_command, [*given, "--context", "64", "--fine-tune", "1"])
    assert done.exit_code == 2
    assert "leave --fine-tune out" in done.output


@pytest.mark.parametrize("frames", ["0", "64.5"])
def test_context_is_a_number_of_frames(frames: str) -> None:
    done = CliRunner().invoke(fit_command, ["--context", frames])
    assert done.exit_code == 2
    assert "--context" in done.output
