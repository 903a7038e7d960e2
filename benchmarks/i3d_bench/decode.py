"""From a video file to frames at the model's geometry, on one core, against OpenCV's reader.

    python -m i3d_bench.decode --out benchmarks/results/decode.json [--video FILE …]

Both sides use one thread on the same core and do the same: every picture of the file, scaled
bilinearly to the same geometry, as RGB (or, on our side alone, as grey). OpenCV's reader gives BGR
at full size, which is scaled, cut and converted; ours is what ``i3d classify`` uses. Before
anything is timed, the first frames of both are compared, and every timed run must give every frame.

Times are processor time of the process. Machines that are shared change their speed from one second
to the next, so all readers of a video are open at a time and go on in turns of 400 frames; a ratio
is the median over whole passes. The bound is decoding alone: PyAV, one thread, pictures dropped;
``bound_over_opencv`` is how many times as fast as OpenCV's reader that is. Our side's first pass
over a file, which a client makes once a recording, is timed apart (``first_pass_s``): most of it
does not grow with the file, and these clips are short.

Measured are two films, a drawn cage (a still picture before which one thing moves, so that there is
little to decode), and what is named with ``--video``.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from i3d_bench.clips import clip
from i3d_bench.looped import write_looped
from i3d_bench.machine import machine_facts
from i3d_client.contract import Colour, ModelContract, Normalisation, Resize
from i3d_client.geometry import Geometry, use_one_opencv_thread
from i3d_client.video import DecodeCounts, Video, decode, open_video

COMPARED_FRAMES = 100
_CAGE_FRAMES = 300
_TURN_FRAMES = 400
ALLOWED_MEAN_DIFFERENCE = 1.5  # grey levels; docs/decisions.md, "Colour"
LEAST_OVER_OPENCV = {"4:2:0": 1.3, "4:4:4": 2.3}
LEAST_GREY_OF_DECODING = 0.65


def _contract(colour: Colour, height: int, width: int, short_side: int | None) -> ModelContract:
    cut = Resize(rule="short_side_centre_crop", short_side=short_side)
    return ModelContract(
        profile="decode",
        height=height,
        width=width,
        colour=colour,
        clip_frames=64,
        stride=64,
        windows_per_segment=1,
        resize=cut if short_side else Resize(rule="stretch"),
        normalisation=Normalisation(divide_by=127.5, add=-1.0),
        labels=("a", "b"),
        label_frame="centre",
        trained_fps=25.0,
    )


CONTRACTS = {
    "rgb_stretch_224": _contract("rgb", 224, 224, None),
    "rgb_short_side_256_crop_224": _contract("rgb", 224, 224, 256),
    "grey_stretch_192x256": _contract("grey", 192, 256, None),
}


def measure(*, videos: list[Path], num_frames: int, repeats: int) -> dict[str, Any]:
    """Run the benchmark and return its figures.

    Args:
        videos: measured beside the clips that this project always has; of one that is not
            4:2:0, a 4:2:0 copy too.
        num_frames: that a shorter video is repeated to, about.
        repeats: of every measurement; figures are medians.

    """
    facts = machine_facts()
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"
    use_one_opencv_thread()
    with tempfile.TemporaryDirectory(prefix="i3d-decode-") as folder:
        clips = _clips(videos, Path(folder), num_frames)
        figures = {name: _measure_one(path, repeats) for name, path in clips.items()}
    targets = [target for name, found in figures.items() for target in _targets(name, found)]
    return {
        "what": "frames at the model's geometry from a file, one core; processor time",
        "machine": facts | {"cores_used": 1},
        "repeats": repeats,
        "clips": figures,
        "targets": targets,
        "all_met": all(target["met"] for target in targets),
    }


def _clips(videos: list[Path], folder: Path, num_frames: int) -> dict[str, Path]:
    encoded = _encode(clip("bigbuckbunny.mp4"), folder / "encoded.mp4", size=(640, 480))
    clips = {
        "bigbuckbunny_640x480": encoded,
        "bikes_640x272": clip("bikes.mp4"),
        "drawn_cage_640x480": _draw_cage(encoded, folder / "drawn.mp4"),
    }
    for video in videos:
        clips[video.stem] = video
        if _subsampling(open_video(video).pixel_format) != "4:2:0":
            copy = folder / f"{video.stem}_420.mp4"
            clips[f"{video.stem}_as_yuv420p"] = _encode(video, copy)
    for name, path in clips.items():
        if open_video(path).num_frames_expected < num_frames:
            clips[name] = folder / f"{name}_looped.mp4"
            write_looped(path, clips[name], num_frames=num_frames)
    return clips


def _encode(source: Path, path: Path, *, size: tuple[int, int] | None = None) -> Path:
    """Encode a video as H.264 4:2:0, 30 frames/s, with the encoder's default quality."""
    with av.open(str(source)) as reader:
        width, height = size or (reader.streams.video[0].width, reader.streams.video[0].height)
        return _write(path, width, height, reader.decode(video=0))


