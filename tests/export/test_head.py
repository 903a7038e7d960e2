"""A trained last layer and its file: what is written is what is read, and nothing else is."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3d_client.errors import OutputError
from i3d_export.errors import CheckpointError
from i3d_export.head import TrainedHead, head_sha256, load_head, save_head
from i3d_export.stage_cache import sha256_of

LABELS = ("walk", "rést", "rear")


def head(seed: int = 0) -> TrainedHead:
    random = np.random.default_rng(seed)
    return TrainedHead(
        weights=random.normal(size=(1024, 3)).astype(np.float32),
        bias=random.normal(size=3).astype(np.float32),
        labels=LABELS,
    )


def arrays() -> dict[str, Any]:
    one = head()
    return {"weights": one.weights, "bias": one.bias, "labels": np.array(LABELS)}


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    save_head(head(), tmp_path / "mine.head.npz")
    read = load_head(tmp_path / "mine.head.npz")
    np.testing.assert_array_equal(read.weights, head().weights)
    np.testing.assert_array_equal(read.bias, head().bias)
    assert read.labels == LABELS
    assert [path.name for path in tmp_path.iterdir()] == ["mine.head.npz"]


def test_the_same_head_is_the_same_file(tmp_path: Path) -> None:
    for name in ("one.npz", "other.npz"):
        save_head(head(), tmp_path / name)
    assert sha256_of(tmp_path / "one.npz") == sha256_of(tmp_path / "other.npz")
    assert sha256_of(tmp_path / "one.npz") == head_sha256(head()) != head_sha256(head(1))


def test_answers_are_the_softmax_of_a_linear_map() -> None:
    features = np.random.default_rng(2).gamma(1, size=(5, 1024)).astype(np.float32)
    logits = features @ head().weights + head().bias
    np.testing.assert_allclose(head().logits(features), logits, rtol=1e-5)
    found = head().probabilities(features)
    expected = np.exp(logits - logits.max(1, keepdims=True))
    np.testing.assert_allclose(found, expected / expected.sum(1, keepdims=True), atol=1e-6)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("weights", np.zeros((1024, 4), np.float32), r"float32 of shape \(1024, 3\).*\(1024, 4\)"),
        ("weights", np.zeros((1024, 3)), "expected float32 .* got float64"),
        ("bias", np.full(3, np.inf, np.float32), "bias: holds values that are not finite"),
        ("labels", np.array(["walk", "rest", "walk"]), "at least 2 names that differ"),
        ("labels", np.array(["walk", "rest", " "]), "at least 2 names that differ"),
        ("labels", np.arange(3), "weights, bias and labels .text."),
        ("labels", np.array([["walk"], [3]], object), "cannot be read: .*pickle"),
        ("labels", None, "expected the arrays weights, bias and labels .* got bias, weights"),
        ("more", np.zeros(1), "got bias, labels, more, weights"),
    ],
)
def test_a_file_that_is_no_head_says_why(
    tmp_path: Path, name: str, value: np.ndarray | None, message: str
) -> None:
    content = {key: array for key, array in (arrays() | {name: value}).items() if array is not None}
    path = tmp_path / "wrong.npz"
    np.savez(path, **content)
    with pytest.raises(CheckpointError, match=message) as refused:
        load_head(path)
    assert str(path) in str(refused.value)


def left_out(path: Path) -> None:
    assert not path.exists()


def one_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def cut(path: Path) -> None:
    save_head(head(), path)
    path.write_bytes(path.read_bytes()[:-100])


def changed(path: Path) -> None:
    save_head(head(), path)
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "spoil",
    [
        left_out,
        lambda path: path.mkdir(),
        lambda path: path.write_text("groom\n"),
        lambda path: path.write_bytes(b""),
        one_array,
        cut,
        changed,
    ],
)
def test_a_file_that_cannot_be_read_is_one_error(
    tmp_path: Path, spoil: Callable[[Path], Any]
) -> None:
    path = tmp_path / "spoilt.npz"
    spoil(path)
    with pytest.raises(CheckpointError, match=r"cannot be read.*`i3d fit` writes"):
        load_head(path)


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        save_head(head(), tmp_path / "nowhere" / "mine.npz")
