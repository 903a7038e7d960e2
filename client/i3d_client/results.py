"""The files that a classified video leaves in its output folder.

Every file is complete or absent (``durable``), and ``run.json`` is written
last: a folder with a ``run.json`` is whole. The tables are written from spans that are read one at
a time, in batches of a few thousand rows, so what is held in memory is a batch, and a byte a
window for whether it is scored.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import FEATURE_SIZE, ModelContract
from i3d_client.durable import FileRecord, complete_file, sync_folder, write_errors
from i3d_client.errors import OutputError
from i3d_client.features_file import FEATURES_FILE, write_features
from i3d_client.frame_status import STATUS_NAMES, Status, frame_statuses
from i3d_client.scores_file import SCORES_FILE, Times, write_scores
from i3d_client.spans import SpanResult
from i3d_client.windows import WindowGrid

FRAMES_FILE = "frames.csv"
WINDOWS_FILE = "windows.csv"
RUN_FILE = "run.json"
TABLES = (FRAMES_FILE, WINDOWS_FILE, SCORES_FILE)
TOP_LABELS = 5
MOST_COLUMNS = 32
"""So many classes have a column each in ``frames.csv``; of more, the five most probable."""
_NO_ANSWER = ","  # an empty label, an empty score
_LOST_SHOWN = 5
_BATCH_ROWS = 4096  # of either table
_BATCH_CELLS = 1 << 18  # probabilities
_ZERO_ROWS = 256  # features of windows that were given up

Spans = Callable[[], Iterable[SpanResult]]
"""Returns the spans of a recording from the first, each time it is called."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What the tables of a video hold, counted.

    Attributes:
        labels: the contract's.
        num_frames: rows of ``frames.csv``.
        frames_scored: those that have a label.
        windows: rows of ``windows.csv``.
        windows_scored: those that have labels.
        decoded: frames that were decoded.
        lost: frames that could not be decoded.
        first_lost: the numbers of the first five of them, as in ``frames.csv``.
        failed_spans: the frames ``[start, stop)`` of every span that was given up, numbered as in
            ``frames.csv``; neither decoded nor lost.
        frames_of_label: the frames that have each label, in the order of ``labels``.
        files: the tables, by name.
    """

    labels: tuple[str, ...]
    num_frames: int
    frames_scored: int
    windows: int
    windows_scored: int
    decoded: int
    lost: int
    first_lost: tuple[int, ...]
    failed_spans: tuple[tuple[int, int], ...]
    frames_of_label: tuple[int, ...]
    files: dict[str, FileRecord]

    def share_of_labels(self) -> list[tuple[str, float]]:
        """Return each label's share of the scored frames, 0 … 1, the largest first.

        Labels without a frame are left out; of equal shares, the contract's first comes first.
        """
        counted = zip(self.labels, self.frames_of_label, strict=True)
        shares = [(label, frames / self.frames_scored) for label, frames in counted if frames]
        return sorted(shares, key=lambda share: -share[1])


def write_tables(
    folder: Path,
    *,
    spans: Spans,
    grid: WindowGrid,
    times_us: Times,
    contract: ModelContract,
    first_frame: int = 0,
    spans_with_features: Spans | None = None,
) -> Tally:
    """Write ``frames.csv``, ``windows.csv``, ``scores.npz`` and, if wanted, ``features.npy``.

    An older ``run.json`` is removed first, and a ``features.npy`` that is not written anew.

    Args:
        folder: made if it is not there.
        spans: all spans of the recording, in order; called three times.
        grid: the recording's windows; its frames are numbered from 0.
        times_us: called for every frame, in order, twice; and for the end.
        contract: gives N, the labels, and which frames a window labels.
        first_frame: added to every number of a frame that is written or returned, where only a part
            of a recording is classified.
        spans_with_features: as ``spans``, with the features of all spans that were not given up;
            called once. None: no ``features.npy``.

    Raises:
        OutputError: the folder or a file cannot be written; no half-written file is left.
        ValueError: the spans are not those of the grid, one after another, or not of the contract.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RUN_FILE).unlink(missing_ok=True)
        if spans_with_features is None:  # one of another run would pass for this one's
            (folder / FEATURES_FILE).unlink(missing_ok=True)
        sync_folder(folder)
    survey = _survey(spans(), grid, contract)
    frames_of_label = np.zeros(len(contract.labels), np.int64)
    count = min(TOP_LABELS, len(contract.labels))
    with (
        complete_file(folder / FRAMES_FILE) as frames,
        complete_file(folder / WINDOWS_FILE) as windows,
    ):
        frames.write(_csv_line(_frames_header(contract.labels)))
        windows.write(_csv_line(_windows_header(count)))
        first = 0
        for batch in _batches(spans(), grid, contract, count):
            windows.write(_windows_text(batch, grid, first_frame))
            places = _places_in(batch, first, grid, survey.scored, contract)
            stop = first + len(places)
            labels = batch.best[places[places >= 0]]
            frames_of_label += np.bincount(labels, minlength=len(frames_of_label))
            statuses = frame_statuses(
                places,
                first_frame=first,
                grid=grid,
                label_frame=contract.label_frame,
                lost_frames=survey.lost_frames,
                given_up=survey.failed_windows,
            )
            places -= statuses  # where there is none, −1: which text says so
            times_us_here = times_us(first, stop)
            frames.write(_frames_text(batch, places, times_us_here, first + first_frame))
            first = stop
    scores = write_scores(
        folder,
        probabilities=(span.probabilities for _, _, span in _in_order(spans(), grid, contract)),
        scored=survey.scored,
        num_classes=len(contract.labels),
        lost_frames=survey.lost_frames,
        given_up=survey.failed_windows,
        times_us=times_us,
        num_frames=grid.num_frames,
        first_frame=first_frame,
    )
    files = {
        FRAMES_FILE: frames.record(),
        WINDOWS_FILE: windows.record(),
        SCORES_FILE: scores,
    }
    if spans_with_features is not None:
        parts = _features(spans_with_features(), grid, contract)
        files[FEATURES_FILE] = write_features(folder, parts=parts, num_windows=grid.count)
    return Tally(
        labels=contract.labels,
        num_frames=grid.num_frames,
        frames_scored=int(frames_of_label.sum()),
        windows=grid.count,
        windows_scored=int(survey.scored.sum()),
        decoded=survey.decoded,
        lost=len(survey.lost_frames),
        first_lost=tuple((first_frame + survey.lost_frames[:_LOST_SHOWN]).tolist()),
        failed_spans=tuple((first_frame + a, first_frame + b) for a, b in survey.failed),
        frames_of_label=tuple(frames_of_label.tolist()),
        files=files,
    )


