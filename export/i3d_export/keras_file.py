"""A network as a ``.keras`` file, which ``i3d export --checkpoint`` reads."""

from __future__ import annotations

from pathlib import Path

from i3d_client.contract import ModelContract
from i3d_client.durable import complete_path
from i3d_export.checkpoint import Variables
from i3d_export.network import network_of


def save_keras(variables: Variables, path: Path, *, contract: ModelContract) -> None:
    """Write the whole network, complete or not at all.

    The file's bytes are not the same twice: Keras writes the time into it.

    Args:
        variables: canonical ones, for any number of classes.
        path: ends with ``.keras``.
        contract: gives the geometry of the network's windows, float32 RGB in the file.

    Raises:
        OutputError: it cannot be written.
    """
    network = network_of(variables, contract)
    with complete_path(path) as aside:
        network.save(aside)
