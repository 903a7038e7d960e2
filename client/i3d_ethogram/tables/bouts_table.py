"""``bouts.csv``: a row a bout, in order of time. What lies between two rows is unscored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from i3d_client.durable import FileRecord
from i3d_ethogram.ethogram import Ethogram, seconds_text
from i3d_ethogram.tables.csv_file import write_csv

BOUTS_FILE = "bouts.csv"
BOUTS_COLUMNS = ("start_s", "stop_s", "start_frame", "stop_frame", "label", "duration_s", "score")


def write_bouts(folder: Path, ethogram: Ethogram) -> FileRecord:
    """Write ``bouts.csv`` into a recording's folder.

    Times are seconds from the recording's first frame, exact to the microsecond; frames are
    half-open, ``[start_frame, stop_frame)``; the score is the mean over the bout's frames of its
    label's probability, 0 … 1.

    Raises:
        OutputError: it cannot be written.
    """
    return write_csv(folder / BOUTS_FILE, header=BOUTS_COLUMNS, rows=_rows(ethogram))


def _rows(ethogram: Ethogram) -> Iterator[tuple[object, ...]]:
    frames, times_us, labels = ethogram.first_frames, ethogram.times_us, ethogram.labels
    for run in np.flatnonzero(ethogram.scored).tolist():
        start_us, stop_us = int(times_us[run]), int(times_us[run + 1])
        yield (
            seconds_text(start_us),
            seconds_text(stop_us),
            int(frames[run]),
            int(frames[run + 1]),
            labels[ethogram.codes[run]],
            seconds_text(stop_us - start_us),
            f"{ethogram.scores[run]:.6f}",
        )
