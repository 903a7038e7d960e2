"""A server on this machine for as long as something needs one.

The server package registers what starts it under the entry-point group ``i3d.embedded``, so the
client imports nothing of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from pathlib import Path

from i3d_client.errors import MissingExtraError


def embedded_server(repository: Path, model: str | None) -> AbstractContextManager[str]:
    """Start a Triton on this machine until the context ends; it yields ``HOST:PORT``.

    Args:
        repository: model repository that it serves.
        model: the only one of it to load; None loads all that are complete.

    Raises:
        MissingExtraError: the server is not installed.
        I3dError: it does not start; when the context is entered.
    """
    for point in entry_points(group="i3d.embedded"):
        start: Callable[..., AbstractContextManager[str]] = point.load()
        return start(repository=repository, models=None if model is None else [model])
    raise MissingExtraError("server", needed_for="--embedded")
