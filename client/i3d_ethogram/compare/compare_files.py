"""The files of a comparison: ``agreement.csv``, ``agreement_labels.csv`` and ``confusion.csv``.

Each row says which recording, which annotation and with what it was compared: ``model``, or another
annotation of the same recording. Where there are several of them, rows of the recording ``(all)``
have them together: every frame counts once, whatever its recording.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, fields
from pathlib import Path

import numpy as np

from i3d_client.durable import write_errors
from i3d_client.printable import printable
from i3d_ethogram.compare.agreement import Account, measures_of, shares
from i3d_ethogram.compare.comparison import CompareOptions, Comparison
from i3d_ethogram.compare.comparison_total import total_of
from i3d_ethogram.ethogram import seconds_text
from i3d_ethogram.tables.csv_file import write_csv

AGREEMENT_FILE = "agreement.csv"
LABELS_FILE = "agreement_labels.csv"
CONFUSION_FILE = "confusion.csv"
_KEY = ("recording", "annotation", "compared_with")
_ALL_LABELS_UP_TO = 32


def write_comparison(
    folder: Path, comparisons: Sequence[Comparison], *, options: CompareOptions
) -> None:
    """Write the three tables into a folder, which is made if it is not there.

    Raises:
        MissingExtraError: scikit-learn is not installed.
        OutputError: they cannot be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    rows = [*comparisons, *total_of(comparisons)]
    counts = tuple(field.name for field in fields(Account))
    header = (*_KEY, "model", "frames", *counts, "accuracy", "balanced_accuracy", "kappa")
    settings = ("tolerance_s", "offset_s", "smoothing", "warnings")
    write_csv(
        folder / AGREEMENT_FILE,
        header=(*header, *settings),
        rows=(_overall(row, options) for row in rows),
    )
    write_csv(folder / LABELS_FILE, header=_LABELS_HEADER, rows=_label_rows(rows))
    labels = _shown(rows)
    write_csv(
        folder / CONFUSION_FILE,
        header=(*_KEY, "annotated", *(label for label, _ in labels)),
        rows=_confusion_rows(rows, labels),
    )


def _overall(row: Comparison, options: CompareOptions) -> tuple[object, ...]:
    account, measures = row.agreement.account, measures_of(row.agreement)
    return (
        *_key(row),
        printable(row.model),
        account.frames,
        *astuple(account),
        *(number(value) for value in (measures.accuracy, measures.balanced_accuracy)),
        number(measures.kappa),
        seconds_text(options.tolerance_us),
        seconds_text(options.offset_us),
        options.smoothing.as_document() or "",
        "; ".join(note.text for note in row.notes if note.kind == "warning"),
    )


_LABELS_HEADER = (
    *_KEY,
    "label",
    "frames_annotated",
    "frames_predicted",
    "frames_both",
    "precision",
    "recall",
    "f1",
    "annotated_s",
    "predicted_s",
    "difference_s",
    "bouts_annotated",
    "bouts_predicted",
    "bouts_matched",
    "bout_precision",
    "bout_recall",
    "bout_f1",
)


def _label_rows(rows: Sequence[Comparison]) -> Iterator[tuple[object, ...]]:
    labels = _shown(rows)
    for row in rows:
        agreement, measures = row.agreement, measures_of(row.agreement)
        bouts = (agreement.bouts_annotated, agreement.bouts_predicted, agreement.bouts_matched)
        precision, recall = shares(bouts[2], bouts[1]), shares(bouts[2], bouts[0])
        f1 = shares(2 * bouts[2], bouts[0] + bouts[1])
        for label, code in labels:
            annotated_us = int(agreement.annotated_us[code])
            predicted_us = int(agreement.predicted_us[code])
            yield (
                *_key(row),
                label,
                agreement.confusion[code].sum(),
                agreement.confusion[:, code].sum(),
                agreement.confusion[code, code],
                *(number(part[code]) for part in (measures.precision, measures.recall)),
                number(measures.f1[code]),
                seconds_text(annotated_us),
                seconds_text(predicted_us),
                seconds_text(predicted_us - annotated_us),
                *(int(count[code]) for count in bouts),
                *(number(part[code]) for part in (precision, recall, f1)),
            )


def _confusion_rows(
    rows: Sequence[Comparison], labels: Sequence[tuple[str, int]]
) -> Iterator[tuple[object, ...]]:
    for row in rows:
        for label, code in labels:
            counts = (row.agreement.confusion[code, other] for _, other in labels)
            yield (*_key(row), label, *counts)


def _shown(rows: Sequence[Comparison]) -> list[tuple[str, int]]:
    """Return the labels that have rows: all of them up to 32, else those that occur anywhere."""
    labels = rows[0].agreement.labels
    used = np.zeros(len(labels), np.bool_)
    for row in rows:
        used |= row.agreement.confusion.any(axis=0) | row.agreement.confusion.any(axis=1)
    everything = len(labels) <= _ALL_LABELS_UP_TO
    return [(label, code) for code, label in enumerate(labels) if everything or used[code]]


def _key(row: Comparison) -> tuple[str, str, str]:
    return printable(row.recording), row.reference, row.other


def number(value: float) -> str:
    """Write a measure with six decimals; one that is not defined is empty."""
    return "" if np.isnan(value) else f"{value:.6f}"
