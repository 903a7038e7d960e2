"""What can go wrong around Triton, before a request is ever made.

I3dError
├── RepositoryError            the model repository holds nothing that can be served
├── StackError                 the lab server's containers do not start, or do not answer
├── UnsupportedPlatformError   no Triton wheel exists for this machine or this Python
└── ServerError
    └── ServerStartError       Triton did not start, or ended on its own
        └── PortTakenError     another program listens there
"""

from __future__ import annotations

from i3d_client.errors import I3dError, ServerError


class RepositoryError(I3dError):
    """The model repository is missing, empty, or has no model that the engine can load."""


class StackError(I3dError):
    """The lab server's containers do not start, do not answer, or cannot be reached."""


class UnsupportedPlatformError(I3dError):
    """The embedded Triton cannot run on this machine or with this Python."""


class ServerStartError(ServerError):
    """Triton did not start, or ended on its own."""


class PortTakenError(ServerStartError):
    """A port that Triton was to listen on is in use."""
