"""``frames.parquet``: ``frames.csv`` with its types, and with every probability.

A row group is written as it is read, so memory does not depend on how long the recording is. Text
that repeats is kept once (dictionaries, which pandas and polars read as categories). Where a frame
is unscored its label, score and probabilities are null, not 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.durable import complete_path
from i3d_client.errors import MissingExtraError, OutputError
from i3d_client.frame_status import STATUS_NAMES, Status
from i3d_client.printable import json_line
from i3d_client.scores_file import FrameBatch, Scores
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.frame_labels import codes_between
from i3d_ethogram.formats.origin import origin_of

PARQUET_FILE = "frames.parquet"
METADATA_KEY = "i3d"
"""Under which the file's metadata hold its provenance, as JSON."""
_ROWS_IN_GROUP = 1 << 18
_CELLS_IN_GROUP = 1 << 23


def write_parquet(folder: Path, ethogram: Ethogram, scores: Scores) -> None:
    """Write ``frames.parquet`` into ``folder``.

    Columns: ``frame`` int64; ``time_s`` float64, the nearest to the whole µs; ``label``,
    ``smoothed_label`` and ``status``, dictionaries; ``score`` float32, the probability of
    ``label``; and ``p_<label>`` float32 for each class.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OutputError: it cannot be written, nothing is left of it; or pyarrow and NumPy, as they are
            installed, do not go together.
    """
    try:
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise MissingExtraError("parquet", needed_for="--format parquet") from error
    except ImportError as error:  # there, but not for the NumPy that is there
        raise OutputError(
            f"{PARQUET_FILE}: cannot be written: {error}. With NumPy 1, as a server in the same "
            "environment needs: pip install 'pyarrow<26'"
        ) from error
    schema = _schema(ethogram)
    with (
        complete_path(folder / PARQUET_FILE) as path,
        path.open("wb") as file,  # pyarrow takes no path that is not UTF-8
        parquet.ParquetWriter(
            file,
            schema,
            compression="zstd",
            use_dictionary=["label", "smoothed_label", "status"],
        ) as writer,
    ):
        for batch in _groups(scores):
            writer.write_table(_table(batch, ethogram, schema))


def _schema(ethogram: Ethogram) -> Any:
    import pyarrow as pa

    text = pa.dictionary(pa.int16(), pa.string())
    fields = [
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("label", text),
        pa.field("smoothed_label", text),
        pa.field("score", pa.float32()),
        pa.field("status", pa.dictionary(pa.int8(), pa.string()), nullable=False),
        *(pa.field(f"p_{label}", pa.float32()) for label in ethogram.labels),
    ]
    return pa.schema(fields, metadata={METADATA_KEY: json_line(origin_of(ethogram))})


def _groups(scores: Scores) -> Iterator[FrameBatch]:
    """Yield batches joined to the size of a row group."""
    enough = min(_ROWS_IN_GROUP, _CELLS_IN_GROUP // len(scores.labels))
    held: list[FrameBatch] = []
    for batch in scores.batches():
        held.append(batch)
        if sum(len(part.statuses) for part in held) >= enough:
            yield _joined(held)
            held = []
    if held:
        yield _joined(held)


def _joined(parts: list[FrameBatch]) -> FrameBatch:
    return FrameBatch(
        first_frame=parts[0].first_frame,
        times_us=np.concatenate([part.times_us[:-1] for part in parts] + [parts[-1].times_us[-1:]]),
        probabilities=np.concatenate([part.probabilities for part in parts]),
        statuses=np.concatenate([part.statuses for part in parts]),
    )


def _table(batch: FrameBatch, ethogram: Ethogram, schema: Any) -> Any:
    import pyarrow as pa

    stop = batch.first_frame + len(batch.statuses)
    unscored = batch.statuses != Status.SCORED
    best = batch.probabilities.argmax(axis=1).astype(np.int16)
    smoothed = codes_between(ethogram, batch.first_frame, stop)

    def text(codes: NDArray[Any], names: tuple[str, ...], without: NDArray[np.bool_] | None) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=without), pa.array(names))

    columns = [
        pa.array(np.arange(batch.first_frame, stop)),
        pa.array(batch.times_us[:-1] / 1e6),
        text(best, ethogram.labels, unscored),
        text(smoothed, ethogram.labels, smoothed < 0),
        pa.array(batch.probabilities.max(axis=1), mask=unscored),
        text(batch.statuses.astype(np.int8), STATUS_NAMES, None),
        *(
            pa.array(np.ascontiguousarray(column), mask=unscored)
            for column in batch.probabilities.T
        ),
    ]
    return pa.table(columns, schema=schema)
