"""The annotated windows that a head is trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE
from i3d_fit.errors import FitError


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """Windows that have a label, in the order of their recordings and of time.

    Attributes:
        features: (n, 1024) float32.
        codes: (n,) int64, 0 … K − 1, indices of ``labels``.
        pure: (n,) bool: may be trained on; the others are only measured.
        recordings: (n,) int64, indices of ``recording_names``; never falling.
        groups: (n,) int64, indices of ``group_names``; a recording has one group.
        starts: (n,) int64, first frame in the recording; rising within a recording.
        labels: K names, at least 2.
        recording_names: names of the recordings.
        group_names: names of what is never divided between training and test.
        clip_frames: T, frames of a window.

    Raises:
        FitError: arrays do not fit together, or hold what cannot be trained on.
    """

    features: NDArray[np.float32]
    codes: NDArray[np.int64]
    pure: NDArray[np.bool_]
    recordings: NDArray[np.int64]
    groups: NDArray[np.int64]
    starts: NDArray[np.int64]
    labels: tuple[str, ...]
    recording_names: tuple[str, ...]
    group_names: tuple[str, ...]
    clip_frames: int

    def __post_init__(self) -> None:
        self._check_names()
        self._check_arrays()
        self._check_order()

    @property
    def num_windows(self) -> int:
        """Return n."""
        return len(self.codes)

    @property
    def num_pure(self) -> NDArray[np.int64]:
        """Return (K,) int64: the windows of each class that may be trained on."""
        return np.bincount(self.codes[self.pure], minlength=len(self.labels))

    def select(self, chosen: NDArray[np.bool_]) -> Material:
        """Return the windows where ``chosen``, (n,) bool, is true; names stay as they are."""
        return replace(
            self,
            features=self.features[chosen],
            codes=self.codes[chosen],
            pure=self.pure[chosen],
            recordings=self.recordings[chosen],
            groups=self.groups[chosen],
            starts=self.starts[chosen],
        )

    def _check_names(self) -> None:
        if len(self.labels) < 2 or len(set(self.labels)) < len(self.labels):
            raise FitError(
                f"labels: expected at least 2 names that differ, got {list(self.labels)}: annotate "
                "a second behaviour, or name a background"
            )
        if self.clip_frames < 1:
            raise FitError(f"clip_frames: expected at least 1, got {self.clip_frames}")

    def _check_arrays(self) -> None:
        count = len(self.codes)
        if not count:
            raise FitError(
                "expected annotated windows, got none: do the annotations lie within the videos?"
            )
        self._check_array("features", np.float32, (count, FEATURE_SIZE))
        self._check_array("pure", np.bool_, (count,))
        for name, size in (
            ("codes", len(self.labels)),
            ("recordings", len(self.recording_names)),
            ("groups", len(self.group_names)),
            ("starts", None),
        ):
            self._check_array(name, np.int64, (count,))
            values = getattr(self, name)
            if values.min() < 0 or (size is not None and values.max() >= size):
                within = "at least 0" if size is None else f"0 … {size - 1}"
                raise FitError(f"{name}: expected {within}, got {values.min()} … {values.max()}")
        unusable = ~np.isfinite(self.features).all(axis=1)
        if unusable.any():
            first = int(unusable.argmax())
            raise FitError(
                f"features: expected finite numbers, got others in {int(unusable.sum())} of "
                f"{count} windows, the first in {self.recording_names[self.recordings[first]]} at "
                f"frame {self.starts[first]}: compute the features again (--features-anew)"
            )

    def _check_array(self, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> None:
        array = getattr(self, name)
        if array.dtype != kind or array.shape != shape:
            raise FitError(
                f"{name}: expected {kind.__name__} of shape {shape}, got {array.dtype} of shape "
                f"{array.shape}"
            )

    def _check_order(self) -> None:
        next_recording = np.diff(self.recordings)
        same = next_recording == 0
        if (next_recording < 0).any() or (np.diff(self.starts)[same] <= 0).any():
            raise FitError("expected windows in the order of recordings and of time, each once")
        if (np.diff(self.groups)[same] != 0).any():
            raise FitError("groups: expected one group for all windows of a recording")
