"""A ``bench.json`` as a file: its name, its version, and the one place that sees to both."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from i3d_client.errors import ResultError
from i3d_client.printable import printable

BENCH_FILE = "bench.json"
BENCH_VERSION = 1


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
