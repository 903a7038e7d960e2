"""How frames reach the server."""

from typing import Literal

Transport = Literal["auto", "grpc", "shared memory"]