def _draw_cage(source: Path, path: Path) -> Path:
    """Draw a dark ellipse that goes round before the first picture of a video."""
    with av.open(str(source)) as reader:
        still = next(reader.decode(video=0)).to_ndarray(format="bgr24")
    height, width = still.shape[:2]

    def picture(number: int) -> av.VideoFrame:
        angle = 2 * np.pi * number / _CAGE_FRAMES
        x, y = (
            round(width * (0.5 + 0.3 * np.cos(angle))),
            round(height * (0.5 + 0.3 * np.sin(angle))),
        )
        drawn = still.copy()
        cv2.ellipse(drawn, (x, y), (40, 20), number, 0, 360, (30, 30, 40), -1)
        return av.VideoFrame.from_ndarray(drawn, format="bgr24")

    return _write(path, width, height, (picture(number) for number in range(_CAGE_FRAMES)))


def _write(path: Path, width: int, height: int, pictures: Iterable[av.VideoFrame]) -> Path:
    with av.open(str(path), "w") as writer:
        stream = writer.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number, given in enumerate(pictures):
            picture = given.reformat(width=width, height=height, format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, 30)
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode())
    return path


def _subsampling(pixel_format: str) -> str:
    digits = next((d for d in ("420", "422", "444") if d in pixel_format), None)
    return ":".join(digits) if digits else pixel_format


def _measure_one(video: Path, repeats: int) -> dict[str, Any]:
    begun = time.process_time()
    about = open_video(video)
    opened_s = time.process_time() - begun
    jobs: dict[str, Callable[[], Iterator[object]]] = {
        "decoding_alone": lambda: _decode_alone(video)
    }
    differences = {}
    for name, contract in CONTRACTS.items():
        differences[name] = _mean_difference(about, contract)
        jobs[f"ours_{name}"] = functools.partial(_ours, about, contract)
        if contract.colour == "rgb":
            jobs[f"opencv_{name}"] = functools.partial(_by_opencv, about, contract)
    turns = _take_turns(jobs, repeats, num_frames=about.num_frames_expected)

    def rate(name: str) -> float:
        return about.num_frames_expected / statistics.median(turns[name])

    def over(job: str, reference: str) -> float:
        pairs = zip(turns[job], turns[reference], strict=True)
        return round(statistics.median(theirs / ours for ours, theirs in pairs), 3)

    in_colour = [name for name, contract in CONTRACTS.items() if contract.colour == "rgb"]
    return {
        "codec": about.codec,
        "pixel_format": about.pixel_format,
        "width": about.width,
        "height": about.height,
        "num_frames": about.num_frames_expected,
        "first_pass_s": round(opened_s, 4),
        "mean_difference_to_opencv_grey_levels": differences,
        "frames_per_second": {name: round(rate(name), 1) for name in jobs},
        "over_opencv": {name: over(f"ours_{name}", f"opencv_{name}") for name in in_colour},
        "bound_over_opencv": {name: over("decoding_alone", f"opencv_{name}") for name in in_colour},
        "of_decoding_alone": {name: over(f"ours_{name}", "decoding_alone") for name in CONTRACTS},
    }


