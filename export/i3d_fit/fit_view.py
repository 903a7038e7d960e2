"""What ``i3d fit`` prints."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from i3d_client.printable import printable
from i3d_export.stage_cache import StageResult
from i3d_fit.fit_options import FitOptions
from i3d_fit.report import REPORT_FILE
from i3d_fit.training import Trained

if TYPE_CHECKING:
    from i3d_fit.fine_tuned import FineTuned
    from i3d_fit.measures import Measures
    from i3d_fit.temporal import Temporal

_CONFUSIONS = 5
_LEAST_CONFUSED = 0.05
_WIDTH_OF_PIPES = 100
_COLUMNS = ("windows", "trained on", "recall", "precision", "F1")


class FitView:
    """Prints answers to standard output, and all else to standard error."""

    def __init__(self) -> None:
        self._answers = Console(highlight=False, soft_wrap=True)
        self._messages = Console(stderr=True, highlight=False, soft_wrap=True)
        if not self._answers.is_terminal:
            self._answers.width = _WIDTH_OF_PIPES

    def say(self, text: str) -> None:
        """Print what happens."""
        self._messages.print(text, markup=False)

    def doubt(self, text: str) -> None:
        """Print what the user should know."""
        self._messages.print(f"warning: {text}", markup=False, style="yellow")

    def stage(self, stage: StageResult) -> None:
        """Print a stage of an export that took its time."""
        if not stage.reused:
            self.say(f"{stage.name:<20}{stage.duration_s:>8.1f} s")

    def fitted(self, trained: Trained, document: dict[str, Any]) -> None:
        """Print what was annotated, how good the head is, and what would make it better."""
        self._answers.print()
        for sentence in trained.account.sentences():
            self._answers.print(sentence, markup=False)
        self._answers.print()
        self._answers.print(headline(trained.measures), markup=False, style="bold")
        self._answers.print(f"measured on {trained.cross_validation.how}", markup=False)
        self._answers.print(_class_table(trained))
        for line in confusions(trained.measures):
            self._answers.print(line, markup=False)
        self._answers.print()
        for line in trained.curve.advice():
            self._answers.print(line, markup=False)
        for doubt in document["cross_validation"]["doubts"]:
            self.doubt(doubt)

    def temporal(self, found: Temporal, said: str) -> None:
        """Print how good the head is that sees windows among their neighbours."""
        self._answers.print()
        self._answers.print(
            f"with {found.head.context_frames} frames around a window: {headline(found.measures)}",
            markup=False,
        )
        self._answers.print(said, markup=False)

    def tuned(self, found: FineTuned) -> None:
        """Print what fine-tuning found."""
        self._answers.print()
        for sentence in found.sentences():
            self._answers.print(sentence, markup=False)

    def written(self, options: FitOptions, document: dict[str, Any]) -> None:
        """Print where everything is, and what to do next."""
        files = options.files
        self._answers.print()
        for model in document["models"]:
            self._answers.print(f"{model['name']} is in {model['folder']}", markup=False)
        self._answers.print(f"→ {printable(files.profile)}", markup=False)
        if document["temporal"] is not None:
            self._answers.print(f"→ {printable(files.temporal_head)}", markup=False)
        self._answers.print(f"→ {printable(files.folder / REPORT_FILE)}", markup=False)
        if document["suggestions"]:
            self._answers.print(
                f"→ {printable(files.folder / document['suggestions_project'])}: "
                f"{len(document['suggestions'])} stretches to annotate next, for BORIS",
                markup=False,
            )
        if document["doubts"]:
            self.doubt(
                f"{len(document['doubts'])} doubts, at the top of {REPORT_FILE}: look at them first"
            )
        self._answers.print(f"next: {next_command(options, document)}", markup=False)


def headline(measures: Measures) -> str:
    """Return the measure that counts, in one line."""
    interval = ""
    if measures.interval is not None:
        low, high = measures.interval
        interval = f", 95 % interval {low:.1%} to {high:.1%} ({measures.interval_over})"
    return (
        f"balanced accuracy {measures.balanced_accuracy:.1%}{interval}; by chance it would be "
        f"{measures.chance:.1%}"
    )


def confusions(measures: Measures, *, most: int = _CONFUSIONS) -> list[str]:
    """Return what is taken for what the most often, by the share of what is annotated."""
    found = []
    for code, label in enumerate(measures.labels):
        support = int(measures.support[code])
        for other, name in enumerate(measures.labels):
            count = int(measures.confusion[code, other])
            if other != code and support and count / support >= _LEAST_CONFUSED:
                found.append((count / support, f"{label} taken for {name}", count))
    return [
        f"{printable(what)}: {share:.0%} of it ({count:,} windows)"
        for share, what, count in sorted(found, key=lambda one: -one[0])[:most]
    ]


def next_command(options: FitOptions, document: dict[str, Any]) -> str:
    """Return what to type next."""
    given = options.repository
    repository = (
        "" if str(given) == "model_repository" else f" --repository {shlex.quote(str(given))}"
    )
    if document["models"]:
        head = ""
        if document["temporal"] is not None and document["temporal"]["better"]:
            head = f" --temporal-head {shlex.quote(str(options.files.temporal_head))}"
        model = document["models"][-1]["name"]
        return f"i3d classify VIDEO… --embedded --model {model}{head} --out results{repository}"
    return "the same command without --no-export, once the report is good enough"


def ratio_text(value: float) -> str:
    """Write a share with two decimals; one that is not defined as a dash."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def _class_table(trained: Trained) -> Table:
    measures, trained_on = trained.measures, trained.material.num_pure
    table = Table(box=None, pad_edge=False)
    table.add_column("behaviour", overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right", no_wrap=True)
    for code, label in enumerate(measures.labels):
        table.add_row(
            printable(label),
            f"{measures.support[code]:,}",
            f"{trained_on[code]:,}",
            *(
                ratio_text(float(part[code]))
                for part in (measures.recall, measures.precision, measures.f1)
            ),
        )
    return table
