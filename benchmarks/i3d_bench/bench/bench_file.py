"""A ``bench.json`` as a file: its name, its version, and the one place that sees to both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file
from i3d_client.errors import ResultError
from i3d_client.printable import printable

BENCH_FILE = "bench.json"
BENCH_VERSION = 1


def write_bench_file(path: Path, document: Mapping[str, Any]) -> None:
    """Write a ``bench.json``, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    with complete_file(path) as file:
        file.write(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def copy_bench_file(path: Path, folder: Path, *, price: Mapping[str, Any] | None) -> None:
    """Put a ``bench.json`` into a folder, as it is or with another price in place of its own.

    Args:
        path: the file; it may be the folder's own.
        folder: which is made.
        price: as ``price_entry`` returns it; None keeps what the file says.

    Raises:
        ResultError: the file is none of this release.
        OutputError: the folder cannot be written to.
    """
    document, _ = read_bench_file(path)
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / BENCH_FILE
    if price is not None:
        write_bench_file(copy, {**document, "price": price})
    elif path.resolve() != copy.resolve():
        with complete_file(copy) as file:
            file.write(path.read_bytes())


def read_bench_file(path: Path) -> tuple[dict[str, Any], str]:
    """Read a ``bench.json`` of this release's version; what is in it, its readers check.

    Returns:
        The document, and the SHA-256 of the file in hexadecimal.

    Raises:
        ResultError: it is not there, is no JSON object, or is of another version.
    """
    try:
        data = path.read_bytes()
        document = json.loads(data)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"not JSON ({error})"
        raise ResultError(f"{printable(path)}: expected what i3d bench writes: {reason}") from error
    version = document.get("bench_version") if isinstance(document, dict) else None
    # JSON's true and 1.0 are equal to 1 in Python, and are no version.
    if type(version) is not int or version != BENCH_VERSION:
        raise ResultError(
            f"{printable(path)}: bench_version: expected {BENCH_VERSION}, got {version!r}. Measure "
            "again, or use the release that wrote it"
        )
    return document, hashlib.sha256(data).hexdigest()
