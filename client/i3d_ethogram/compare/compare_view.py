"""What ``i3d compare`` prints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from i3d_client.printable import printable
from i3d_ethogram.compare.agreement import Agreement, measures_of, shares
from i3d_ethogram.compare.comparison import MODEL, CompareOptions, Comparison
from i3d_ethogram.compare.comparison_notes import Note
from i3d_ethogram.compare.comparison_total import PEOPLE, total_of

_CONFUSIONS = 5
_MOST_LABELS = 32
_WIDTH_OF_PIPES = 100
_COLUMNS = ("person s", "model s", "precision", "recall", "F1", "bouts", "found", "F1")


def print_comparison(
    comparisons: Sequence[Comparison], notes: Sequence[Note], *, options: CompareOptions
) -> None:
    """Print notes, a line for each comparison, and a table of the labels of them together."""
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _WIDTH_OF_PIPES
    for row in comparisons:
        _print_line(console, row)
    for note in notes:
        console.print(f"{note.kind}: {note.text}", markup=False)
    totals = total_of(comparisons)
    for row in totals:
        _print_line(console, row)
    models = [row for row in (*totals, *comparisons) if row.other == MODEL]
    if models and models[0].agreement.account.compared:
        console.print()
        console.print(_label_table(models[0].agreement, options))
        _print_confusions(console, models[0].agreement)


def _print_line(console: Console, row: Comparison) -> None:
    agreement = row.agreement
    account, measures = agreement.account, measures_of(agreement)
    between = "" if row.other == MODEL else f" and {printable(row.other)}"
    people = row.other not in (MODEL, PEOPLE)
    subject = f"{printable(row.recording)}: {row.reference}{between}{' (people)' if people else ''}"
    console.print(subject, markup=False, style="bold")
    if account.compared:
        console.print(
            f"  kappa {_ratio(measures.kappa)}, balanced accuracy "
            f"{_percent(measures.balanced_accuracy)}, accuracy {_percent(measures.accuracy)}",
            markup=False,
        )
    reasons = {
        "unscored by the model" if row.other == MODEL else "not labelled by the other": (
            account.unscored
        ),
        "not annotated": account.unannotated,
        "of several behaviours": account.overlapping,
        "of behaviours that the model does not have": account.unknown,
    }
    others = "".join(f"; {count:,} {reason}" for reason, count in reasons.items() if count)
    console.print(
        f"  {account.compared:,} of {account.frames:,} frames compared{others}", markup=False
    )
    for note in row.notes:
        style = "yellow" if note.kind == "warning" else None
        console.print(f"  {note.kind}: {note.text}", markup=False, style=style)


def _label_table(agreement: Agreement, options: CompareOptions) -> Table:
    measures = measures_of(agreement)
    confusion = agreement.confusion
    used = confusion.any(axis=0) | confusion.any(axis=1)
    table = Table(box=None, pad_edge=False, caption_justify="left")
    table.add_column("label", overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    bouts = (agreement.bouts_annotated, agreement.bouts_predicted, agreement.bouts_matched)
    f1 = shares(2 * bouts[2], bouts[0] + bouts[1])
    by_time = np.argsort(-np.maximum(agreement.annotated_us, agreement.predicted_us), kind="stable")
    shown = [code for code in by_time.tolist() if used[code]][:_MOST_LABELS]
    for code in shown:
        table.add_row(
            printable(agreement.labels[code]),
            f"{agreement.annotated_us[code] / 1e6:,.1f}",
            f"{agreement.predicted_us[code] / 1e6:,.1f}",
            *(_ratio(part[code]) for part in (measures.precision, measures.recall, measures.f1)),
            f"{bouts[0][code]:,}",
            f"{bouts[2][code]:,}/{bouts[1][code]:,}",
            _ratio(f1[code]),
        )
    more = int(used.sum()) - len(shown)
    table.caption = (
        f"{f'{more} labels more; ' if more > 0 else ''}bouts: annotated; found: of the model's, "
        f"those that begin within {options.tolerance_us / 1e6:g} s of one that overlaps"
    )
    return table


def _print_confusions(console: Console, agreement: Agreement) -> None:
    wrong = agreement.confusion.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    of_label = agreement.confusion.sum(axis=1)
    for place in order.tolist():
        row, column = divmod(place, len(agreement.labels))
        if wrong[row, column]:
            console.print(
                f"{printable(agreement.labels[row])} taken for "
                f"{printable(agreement.labels[column])}: {wrong[row, column]:,} frames, "
                f"{wrong[row, column] / of_label[row]:.1%} of it",
                markup=False,
            )


def _ratio(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1%}"
