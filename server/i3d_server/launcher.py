"""The model repository, served by the real Triton on this machine.

``serving`` is what ``i3d serve`` runs; ``embedded_server`` is what the client finds under the
entry point ``i3d.embedded``.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from i3d_server.installation import find_triton
from i3d_server.repository_view import RepositoryView, make_view
from i3d_server.triton_log import backend_messages
from i3d_server.triton_process import Ports, RunningTriton, running_triton

_CPU_CONFIG = "cpu"


@dataclass(frozen=True, kw_only=True)
class ServedRepository:
    """A running Triton and the part of a model repository that it serves."""

    triton: RunningTriton
    view: RepositoryView

    def descriptions(self) -> list[str]:
        """Each model in one line: its name, and what the backend says that it executes."""
        said = backend_messages(self.triton.read_log(), backend="openvino_cpu")
        known = dict(message.split(": ", maxsplit=1) for message in said if ": " in message)
        return [f"{name}: {known.get(name, 'ready')}" for name in self.view.models]


@contextlib.contextmanager
def serving(
    repository: Path,
    *,
    ports: Ports | None = None,
    models: Sequence[str] | None = None,
    verbose: bool = False,
) -> Iterator[ServedRepository]:
    """Serve a model repository on the CPU until the context ends.

    Args:
        repository: holds one folder a model.
        ports: None means a free port for gRPC and no other service.
        models: names; None means every model that is complete for OpenVINO.
        verbose: copy Triton's log to standard error.

    Raises:
        RepositoryError: nothing in the repository can be served, or a name is unknown.
        ServerStartError, MissingExtraError, UnsupportedPlatformError: as ``running_triton``.
    """
    find_triton()  # what is not installed is said before what is not exported
    with tempfile.TemporaryDirectory(prefix="i3d-models-") as folder:
        view = make_view(repository, engine="openvino", folder=Path(folder), models=models)
        with running_triton(
            view.folder,
            ports=ports,
            config_name=_CPU_CONFIG,
            verbose=verbose,
            temporary_folders=[Path(folder)],
        ) as triton:
            yield ServedRepository(triton=triton, view=view)


@contextlib.contextmanager
def embedded_server(*, repository: Path, models: Sequence[str] | None = None) -> Iterator[str]:
    """Serve a model repository for this process alone; yield the gRPC address.

    Listens on a free port of loopback. A Ctrl-C at the terminal does not reach the server: it
    ends with the context, and with this process, however that ends.

    Raises:
        I3dError: as ``serving``.
    """
    with serving(repository, models=models) as served:
        yield served.triton.address
