"""The range of every activation on real video: what an INT8 graph is scaled by.

A range is the mean, over the calibration windows, of a window's smallest and largest value.
Measured with kinetics400 on windows that calibration did not see (OpenVINO, 20 windows): mean
Kullback–Leibler divergence from FP32 0.0128 with the means, 0.0172 with the extremes over all
windows, which single outliers stretch. Percentiles and entropy need histograms of all
activations (about 300 million values a 64 × 224 × 224 window), minutes and gigabytes for what the
means give already. Windows are run one at a time through the network alone, and of each only the
extremes are kept: a segment of 32 windows of 16 × 192 × 256 at once took 22 GB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from i3d_export.quantisation import QUANTISED
from i3d_export.shape import Floats, GraphShape, Segments

SEED = 400
SEGMENTS = 24
LEAST_SEGMENTS = 8
# Windows of one segment overlap: some of them say what all of them would.
WINDOWS_OF_A_SEGMENT = 8
# Grey levels: what a camera's noise alone gives, about.
LEAST_SPREAD = 4.0

Extremes = dict[str, list[tuple[float, float]]]


def collect_extremes(
    onnx_file: Path, segments: Iterable[tuple[Segments, int]], shape: GraphShape
) -> Extremes:
    """Run FP32 and return each activation's smallest and largest value in every window.

    Args:
        onnx_file: the FP32 graph.
        segments: each ``(S, H, W, C)``, uint8, and how many of its windows are not padding.
        shape: the graph's numbers.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    extremes: Extremes = {}
    with tempfile.TemporaryDirectory(prefix="i3d-calibration-") as folder:
        network = Path(folder) / "network.onnx"
        entry = _write_network(onnx_file, network)
        calibrator = create_calibrator(
            network,
            QUANTISED,
            augmented_model_path=str(Path(folder) / "augmented.onnx"),
            calibrate_method=CalibrationMethod.MinMax,
        )
        for segment, count in segments:
            windows = shape.windows_of(segment[np.newaxis])[:count]
            for window in windows[:: max(1, len(windows) // WINDOWS_OF_A_SEGMENT)]:
                # Otherwise the calibrator merges this window's extremes with those before.
                calibrator.calibrate_tensors_range = None
                channels_first = np.ascontiguousarray(window.transpose(3, 0, 1, 2)[np.newaxis])
                calibrator.collect_data(_OneInput({entry: channels_first}))
                for name, data in calibrator.compute_data().items():
                    low, high = (float(np.ravel(value)[0]) for value in data.range_value)
                    extremes.setdefault(name, []).append((low, high))
    return extremes


def _write_network(onnx_file: Path, path: Path) -> str:
    """Cut out what lies between the windows and the logits; return its input's name."""
    import onnx

    graph = onnx.load(onnx_file).graph
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    entry = str(convolutions[0].input[0])
    onnx.utils.extract_model(str(onnx_file), str(path), [entry], [convolutions[-1].output[0]])
    return entry


def ranges_of(extremes: Extremes) -> dict[str, tuple[float, float]]:
    """Return the mean of each activation's extremes over the windows."""
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

    def __init__(self, inputs: Mapping[str, Floats]) -> None:
        self._inputs: Mapping[str, Floats] | None = inputs

    def get_next(self) -> Mapping[str, Floats] | None:
        inputs, self._inputs = self._inputs, None
        return inputs
