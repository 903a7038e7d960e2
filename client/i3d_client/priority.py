"""How urgent a run is, next to the others on the server."""

from collections.abc import Mapping
from typing import Literal

Priority = Literal["interactive", "batch"]

LEVELS: Mapping[Priority, int] = {"interactive": 1, "batch": 2}
"""Triton's levels, as models are exported: 1 goes before 2, which is the default."""