def _take_turns(
    jobs: dict[str, Callable[[], Iterator[object]]], repeats: int, *, num_frames: int
) -> dict[str, list[float]]:
    """Return each job's processor times in seconds, one a pass over the video."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(repeats):
        going = {name: job() for name, job in jobs.items()}
        seconds, counted = dict.fromkeys(jobs, 0.0), dict.fromkeys(jobs, 0)
        while going:
            for name, frames in list(going.items()):
                start = time.process_time()
                came = sum(1 for _ in islice(frames, _TURN_FRAMES))
                seconds[name] += time.process_time() - start
                counted[name] += came
                if came < _TURN_FRAMES:
                    del going[name]
        for name in jobs:
            times[name].append(seconds[name])
            if counted[name] != num_frames:
                raise RuntimeError(f"{name}: expected {num_frames} frames, got {counted[name]}")
    return times


def _targets(name: str, found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    least = LEAST_OVER_OPENCV.get(_subsampling(found["pixel_format"]))
    if least is not None and found["codec"] == "h264":
        for rule, measured in found["over_opencv"].items():
            yield _target(f"{name}: {rule} over OpenCV's reader", least, measured)
    grey = found["of_decoding_alone"]["grey_stretch_192x256"]
    yield _target(f"{name}: grey of decoding alone", LEAST_GREY_OF_DECODING, grey)


def _target(what: str, allowed: float, measured: float) -> dict[str, Any]:
    return {"what": what, "allowed": allowed, "measured": measured, "met": measured >= allowed}


def _decode_alone(video: Path) -> Iterator[av.VideoFrame]:
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        stream.thread_type = "NONE"
        yield from container.decode(stream)


def _ours(video: Video, contract: ModelContract) -> Iterator[NDArray[np.uint8]]:
    """Yield one array again and again: (height, width, channels) uint8."""
    geometry = Geometry(contract, rotation=video.rotation)
    out = np.zeros(contract.frame_shape, np.uint8)
    for frame in decode(video, DecodeCounts(), codec_threads=1):
        if frame is not None:
            geometry.write(frame, out)
            yield out


def _by_opencv(video: Video, contract: ModelContract) -> Iterator[NDArray[np.uint8]]:
    """Yield frames from OpenCV's reader, scaled as BGR: (height, width, channels) uint8."""
    reader = cv2.VideoCapture(str(video.path), cv2.CAP_FFMPEG)
    to_colour = cv2.COLOR_BGR2RGB if contract.colour == "rgb" else cv2.COLOR_BGR2GRAY
    while True:
        more, bgr = reader.read()
        if not more:
            return
        height, width = bgr.shape[:2]
        size = (contract.width, contract.height)
        if contract.resize.short_side is not None:
            scale = contract.resize.short_side / min(height, width)
            size = (round(width * scale), round(height * scale))
        scaled = cv2.resize(bgr, size, interpolation=cv2.INTER_LINEAR)
        top, left = (size[1] - contract.height) // 2, (size[0] - contract.width) // 2
        kept = scaled[top : top + contract.height, left : left + contract.width]
        converted: NDArray[Any] = cv2.cvtColor(kept, to_colour)
        yield converted.reshape(contract.frame_shape)


def _mean_difference(video: Video, contract: ModelContract) -> float:
    """Compare the first frames of both readers; refuse to go on if they differ too much."""
    pairs = zip(_ours(video, contract), _by_opencv(video, contract), strict=False)
    away = [
        float(np.abs(ours.astype(np.int16) - theirs).mean())
        for ours, theirs in islice(pairs, COMPARED_FRAMES)
    ]
    mean = statistics.mean(away)
    if mean > ALLOWED_MEAN_DIFFERENCE:
        raise RuntimeError(
            f"{video.path.name}: expected frames within {ALLOWED_MEAN_DIFFERENCE} grey levels of "
            f"OpenCV's on average, got {mean:.2f}"
        )
    return round(mean, 3)


def main() -> None:
    """Measure, print the figures and write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--video", type=Path, action="append", default=[])
    parser.add_argument(
        "--frames", type=int, default=2000, help="that a shorter one is repeated to"
    )
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    figures = measure(videos=options.video, num_frames=options.frames, repeats=options.repeats)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
