"""Features are computed once, kept by content, and never mixed."""

import dataclasses
import fcntl
import json
import shutil
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.fit.fits import FRAMES, MODEL, PROFILE, Lab, write_behaviours

from i3d_client.access import Access
from i3d_client.contract import ModelContract, contract_from_mapping
from i3d_client.errors import ServerError
from i3d_client.features_file import FEATURES_FILE
from i3d_client.inputs import collect
from i3d_export.profiles import load_profile
from i3d_fit.errors import FitError
from i3d_fit.feature_source import EmbeddedSource, ServedSource, check_geometry
from i3d_fit.features import FeatureRun, compute_features

NOWHERE = "localhost:9"


def source(lab: Lab, *, server: str | None = None) -> ServedSource:
    contract = load_profile(str(lab.folder / "tiny.toml")).contract
    access = Access(server=server or lab.server)
    return ServedSource(access=access, model=MODEL, contract=contract)


def run(lab: Lab, *, given: ServedSource | None = None, **options) -> FeatureRun:
    inputs = collect(lab.videos, glob=None, concatenate=False)
    return compute_features(
        inputs, source=given or source(lab), cache=lab.folder / "cache", workers=1, **options
    )


def test_every_window_of_every_video_has_features(lab: Lab) -> None:
    found = run(lab)
    assert [video.recording for video in found.videos] == [path.name for path in lab.videos]
    assert found.frames == len(lab.videos) * FRAMES
    for video in found.videos:
        assert video.features.shape == (video.grid.count, 1024)
        assert video.grid.num_frames == len(video.times_us) - 1 == FRAMES
        assert video.scored.all()
        assert np.ptp(video.features, axis=0).max() > 0


def test_a_second_time_nothing_is_computed(lab: Lab) -> None:
    first, second = run(lab), run(lab)
    assert second.frames == 0
    for one, other in zip(first.videos, second.videos, strict=True):
        np.testing.assert_array_equal(one.features, other.features)


def test_once_all_are_there_no_server_is_asked(lab: Lab) -> None:
    first = run(lab)
    second = run(lab, given=source(lab, server=NOWHERE))
    np.testing.assert_array_equal(first.videos[0].features, second.videos[0].features)


def test_for_a_new_video_the_server_is_asked_and_the_others_are_kept(lab: Lab) -> None:
    first = run(lab)
    more = write_behaviours(lab.folder / "mouse9.mp4", seed=9)
    with_more = dataclasses.replace(lab, videos=(*lab.videos, more))
    assert run(with_more).frames == FRAMES
    np.testing.assert_array_equal(run(with_more).videos[0].features, first.videos[0].features)


def test_a_video_that_was_renamed_is_known_by_what_it_holds(lab: Lab) -> None:
    run(lab)
    moved = lab.videos[0].rename(lab.folder / "another name.mp4")
    renamed = dataclasses.replace(lab, videos=(moved, *lab.videos[1:]))
    found = run(renamed, given=source(lab, server=NOWHERE))
    assert found.frames == 0
    assert found.videos[0].recording == "another name.mp4"


def test_a_damaged_file_of_features_is_made_again(lab: Lab) -> None:
    first = run(lab)
    (path,) = (lab.folder / "cache").rglob(f"{first.videos[1].sha256[:32]}/{FEATURES_FILE}")
    good = path.read_bytes()
    path.write_bytes(good[:-4] + b"\0\0\0\1")
    assert run(lab).frames == FRAMES
    assert path.read_bytes() == good


def test_computed_anew_if_asked(lab: Lab) -> None:
    run(lab)
    assert run(lab, anew=True).frames == len(lab.videos) * FRAMES


def test_a_fit_waits_for_another_one_that_computes_features(lab: Lab) -> None:
    folder = lab.folder / "cache" / "features" / source(lab).key
    folder.mkdir(parents=True)
    said: list[str] = []
    with ThreadPoolExecutor() as pool, (folder / ".fit-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        other = pool.submit(run, lab, say=said.append)
        with pytest.raises(TimeoutError):
            other.result(timeout=2)
        assert said == ["waiting for another fit, which computes features"]
        fcntl.flock(lock, fcntl.LOCK_UN)
        assert other.result().frames == len(lab.videos) * FRAMES


def test_one_video_under_two_names_is_refused(lab: Lab) -> None:
    shutil.copy(lab.videos[0], lab.folder / "copy.mp4")
    twice = dataclasses.replace(lab, videos=(*lab.videos, lab.folder / "copy.mp4"))
    with pytest.raises(FitError, match=r"copy\.mp4 and .*mouse1\.mp4 hold the same"):
        run(twice)


def test_a_video_that_cannot_be_read_is_named(lab: Lab) -> None:
    (lab.folder / "broken.mp4").write_bytes(b"no video")
    broken = dataclasses.replace(lab, videos=(*lab.videos, lab.folder / "broken.mp4"))
    with pytest.raises(FitError, match=r"1 of 5 videos could not be computed: broken\.mp4"):
        run(broken)


def test_a_model_of_another_geometry_is_refused_before_anything_is_computed(lab: Lab) -> None:
    other = lab.folder / "other.toml"
    other.write_text(PROFILE.replace("width = 32", "width = 64"))
    wrong = dataclasses.replace(source(lab), contract=load_profile(str(other)).contract)
    with pytest.raises(FitError, match=rf"{MODEL} at .*: width: expected 64, .*got 32"):
        run(lab, given=wrong)
    assert not list((lab.folder / "cache").rglob(FEATURES_FILE))


def test_labels_and_stride_of_the_model_do_not_matter() -> None:
    def contract(text: str) -> ModelContract:
        return contract_from_mapping(tomllib.loads(text))

    other = PROFILE.replace('["a", "b"]', '["c", "d", "e"]').replace("stride = 8", "stride = 3")
    check_geometry(contract(other), wanted=contract(PROFILE), of="it")


def test_features_of_two_models_are_never_mixed(lab: Lab) -> None:
    first = run(lab)
    (path,) = (lab.folder / "cache").rglob(f"{first.videos[0].sha256[:32]}/run.json")
    document = json.loads(path.read_text())
    document["identity"]["model"]["build"] = {"precision": "another"}
    path.write_text(json.dumps(document))
    with pytest.raises(FitError, match=r"2 different models, .*--features-anew"):
        run(lab)


def test_without_a_server_what_is_missing_cannot_be_had(lab: Lab) -> None:
    with pytest.raises(ServerError):
        run(lab, given=source(lab, server=NOWHERE))


def test_features_are_kept_apart_by_all_that_decides_them(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(PROFILE)
    contract = load_profile(str(tmp_path / "tiny.toml")).contract
    one = EmbeddedSource(
        profile="tiny",
        contract=contract,
        weights_sha256="w",
        precision="int8",
        stride=8,
        videos=(),
        cache=tmp_path,
    )
    others = [
        dataclasses.replace(one, precision="fp32"),
        dataclasses.replace(one, stride=4),
        dataclasses.replace(one, weights_sha256="v"),
        dataclasses.replace(one, contract=dataclasses.replace(contract, colour="rgb")),
    ]
    assert len({each.key for each in (one, *others)}) == 5
    relabelled = dataclasses.replace(contract, labels=("x", "y", "z"), profile="another")
    assert dataclasses.replace(one, contract=relabelled).key == one.key
