"""Which frames a window covers, and which window labels a frame.

Plain arithmetic on frame numbers; all ranges are half-open. T is ``clip_frames``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import LabelFrame


@dataclass(frozen=True)
class WindowGrid:
    """The windows of a recording: arithmetic alone, nothing as long as the recording is held.

    Window k starts at ``k · stride``. Where frames are left over at the end, one more window, the
    tail, ``[num_frames − T, num_frames)``, follows. A recording shorter than T has one window,
    ``[0, num_frames)``, which its last frame pads. Without frames there is no window.

    Segment j holds the windows ``jN … jN + N − 1``; the tail comes after the last segment and is
    counted with it.

    Attributes:
        num_frames: n, at least 0.
        clip_frames: T.
        stride: frames from one window to the next, 1 … T.
    """

    num_frames: int
    clip_frames: int
    stride: int

    @property
    def num_regular(self) -> int:
        """Windows without the tail."""
        return max(0, self._last_start) // self.stride + 1 if self.num_frames > 0 else 0

    @property
    def has_tail(self) -> bool:
        """Whether frames are left over for one more window at the end."""
        return self._last_start > 0 and self._last_start % self.stride != 0

    @property
    def count(self) -> int:
        """Windows in all."""
        return self.num_regular + self.has_tail

    @property
    def _last_start(self) -> int:
        """First frame of a window that ends with the recording; negative if it is shorter."""
        return self.num_frames - self.clip_frames

    def starts(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return the first frames of the windows ``[first, stop)``, increasing.

        Returns:
            (stop − first,) int64.
        """
        regular = np.arange(first, stop, dtype=np.int64) * self.stride
        return np.minimum(regular, max(0, self._last_start))

    def stops(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return where the windows ``[first, stop)`` end: the frame after the last of each.

        Returns:
            (stop − first,) int64.
        """
        return np.minimum(self.starts(first, stop) + self.clip_frames, self.num_frames)

    def num_segments(self, windows_per_segment: int) -> int:
        """Return how many segments hold the windows other than the tail."""
        return -(-self.num_regular // windows_per_segment)

    def windows_of_segments(
        self, first_segment: int, stop_segment: int, windows_per_segment: int
    ) -> tuple[int, int]:
        """Return the windows ``[first, stop)`` of the segments ``[first_segment, stop_segment)``.

        Those that reach the last segment have the tail as well.
        """

        def before(segment: int) -> int:
            last = self.num_segments(windows_per_segment)
            return segment * windows_per_segment if segment < last else self.count

        return before(first_segment), before(stop_segment)

    def frames_of_segments(
        self, first_segment: int, stop_segment: int, windows_per_segment: int
    ) -> tuple[int, int]:
        """Return the frames ``[first, stop)`` that are counted with these segments.

        They are those from the start of the first segment to the start of the segment after them,
        or to the end of the recording: no frame twice, though segments share frames.
        """

        def before(segment: int) -> int:
            last = self.num_segments(windows_per_segment)
            advance = windows_per_segment * self.stride
            return segment * advance if segment < last else self.num_frames

        return before(first_segment), before(stop_segment)

    def labelling_windows(
        self,
        first_frame: int,
        stop_frame: int,
        *,
        scored: NDArray[np.bool_],
        label_frame: LabelFrame,
    ) -> NDArray[np.int64]:
        """Return for frames ``[first_frame, stop_frame)`` the window that labels each.

        Memory is in proportion to these frames, and what is returned for a frame does not depend
        on the frames that are asked for with it. Without the frames that have no window, it never
        falls from one frame to the next.

        Args:
            first_frame: 0 … num_frames.
            stop_frame: first_frame … num_frames.
            scored: (count,) of all windows; False for one that contains a frame which was not
                decoded.
            label_frame: ``last``: a window labels the frames after the window before it, up to its
                own last frame; the first labels its last ``stride`` frames. ``centre``: a frame
                takes the scored window whose centre is nearest, the earlier one on a tie, of those
                that contain it. The one window of a recording of T frames or fewer labels them all.

        Returns:
            (stop_frame − first_frame,) int64, indices of windows; −1 where no window labels the
            frame.
        """
        frames = np.arange(first_frame, stop_frame, dtype=np.int64)
        if self.num_frames <= self.clip_frames or not len(frames):
            return np.full(len(frames), 0 if scored.any() else -1, np.int64)
        if label_frame == "last":
            return self._label_last(frames, scored)
        return self._label_centre(frames, scored)

    def _label_last(
        self, frames: NDArray[np.int64], scored: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        # −1 for the frames that come before those of the first window.
        windows = (frames - self.clip_frames) // self.stride + 1
        windows = windows.clip(-1, self.count - 1)
        return np.where((windows >= 0) & scored[windows], windows, -1)

    def _label_centre(
        self, frames: NDArray[np.int64], scored: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        # The windows that reach into these frames: a frame's nearest scored window contains it, or
        # none does, since all are of one length.
        first = max(0, (int(frames[0]) - self.clip_frames) // self.stride + 1)
        stop = min(int(frames[-1]) // self.stride + 1, self.num_regular) + self.has_tail
        candidates = first + np.flatnonzero(scored[first:stop])
        if not len(candidates):
            return np.full(len(frames), -1, np.int64)
        starts = self.starts(first, stop)[candidates - first]
        # Doubled, so that the centre of an even number of frames is an integer.
        centres = 2 * starts + self.clip_frames - 1
        later = np.searchsorted(centres, 2 * frames, side="left").clip(0, len(candidates) - 1)
        earlier = (later - 1).clip(0)
        nearer_later = np.abs(centres[later] - 2 * frames) < np.abs(centres[earlier] - 2 * frames)
        nearest = np.where(nearer_later, later, earlier)
        contained = (starts[nearest] <= frames) & (frames < starts[nearest] + self.clip_frames)
        return np.where(contained, candidates[nearest], -1)
