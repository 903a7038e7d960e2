"""Small videos of known behaviours, a small network that a real Triton serves, and fits of them.

Behaviours differ by movement: a square stands still, moves, or flickers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tests.conftest import write_video

from i3d_client.access import Access
from i3d_fit.fit import Told, fit
from i3d_fit.fit_options import FitOptions, fit_files

WIDTH, HEIGHT, FPS = 64, 128, 30
BOUT, BOUTS = 48, 9
FRAMES = BOUT * BOUTS
LABELS = ("still", "moving", "flicker")
MODEL = "tiny_fp32"

# The geometry of ``tests.server.tiny_network``.
PROFILE = """
profile = "tiny"
labels = ["a", "b"]
height = 64
width = 32
colour = "grey"
clip_frames = 16
stride = 8
windows_per_segment = 2
label_frame = "last"
trained_fps = 30.0
[resize]
rule = "stretch"
[normalisation]
divide_by = 127.5
add = -1.0
"""


def bouts(seed: int) -> list[str]:
    """Return the behaviour of each bout: all as often as each other, never twice in a row."""
    return [LABELS[(place + seed) % len(LABELS)] for place in range(BOUTS)]


def picture(label: str, frame: int, *, seed: int) -> np.ndarray:
    """Draw a frame, (HEIGHT, WIDTH, 3) uint8."""
    drawn = np.full((HEIGHT, WIDTH, 3), 60 + 3 * seed, np.uint8)
    left = 20 + (12 * (frame % 4) if label == "moving" else 0)
    bright = label != "flicker" or frame % 6 < 3
    drawn[40 + seed : 80 + seed, left % WIDTH : left % WIDTH + 20] = 230 if bright else 100
    return drawn


def write_behaviours(path: Path, *, seed: int) -> Path:
    """Write a video of ``bouts(seed)``."""
    labels = bouts(seed)
    return write_video(
        path,
        FRAMES,
        rate=FPS,
        width=WIDTH,
        height=HEIGHT,
        picture=lambda frame: picture(labels[frame // BOUT], frame, seed=seed),
    )


def annotated(video: str, *, seed: int, shift_s: float = 0.0) -> list[str]:
    """Return the rows of a table of intervals: what ``write_behaviours`` draws."""
    seconds = BOUT / FPS
    return [
        f"{video},{max(0.0, place * seconds + shift_s)},{(place + 1) * seconds + shift_s},{label}"
        for place, label in enumerate(bouts(seed))
    ]


def write_annotations(path: Path, rows: Sequence[str]) -> Path:
    path.write_text("\n".join(["video,start_s,stop_s,label", *rows]) + "\n")
    return path


@dataclass
class Heard:
    """What a fit said."""

    said: list[str]
    doubts: list[str]

    def told(self) -> Told:
        return Told(say=self.said.append, doubt=self.doubts.append)


@dataclass(frozen=True)
class Lab:
    """Three annotated videos and one that is not, a profile, and a server."""

    folder: Path
    videos: tuple[Path, ...]
    annotations: Path
    server: str

    def options(self, name: str = "mine", **changes: object) -> FitOptions:
        """Return a fit by the served features, without an export."""
        options = FitOptions(
            files=fit_files(self.folder / name),
            videos=self.videos,
            annotations=(self.annotations,),
            profile=str(self.folder / "tiny.toml"),
            access=Access(server=self.server),
            model=MODEL,
            export=False,
            cache=self.folder / "cache",
        )
        return replace(options, **changes)  # type: ignore[arg-type]

    def fit(self, name: str = "mine", **changes: object) -> tuple[dict, Heard]:
        """Fit; return the document and what was said."""
        heard = Heard([], [])
        return fit(self.options(name, **changes), told=heard.told()), heard


def make_lab(folder: Path, *, server: str) -> Lab:
    """Write the videos, the annotations and the profile."""
    (folder / "tiny.toml").write_text(PROFILE)
    videos = tuple(write_behaviours(folder / f"mouse{seed}.mp4", seed=seed) for seed in range(1, 5))
    rows = [row for seed in range(1, 4) for row in annotated(f"mouse{seed}.mp4", seed=seed)]
    return Lab(
        folder=folder,
        videos=videos,
        annotations=write_annotations(folder / "annotations.csv", rows),
        server=server,
    )
