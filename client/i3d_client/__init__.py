"""Label animal behaviour in video with I3D on an NVIDIA Triton server: the client.

async for window in i3d_client.stream("mouse.mp4"):
    print(window.start_frame, window.stop_frame, window.label, window.score)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from i3d_client.contract import ModelContract
    from i3d_client.streaming import Window, stream

__all__ = ["ModelContract", "Window", "stream"]

_HOME = {"ModelContract": "contract", "Window": "streaming", "stream": "streaming"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are first used, so that ``i3d --help`` stays quick."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
