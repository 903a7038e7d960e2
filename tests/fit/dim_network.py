"""A random network whose last block sees little, which a last layer alone cannot make up for."""

import numpy as np

from i3d_export.architecture import units, variable_shapes
from i3d_export.checkpoint import Variables

LAST = "Mixed_5c/"
_ENDS = {
    f"{LAST}Branch_0/Conv3d_0a_1x1": 3,
    f"{LAST}Branch_1/Conv3d_0b_3x3": 1,
    f"{LAST}Branch_2/Conv3d_0b_3x3": 1,
    f"{LAST}Branch_3/Conv3d_0b_1x1": 1,
}
_SWITCHED_OFF = -100


def dim_network() -> Variables:
    """Return canonical variables for two classes; six of the 1,024 features are ever above 0."""
    random = np.random.default_rng(5)
    variables: Variables = {}
    for name, shape in variable_shapes(2).items():
        kind = name.rpartition("/")[2]
        if kind == "w":
            values = random.normal(0, np.sqrt(2 / np.prod(shape[:-1])), shape)
        else:
            values = np.full(shape, 1 if kind == "moving_variance" else 0)
        variables[name] = values.astype(np.float32)
    for unit in units():
        if unit.name in _ENDS:
            offsets = np.full(unit.outputs, _SWITCHED_OFF, np.float32)
            offsets[: _ENDS[unit.name]] = 0
            variables[f"{unit.name}/batch_norm/beta"] = offsets
    return variables
