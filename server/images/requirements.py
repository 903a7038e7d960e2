"""Print what pyproject.toml requires, for an image to install before the source is copied.

    python3 requirements.py pyproject.toml labs export:onnx,onnxruntime

means the base dependencies, the extra ``labs``, and of the extra ``export`` two packages. So a
change of the source does not install everything again, and versions are written in one place.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """Return the requirements, each once, in the order of the file.

    Raises:
        KeyError: no such extra.
        ValueError: an extra has no such package.
    """
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    found = list(project["dependencies"])
    for extra in extras:
        name, _, packages = extra.partition(":")
        lines = project["optional-dependencies"][name]
        found += (
            lines if not packages else [_line(lines, package) for package in packages.split(",")]
        )
    return list(dict.fromkeys(found))


def _line(lines: list[str], package: str) -> str:
    for line in lines:
        if re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] == package:
            return line
    raise ValueError(f"expected one of {lines}, got {package}")


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])) + "\n")
