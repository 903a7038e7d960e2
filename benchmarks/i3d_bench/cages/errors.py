"""Errors of the synthetic cages.

I3dError
└── CagesError   cages cannot be made as asked, or not in this folder
"""

from __future__ import annotations

from i3d_client.errors import I3dError


class CagesError(I3dError):
    """Cages cannot be made as asked; the message says what can."""
