"""What a segment graph depends on, and the plain-numpy meaning of its first steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract

Segments = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class GraphShape:
    """The numbers of a contract that decide the graph, without names and resize rule.

    Labels that are spelt otherwise, another crop, or the stride of a single window do not make
    another graph. Attributes are those of ``ModelContract``; ``classes`` is the number of its
    labels.
    """

    height: int
    width: int
    channels: int
    clip_frames: int
    stride: int
    windows_per_segment: int
    divide_by: float
    add: float
    classes: int

    @classmethod
    def of(cls, contract: ModelContract) -> GraphShape:
        """Take from a contract what the graph depends on."""
        single = contract.windows_per_segment == 1
        return cls(
            height=contract.height,
            width=contract.width,
            channels=contract.channels,
            clip_frames=contract.clip_frames,
            stride=contract.clip_frames if single else contract.stride,
            windows_per_segment=contract.windows_per_segment,
            divide_by=float(contract.normalisation.divide_by),
            add=float(contract.normalisation.add),
            classes=len(contract.labels),
        )

    @property
    def segment_shape(self) -> tuple[int, int, int, int]:
        """Shape of one segment: ``(S, height, width, channels)``."""
        frames = self.clip_frames + (self.windows_per_segment - 1) * self.stride
        return (frames, self.height, self.width, self.channels)

    def frame_indices(self) -> NDArray[np.int32]:
        """Return which frames of a segment make its windows: ``(N, T)``, int32."""
        starts = np.arange(self.windows_per_segment, dtype=np.int32) * self.stride
        return starts[:, None] + np.arange(self.clip_frames, dtype=np.int32)

    def windows_of(self, segments: Segments) -> Floats:
        """Cut and normalise windows the plain way: the reference for what the graph does.

        Args:
            segments: ``(B, S, height, width, channels)``, uint8.

        Returns:
            ``(B · N, T, height, width, 3)``, float32: the windows of the first segment, then of
            the second, and so on; grey repeated to three channels.
        """
        windows = [
            segment[number * self.stride : number * self.stride + self.clip_frames]
            for segment in segments
            for number in range(self.windows_per_segment)
        ]
        floats = np.stack(windows).astype(np.float32)
        floats = floats / np.float32(self.divide_by) + np.float32(self.add)
        return np.repeat(floats, 3, axis=-1) if self.channels == 1 else floats
