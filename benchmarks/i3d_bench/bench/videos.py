"""Videos for ``i3d bench`` where there are none of one's own: real clips, repeated.

python -m i3d_bench.bench.videos FOLDER [--seconds 150]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_client.video import open_video

CLIPS = ("bikes.mp4", "bigbuckbunny.mp4")


def write_videos(folder: Path, *, seconds: float) -> list[Path]:
    """Write each clip, repeated until it lasts about so long; return the paths.

    Raises:
        VideoError: a clip cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in CLIPS:
        source = clip(name)
        path = folder / f"{source.stem}_repeated.mp4"
        write_looped(source, path, num_frames=round(seconds * float(open_video(source).fps)))
        written.append(path)
    return written


def main() -> None:
    """Write them, and print their paths."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=150.0, help="of each video")
    options = parser.parse_args()
    for path in write_videos(options.folder, seconds=options.seconds):
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
