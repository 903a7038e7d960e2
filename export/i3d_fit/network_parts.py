"""The network in two: what stays as it is, and the last blocks, which are trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from i3d_client.contract import ModelContract
from i3d_export.architecture import LAYERS, LOGITS, Mixed
from i3d_export.checkpoint import Variables
from i3d_export.network import layer_name, network_of
from i3d_export.tensorflow_quietly import keras
from i3d_fit.errors import FitError

BLOCKS = tuple(layer for layer in LAYERS if isinstance(layer, Mixed))


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkParts:
    """One network, cut before the first block that is trained.

    Attributes:
        frozen: a ``keras.Model`` from windows, float32 ``(B, T, height, width, 3)``, to what the
            trained blocks take.
        trained: a ``keras.Model`` from that to logits ``(B, K)`` and features ``(B, 1024)``.
        between: shape of what lies between them, of one window: (time, height, width, channels).
        variables: what is trained, by its canonical name: kernels and offsets of the blocks, and
            the last layer. The statistics of batch normalisations are not.
    """

    frozen: Any
    trained: Any
    between: tuple[int, ...]
    variables: Mapping[str, Any]

    def values(self) -> Variables:
        """Return the present values of what is trained, by canonical names."""
        return {name: np.asarray(variable).copy() for name, variable in self.variables.items()}

    def set_values(self, values: Variables) -> None:
        """Give what is trained, all or some of it, these values."""
        for name, value in values.items():
            self.variables[name].assign(value)


def split_network(variables: Variables, *, contract: ModelContract, blocks: int) -> NetworkParts:
    """Build the network and cut it.

    Args:
        variables: canonical ones, with the last layer to start from.
        contract: gives the geometry of windows.
        blocks: how many Inception blocks are trained, from the end: 1 is ``Mixed_5c`` alone.

    Raises:
        FitError: there are not so many blocks.
    """
    if not 1 <= blocks <= len(BLOCKS):
        raise FitError(
            f"blocks to train: expected 1 … {len(BLOCKS)}, counted from the end, got {blocks}"
        )
    network = network_of(variables, contract)
    chosen = BLOCKS[-blocks:]
    cut = network.get_layer(layer_name(chosen[0].branches[0][0].name)).input
    return NetworkParts(
        frozen=keras.Model(network.input, cut),
        trained=keras.Model(cut, network.outputs),
        between=tuple(cut.shape[1:]),
        variables=_trained_variables(network, chosen),
    )


def _trained_variables(network: Any, blocks: tuple[Mixed, ...]) -> dict[str, Any]:
    found = {}
    for unit in (unit for block in blocks for branch in block.branches for unit in branch):
        norm = f"{unit.name}/batch_norm"
        found[f"{unit.name}/conv_3d/w"] = network.get_layer(layer_name(unit.name)).kernel
        found[f"{norm}/beta"] = network.get_layer(layer_name(norm)).beta
    logits = network.get_layer(layer_name(LOGITS))
    return {
        **found,
        f"{LOGITS}/conv_3d/w": logits.kernel,
        f"{LOGITS}/conv_3d/b": logits.bias,
    }