def write_run(folder: Path, document: Mapping[str, Any]) -> None:
    """Write ``run.json``, by which the folder counts as whole.

    Args:
        folder: where ``write_tables`` has been.
        document: plain values; ``files`` is the tally's, if ``check_tables`` is to accept it.

    Raises:
        OutputError: it cannot be written; no half-written file is left.
    """
    with complete_file(folder / RUN_FILE) as file:
        file.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read_run(folder: Path) -> dict[str, Any] | None:
    """Return what ``run.json`` says; None if there is none, or if it is not one of ours.

    Raises:
        OutputError: it is there and cannot be read.
    """
    path = folder / RUN_FILE
    try:
        document = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError, RecursionError):
        return None
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be read: {error.strerror}. Give permission, or choose another folder "
            "with --out"
        ) from error
    return document if isinstance(document, dict) else None


def check_tables(folder: Path, run: Mapping[str, Any]) -> str | None:
    """Return why a folder's tables are not those that its ``run.json`` records; None if they are.

    ``features.npy`` counts if it is recorded. Reads all of them whole, for their SHA-256.
    """
    files = run.get("files")
    with_features = isinstance(files, dict) and FEATURES_FILE in files
    for name in (*TABLES, FEATURES_FILE) if with_features else TABLES:
        recorded = files.get(name) if isinstance(files, dict) else None
        if not isinstance(recorded, dict):
            return f"{folder / RUN_FILE}: does not say what {name} was"
        if (problem := difference_of(folder / name, recorded)) is not None:
            return f"{folder / name}: {problem}"
    return None


