"""What ``i3d classify`` does with results once they are there: another package registers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from i3d_client.inputs import Input


class Report(Protocol):
    """What follows from tables: bouts, hours, pictures, a page.

    The entry point in the group ``i3d.results`` is called with ``recorded_at`` and ``metadata``, as
    the user gave them, and returns one.
    """

    def check(self, inputs: Sequence[Input]) -> None:
        """See, before anything is classified, whether what was given can be used.

        Raises:
            I3dError: it cannot.
        """

    def write(self, out: Path, *, say: Callable[[str], None]) -> bool:
        """Write what follows from all results in a folder; return whether all could be written.

        Raises:
            I3dError: nothing could.
        """
