"""``features.npy``: what the network sees in every window, before the layer that names behaviours.

One plain numpy array, (windows, 1024) float32 in the order of the windows, 0 in the rows of those
that are not scored. It is written in parts and read in place, so memory depends on neither the
recording's length nor on how many there are: a window takes 4 KiB, an hour of video at 30 frames/s
and stride 8 is 55 MB.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE
from i3d_client.durable import FileRecord, complete_file
from i3d_client.errors import ResultError
from i3d_client.printable import printable

FEATURES_FILE = "features.npy"
_DTYPE = np.dtype("<f4")
_AGAIN = "Classify the video with --features into another --out, or with --overwrite"


def write_features(
    folder: Path, *, parts: Iterable[NDArray[np.float32]], num_windows: int
) -> FileRecord:
    """Write ``features.npy`` into ``folder``, complete or not at all.

    Args:
        folder: is there.
        parts: of all windows in order: (part, 1024) float32.
        num_windows: in all.

    Raises:
        OutputError: it cannot be written.
        ValueError: the parts are not so many rows of 1024.
    """
    header = io.BytesIO()
    fields = {"descr": _DTYPE.str, "fortran_order": False, "shape": (num_windows, FEATURE_SIZE)}
    np.lib.format.write_array_header_1_0(header, fields)  # type: ignore[no-untyped-call]
    rows = 0
    with complete_file(folder / FEATURES_FILE) as file:
        file.write(header.getvalue())
        for part in parts:
            if part.shape[1:] != (FEATURE_SIZE,):
                raise ValueError(f"features: expected rows of {FEATURE_SIZE}, got {part.shape}")
            file.write(np.ascontiguousarray(part, _DTYPE).tobytes())
            rows += len(part)
        if rows != num_windows:
            raise ValueError(f"features: expected {num_windows} rows in all, got {rows}")
    return file.record()


def open_features(folder: Path, *, num_windows: int) -> NDArray[np.float32]:
    """Open a recording's ``features.npy`` where it lies; nothing is read before it is used.

    Whether it still is what was written, ``results.check_tables`` tells.

    Args:
        folder: of the recording's results.
        num_windows: that the recording has.

    Returns:
        (num_windows, 1024) float32, mapped from the file, not to be written to.

    Raises:
        ResultError: it is not there, or not such an array.
    """
    path = folder / FEATURES_FILE
    try:
        features = np.lib.format.open_memmap(path, mode="r")  # type: ignore[no-untyped-call]
    except FileNotFoundError as error:
        raise ResultError(f"{printable(path)}: is not there. {_AGAIN}") from error
    except (OSError, ValueError, OverflowError, tokenize.TokenError) as error:
        raise _unusable(path, str(error)) from error
    expected = (num_windows, FEATURE_SIZE)
    if features.shape != expected or features.dtype != _DTYPE or not features.flags.c_contiguous:
        raise _unusable(
            path,
            f"expected {expected} (windows, features) float32, found {features.shape} "
            f"{features.dtype}",
        )
    rows: NDArray[np.float32] = features
    return rows


def _unusable(path: Path, why: str) -> ResultError:
    return ResultError(f"{printable(path)}: cannot be used: {why}. {_AGAIN}")
