"""The range of every activation on real video: what an INT8 graph is scaled by.

A range is the mean, over the calibration segments, of a segment's smallest and largest value.
Measured with kinetics400 on windows that calibration did not see (OpenVINO, 20 windows): mean
Kullback–Leibler divergence from FP32 0.0128 with the means, 0.0172 with the extremes over all
segments, which single outliers stretch. Percentiles and entropy need histograms of all
activations (about 300 million values a 64 × 224 × 224 window), minutes and gigabytes for what the
means give already. Segments are run one at a time, and of each only the extremes are kept.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from i3d_client.contract import INPUT_FRAMES
from i3d_export.quantisation import QUANTISED
from i3d_export.shape import Segments

SEED = 400
SEGMENTS = 24
LEAST_SEGMENTS = 8
# Grey levels: what a camera's noise alone gives, about.
LEAST_SPREAD = 4.0

Extremes = dict[str, list[tuple[float, float]]]


def collect_extremes(onnx_file: Path, segments: Iterable[Segments]) -> Extremes:
    """Run FP32 and return each activation's smallest and largest value in every segment.

    Args:
        onnx_file: the FP32 graph.
        segments: each ``(S, H, W, C)``, uint8.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    extremes: Extremes = {}
    with tempfile.TemporaryDirectory(prefix="i3d-calibration-") as folder:
        calibrator = create_calibrator(
            onnx_file,
            QUANTISED,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        for segment in segments:
            # Otherwise the calibrator merges this segment's extremes with those before.
            calibrator.calibrate_tensors_range = None
            calibrator.collect_data(_OneInput({INPUT_FRAMES: segment[np.newaxis]}))
            for name, data in calibrator.compute_data().items():
                low, high = (float(np.ravel(value)[0]) for value in data.range_value)
                extremes.setdefault(name, []).append((low, high))
    return extremes


def ranges_of(extremes: Extremes) -> dict[str, tuple[float, float]]:
    """Return the mean of each activation's extremes over the segments."""
    means = {name: np.mean(pairs, axis=0) for name, pairs in extremes.items()}
    return {name: (float(low), float(high)) for name, (low, high) in means.items()}


def doubts(spreads: Sequence[float]) -> list[str]:
    """Say what is wrong with a calibration set.

    Args:
        spreads: standard deviation of each segment's pixels, grey levels.
    """
    found = []
    if len(spreads) < LEAST_SEGMENTS:
        found.append(
            f"calibration had {len(spreads)} segments; at least {LEAST_SEGMENTS} are advised: "
            "name more or longer videos with --calibrate"
        )
    flat = sum(spread < LEAST_SPREAD for spread in spreads)
    if flat * 2 >= len(spreads):
        found.append(
            f"{flat} of {len(spreads)} calibration segments are nearly constant (their pixels "
            f"spread by less than {LEAST_SPREAD:g} grey levels): name videos that show animals"
        )
    return found


class _OneInput:
    """A calibration data reader that holds one input; the next call ends it."""

    def __init__(self, inputs: Mapping[str, Segments]) -> None:
        self._inputs: Mapping[str, Segments] | None = inputs

    def get_next(self) -> Mapping[str, Segments] | None:
        inputs, self._inputs = self._inputs, None
        return inputs
