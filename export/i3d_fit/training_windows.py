"""The frames of annotated windows, decoded as the client decodes them.

Windows are read in the order of their videos and of time, so that each video is gone through once
and no more frames are held than overlapping windows share.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_export.sampling import Piece, Sample, read_pieces, sampled_video
from i3d_fit.errors import FitError
from i3d_fit.material import Material


def read_windows(
    material: Material,
    *,
    videos: Sequence[Path],
    chosen: NDArray[np.bool_],
    contract: ModelContract,
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield windows of a material, in its order; one with a frame that is lost is left out.

    Args:
        material: the windows.
        videos: of its recordings, in their order.
        chosen: (n,) bool, which windows are wanted.
        contract: gives geometry, colour, resize rule and T.

    Yields:
        The window's place in the material, and ``(T, height, width, channels)``, uint8. A video
        that is shorter than T repeats its last frame.

    Raises:
        FitError: a window lies outside its video.
        VideoError: a video cannot be read.
    """
    single = dataclasses.replace(contract, windows_per_segment=1)
    for recording, video in enumerate(videos):
        places = np.flatnonzero(chosen & (material.recordings == recording))
        if not len(places):
            continue
        described = sampled_video(video, contract=single)
        pieces = {
            Piece(video=0, start=start, stop=stop): place
            for place in places.tolist()
            for start, stop in [_frames(int(material.starts[place]), described.num_frames, single)]
        }
        outside = [piece for piece in pieces if piece.stop > described.num_frames]
        if outside:
            raise FitError(
                f"{video}: expected windows within its {described.num_frames} frames, got frames "
                f"{outside[0].start} to {outside[0].stop}: is it the video that was annotated?"
            )
        sample = Sample(videos=(described,), pieces=tuple(pieces))
        for piece, frames in read_pieces(sample, contract=single):
            yield pieces[piece], frames


def _frames(start: int, num_frames: int, contract: ModelContract) -> tuple[int, int]:
    """Return the half-open range of frames of the window that starts there."""
    short = num_frames < contract.clip_frames and start == 0
    return start, num_frames if short else start + contract.clip_frames
