"""Pictures of a fit: what is taken for what, and what more annotation would bring."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from i3d_client.errors import MissingExtraError
from i3d_client.printable import printable
from i3d_ethogram.colours import colours_of
from i3d_fit.learning_curve import LearningCurve
from i3d_fit.measures import Measures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 150
_MOST_LABELS = 30
_LONGEST_NAME = 24
_DARK = 0.55
_LEAST_SHOWN = 0.005
_BALANCED = "#1b1e23"


def confusion_png(measures: Measures) -> bytes:
    """Draw, of the windows annotated as each behaviour, the share that is answered as each.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _drawing():
        from matplotlib.figure import Figure

        shown = _shown(measures)
        side = 1.9 + 0.42 * max(len(shown), 4)
        figure = Figure(figsize=(side + 0.6, side))
        _draw_confusion(figure.add_subplot(), measures, shown)
        return _png(figure)


def learning_curve_png(curve: LearningCurve) -> bytes:
    """Draw balanced accuracy and each behaviour's recall by how much is annotated.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    with _drawing():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7.6, 4.6), layout="constrained")
        axes = figure.add_subplot()
        windows = [point.windows for point in curve.points]
        colours = colours_of(curve.labels)
        for code, label in enumerate(curve.labels[:_MOST_LABELS]):
            axes.plot(
                windows,
                [100 * point.recall[code] for point in curve.points],
                color=colours[label],
                linewidth=1.2,
                marker="o",
                markersize=3,
                # matplotlib takes what begins with an underscore for nameless.
                label=f" {_short(label)}" if label.startswith("_") else _short(label),
            )
        axes.plot(
            windows,
            [100 * point.balanced_accuracy for point in curve.points],
            color=_BALANCED,
            linewidth=2.6,
            marker="o",
            label="balanced accuracy",
        )
        axes.set_xscale("log", base=2)
        axes.set_xticks(windows, [f"{count:,}" for count in windows])
        axes.minorticks_off()
        axes.set_xlabel("windows trained on")
        axes.set_ylabel("recall, %")
        axes.set_ylim(0, 102)
        axes.grid(axis="y", color="#e3e6ea")
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside right upper", frameon=False, fontsize=8)
        return _png(figure)


def _shown(measures: Measures) -> list[int]:
    """Return the labels that are shown, in their order: those with the most windows."""
    windows = measures.support + measures.confusion.sum(axis=0)
    most = np.argsort(-windows, kind="stable")[:_MOST_LABELS]
    return sorted(int(code) for code in most)


def _draw_confusion(axes: Axes, measures: Measures, shown: list[int]) -> None:
    counts = measures.confusion[np.ix_(shown, shown)].astype(float)
    rows = measures.support[shown].astype(float)[:, np.newaxis]
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    names = [_short(measures.labels[code]) for code in shown]
    places = range(len(shown))
    axes.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(
        places,
        [f"{name}  ({int(rows[place, 0]):,})" for place, name in enumerate(names)],
    )
    axes.set_xlabel("answered")
    axes.set_ylabel("annotated (windows); % of the row")
    for row in places:
        for column in places:
            share = shares[row, column]
            if share >= _LEAST_SHOWN:
                colour = "white" if share > _DARK else "#1b1e23"
                axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour)
    axes.spines[:].set_visible(False)


def _png(figure: Figure) -> bytes:
    picture = BytesIO()
    # Tight, since a layout that keeps cells square does not see how long the names are.
    figure.savefig(
        picture,
        format="png",
        dpi=_DOTS_PER_INCH,
        metadata={"Software": None},
        bbox_inches="tight",
        pad_inches=0.1,
    )
    return picture.getvalue()


def _short(label: str) -> str:
    name = printable(label)
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw by the project's settings, whatever those of the user's matplotlib are."""
    try:
        import matplotlib
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError("fit", needed_for="The report of i3d fit") from error
    with warnings.catch_warnings(), style.context("default", after_reset=True):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        with matplotlib.rc_context({"font.size": 9, "text.parse_math": False}):
            yield
