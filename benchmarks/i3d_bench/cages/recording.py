"""One animal's recording: its video, and the behaviour of each frame."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_bench.cages.acting import act_bouts
from i3d_bench.cages.animal import random_animal
from i3d_bench.cages.behaviours import FPS, LABELS, SCHEDULES, Schedule
from i3d_bench.cages.body import bodies_of
from i3d_bench.cages.bouts import Bout, plan_bouts
from i3d_bench.cages.cage import HEIGHT, WIDTH, draw_scenery, random_cage
from i3d_bench.cages.camera import Camera
from i3d_bench.cages.rodent import Rodent
from i3d_bench.cages.stage import Stage

# Limited range, as nearly all cameras write it.
_LUMA = np.round(16 + np.arange(256) * (219 / 255)).astype(np.uint8)
_CODEC = {"preset": "veryfast", "crf": "23", "threads": "1"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One animal, filmed.

    Attributes:
        bouts: what it does.
        frame_labels: (frames,) int8, index into ``LABELS``.
    """

    bouts: tuple[Bout, ...]
    frame_labels: NDArray[np.int8]


class Film:
    """A recording as it is made, frame by frame.

    What animal ``number`` of a seed looks like and does depends on these two, the schedule and
    the number of frames alone.
    """

    def __init__(self, *, number: int, seed: int, schedule: Schedule, num_frames: int) -> None:
        looks, plans, acts, films = np.random.default_rng((seed, number)).spawn(4)
        self._stage = Stage(cage=random_cage(looks), animal=random_animal(looks))
        self._scenery = draw_scenery(self._stage.cage, looks)
        bouts = plan_bouts(self._stage, SCHEDULES[schedule], num_frames, plans)
        poses = act_bouts(bouts, self._stage, acts)
        self._rodent = Rodent(self._stage.animal, poses, bodies_of(poses, self._stage))
        self._camera = Camera(num_frames, films)
        self._num_frames = num_frames
        self.recording = Recording(bouts=tuple(bouts), frame_labels=_frame_labels(bouts))

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """Return a frame, (480, 640) uint8 grey. Noise is in the order of the calls."""
        picture = self._scenery.behind.copy()
        self._rodent.draw(picture, frame)
        first = self._scenery.bedding_from
        picture[first:] = self._scenery.bedding[first:]
        return self._camera.take(picture, frame)

    def __iter__(self) -> Iterator[NDArray[np.uint8]]:
        """Iterate over all frames."""
        return map(self.picture, range(self._num_frames))


def write_recording(
    path: Path, *, number: int, seed: int, schedule: Schedule, num_frames: int
) -> Recording:
    """Write a video, H.264 in yuv420p at 30 frames/s, and return what happens in it."""
    cv2.setNumThreads(1)  # workers are processes
    film = Film(number=number, seed=seed, schedule=schedule, num_frames=num_frames)
    planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=FPS, options=_CODEC)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = 2 * FPS
        for index, picture in enumerate(film):
            cv2.LUT(picture, _LUMA, dst=planes[:HEIGHT])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return film.recording


def _frame_labels(bouts: list[Bout]) -> NDArray[np.int8]:
    labels = np.empty(bouts[-1].stop, np.int8)
    for bout in bouts:
        labels[bout.start : bout.stop] = LABELS.index(bout.label)
    return labels
