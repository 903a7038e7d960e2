"""Commands that ``i3d doctor`` asks: whether they are there, and what they say."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

_TIMEOUT_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a command said.

    Attributes:
        found: it could be started.
        status: its exit status; -1 if it did not end in time.
        output, errors: its standard output and standard error.
    """

    found: bool
    status: int = -1
    output: str = ""
    errors: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether it ran and ended without an error."""
        return self.found and self.status == 0

    @property
    def last_words(self) -> str:
        """Its last line, of errors rather than of output."""
        lines = [line.strip() for line in (self.errors.strip() or self.output).splitlines()]
        return next((line for line in reversed(lines) if line), f"exit status {self.status}")


def ask(*command: str, folder: str | os.PathLike[str] | None = None) -> Said:
    """Run a command and return what it said, whatever that is."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError:
        return Said(found=False)
    except subprocess.TimeoutExpired:
        return Said(found=True, errors=f"no answer after {_TIMEOUT_S:.0f} s")
    return Said(found=True, status=done.returncode, output=done.stdout, errors=done.stderr)
