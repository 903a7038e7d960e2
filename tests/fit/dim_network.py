"""The published network with a last block that sees little: too little for a last layer."""

import numpy as np

from i3d_export.checkpoint import Variables, read_checkpoint
from i3d_export.fetch import published_sdist
from i3d_export.stage_cache import cache_folder

_ENDS = {
    "Mixed_5c/Branch_0/Conv3d_0a_1x1": 3,
    "Mixed_5c/Branch_1/Conv3d_0b_3x3": 1,
    "Mixed_5c/Branch_2/Conv3d_0b_3x3": 1,
    "Mixed_5c/Branch_3/Conv3d_0b_1x1": 1,
}
_SWITCHED_OFF = -100


def dim_network() -> Variables:
    """Return canonical variables; six of the 1,024 features can be above 0."""
    variables, _ = read_checkpoint(published_sdist(cache=cache_folder()))
    for unit, left_on in _ENDS.items():
        offsets = variables[f"{unit}/batch_norm/beta"].copy()
        offsets[left_on:] = np.float32(_SWITCHED_OFF)
        variables[f"{unit}/batch_norm/beta"] = offsets
    return variables