def difference_of(
    path: Path, recorded: Mapping[str, object], *, content: bool = True
) -> str | None:
    """Return why a file is not the one that was recorded, without its name; None if it is.

    Args:
        path: of the file.
        recorded: its ``FileRecord``, as ``run.json`` has it.
        content: compare the SHA-256 too, for which the file is read, in parts.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != recorded.get("bytes"):
                return f"expected {recorded.get('bytes')} bytes, found {size}"
            if not content:
                return None
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is not there"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if sha256 != recorded.get("sha256"):
        return f"expected the SHA-256 {recorded.get('sha256')}, found {sha256}"
    return None


@dataclass
class _Survey:
    """What is known after reading the spans once. Frames are counted from 0."""

    scored: NDArray[np.bool_]
    decoded: int = 0
    lost_frames: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    failed: list[tuple[int, int]] = field(default_factory=list)
    failed_windows: list[tuple[int, int]] = field(default_factory=list)


def _survey(spans: Iterable[SpanResult], grid: WindowGrid, contract: ModelContract) -> _Survey:
    survey = _Survey(np.zeros(grid.count, np.bool_))
    lost = [np.empty(0, np.int64)]
    for first, stop, span in _in_order(spans, grid, contract):
        survey.scored[first:stop] = span.scored
        survey.decoded += span.decoded
        lost.append(span.lost_frames)
        if span.failed:
            frames = grid.frames_of_segments(
                span.first_segment, span.stop_segment, contract.windows_per_segment
            )
            survey.failed.append(frames)
            survey.failed_windows.append((first, stop))
    survey.lost_frames = np.concatenate(lost)
    return survey


def _in_order(
    spans: Iterable[SpanResult], grid: WindowGrid, contract: ModelContract
) -> Iterator[tuple[int, int, SpanResult]]:
    """Yield every span with its windows ``[first, stop)``; what is missing is never passed over."""
    per_segment, segment = contract.windows_per_segment, 0
    for span in spans:
        first, stop = grid.windows_of_segments(segment, span.stop_segment, per_segment)
        got = (span.first_segment, span.scored.shape, span.probabilities.shape)
        expected = (segment, (stop - first,), (stop - first, len(contract.labels)))
        if got != expected:
            raise ValueError(f"span: expected (first_segment, shapes) {expected}, got {got}")
        yield first, stop, span
        segment = span.stop_segment
    if segment != grid.num_segments(per_segment):
        raise ValueError(
            f"spans: expected {grid.num_segments(per_segment)} segments in all, got {segment}"
        )


def _features(
    spans: Iterable[SpanResult], grid: WindowGrid, contract: ModelContract
) -> Iterator[NDArray[np.float32]]:
    """Yield the features of all windows in order; zeros for spans that were given up.

    Such a span may be as long as the recording.
    """
    for first, stop, span in _in_order(spans, grid, contract):
        if span.failed:
            for start in range(first, stop, _ZERO_ROWS):
                yield np.zeros((min(_ZERO_ROWS, stop - start), FEATURE_SIZE), np.float32)
        elif span.features is None or len(span.features) != stop - first:
            got = None if span.features is None else span.features.shape
            raise ValueError(f"span: expected features of {stop - first} windows, got {got}")
        else:
            yield span.features


class _Batch(NamedTuple):
    """Consecutive windows ``[first, stop)``, ready to be written.

    ``best`` is the most probable class of each, (rows,) int64. ``ranked`` has a list a rank, the
    most probable first, of one text a window: ``label,score``, or the empty answer. ``columns`` is
    what the last columns of ``frames.csv`` hold, one text a window, and how many they are.
    """

    first: int
    stop: int
    best: NDArray[np.int64]
    ranked: list[list[str]]
    columns: list[str]
    num_columns: int


def _batches(
    spans: Iterable[SpanResult], grid: WindowGrid, contract: ModelContract, count: int
) -> Iterator[_Batch]:
    labels = [_csv_line((label,))[:-1] for label in contract.labels]
    rows = max(1, min(_BATCH_ROWS // grid.stride, _BATCH_CELLS // len(labels)))
    for first, stop, span in _in_order(spans, grid, contract):
        for start in range(0, stop - first, rows):
            probabilities = span.probabilities[start : start + rows]
            unscored = np.flatnonzero(~span.scored[start : start + rows]).tolist()
            order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
            scores = np.take_along_axis(probabilities, order, axis=1)
            ranked = [
                _answers(order[:, rank], scores[:, rank], labels, unscored) for rank in range(count)
            ]
            if len(labels) <= MOST_COLUMNS:
                row = ",".join(["%.6f"] * len(labels))
                columns = [row % tuple(cells) for cells in probabilities.tolist()]
            else:
                columns = [",".join(cells) for cells in zip(*ranked, strict=True)]
            yield _Batch(
                first=first + start,
                stop=first + start + len(probabilities),
                best=order[:, 0],
                ranked=ranked,
                columns=columns,
                num_columns=len(_class_columns(contract.labels)),
            )


def _answers(
    classes: NDArray[np.int64],
    scores: NDArray[np.float32],
    labels: Sequence[str],
    unscored: Sequence[int],
) -> list[str]:
    answers = [
        f"{labels[index]},{score:.6f}"
        for index, score in zip(classes.tolist(), scores.tolist(), strict=True)
    ]
    for row in unscored:
        answers[row] = _NO_ANSWER
    return answers


def _places_in(
    batch: _Batch,
    first_frame: int,
    grid: WindowGrid,
    scored: NDArray[np.bool_],
    contract: ModelContract,
) -> NDArray[np.int64]:
    """Return for each frame from ``first_frame`` on its window's row in the batch, −1 without one.

    Ends where the frames of later windows begin. No frame after the batch's last window is labelled
    by it, and the windows that label frames come in order.
    """
    stop_frame = int(grid.stops(batch.stop - 1, batch.stop)[0])
    windows = grid.labelling_windows(
        first_frame, stop_frame, scored=scored, label_frame=contract.label_frame
    )
    later = np.flatnonzero(windows >= batch.stop)
    if len(later):
        windows = windows[: later[0]]
    return np.where(windows >= 0, windows - batch.first, -1)


def _class_columns(labels: Sequence[str]) -> list[str]:
    """Name the last columns of ``frames.csv``."""
    if len(labels) <= MOST_COLUMNS:
        return [f"p_{label}" for label in labels]
    return _ranked_columns(TOP_LABELS)


def _ranked_columns(count: int) -> list[str]:
    return [name for rank in range(1, count + 1) for name in (f"label_{rank}", f"score_{rank}")]


def _frames_header(labels: Sequence[str]) -> list[str]:
    return ["frame", "time_s", "label", "score", "status", *_class_columns(labels)]


def _windows_header(count: int) -> list[str]:
    return ["start_frame", "stop_frame", "label", "score", *_ranked_columns(count)]


def _windows_text(batch: _Batch, grid: WindowGrid, first_frame: int) -> str:
    starts = grid.starts(batch.first, batch.stop) + first_frame
    stops = grid.stops(batch.first, batch.stop) + first_frame
    row = ",".join(["%d", "%d", "%s", *["%s"] * len(batch.ranked)]) + "\n"
    columns = (starts.tolist(), stops.tolist(), batch.ranked[0], *batch.ranked)
    return "".join([row % cells for cells in zip(*columns, strict=True)])


def _frames_text(
    batch: _Batch, places: NDArray[np.int64], times_us: NDArray[np.int64], first_frame: int
) -> str:
    scored = STATUS_NAMES[Status.SCORED]
    answers = [
        f"{answer},{scored},{columns}"
        for answer, columns in zip(batch.ranked[0], batch.columns, strict=True)
    ]
    # Read from the end: place −1 − status is that of a frame without a label.
    empty = "," * batch.num_columns
    answers += [f"{_NO_ANSWER},{name}{empty}" for name in reversed(STATUS_NAMES)]
    frames = range(first_frame, first_frame + len(places))
    rows = zip(frames, (times_us / 1e6).tolist(), places.tolist(), strict=True)
    return "".join([f"{frame},{time_s:.6f},{answers[place]}\n" for frame, time_s, place in rows])


def _csv_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()
