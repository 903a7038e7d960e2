"""Which frames a window covers, and which window labels a frame.

Plain arithmetic on frame numbers; all ranges are half-open. T is ``clip_frames``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame


def window_starts(num_frames: int, *, clip_frames: int, stride: int) -> NDArray[np.int64]:
    """Return the first frame of every window of a video, in order.

    Window k starts at ``k · stride``. Where frames are left over at the end, one more window
    ``[num_frames − T, num_frames)`` follows. A video shorter than T has one window, at 0, which
    its last frame pads. Without frames there is no window.
    """
    if num_frames <= 0:
        return np.empty(0, np.int64)
    if num_frames <= clip_frames:
        return np.zeros(1, np.int64)
    starts = np.arange(0, num_frames - clip_frames + 1, stride, dtype=np.int64)
    if starts[-1] + clip_frames < num_frames:
        starts = np.append(starts, num_frames - clip_frames)
    return starts


def labelling_windows(
    num_frames: int,
    *,
    starts: NDArray[np.int64],
    scored: NDArray[np.bool_],
    clip_frames: int,
    stride: int,
    label_frame: LabelFrame,
) -> NDArray[np.int64]:
    """Return for every frame the index of the window that labels it, −1 where none does.

    Args:
        num_frames: n, the frames of the video.
        starts: (windows,) first frames, increasing, as ``window_starts`` gives them.
        scored: (windows,) False for a window that contains a frame which was not decoded.
        clip_frames: T.
        stride: frames from one window to the next.
        label_frame: ``last``: a window labels the frames after the window before it, up to its
            own last frame; the first labels its last ``stride`` frames. ``centre``: a frame takes
            the scored window whose centre is nearest, the earlier one on a tie, of those that
            contain it.

    Returns:
        (n,) int64.

    """
    if num_frames <= clip_frames:
        index = 0 if len(scored) and scored[0] else -1
        return np.full(num_frames, index, np.int64)
    if label_frame == "last":
        return _label_last(num_frames, starts, scored, clip_frames, stride)
    return _label_centre(num_frames, starts, scored, clip_frames)


def _label_last(
    num_frames: int,
    starts: NDArray[np.int64],
    scored: NDArray[np.bool_],
    clip_frames: int,
    stride: int,
) -> NDArray[np.int64]:
    frames = np.arange(num_frames)
    windows = np.searchsorted(starts + clip_frames, frames, side="right")
    labelled = frames >= clip_frames - stride
    labelled[labelled] = scored[windows[labelled]]
    return np.where(labelled, windows, -1)


def _label_centre(
    num_frames: int,
    starts: NDArray[np.int64],
    scored: NDArray[np.bool_],
    clip_frames: int,
) -> NDArray[np.int64]:
    candidates = np.flatnonzero(scored)
    if not len(candidates):
        return np.full(num_frames, -1, np.int64)
    frames = np.arange(num_frames)
    # Doubled, so that the centre of an even number of frames is an integer.
    centres = 2 * starts[candidates] + clip_frames - 1
    later = np.searchsorted(centres, 2 * frames, side="left").clip(0, len(candidates) - 1)
    earlier = (later - 1).clip(0)
    nearer_later = np.abs(centres[later] - 2 * frames) < np.abs(centres[earlier] - 2 * frames)
    windows = candidates[np.where(nearer_later, later, earlier)]
    contained = (starts[windows] <= frames) & (frames < starts[windows] + clip_frames)
    return np.where(contained, windows, -1)
