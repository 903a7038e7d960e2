"""``agreement.png``: what is taken for what, how much time each takes, and where they differ.

The confusion matrix is by row: of the time that people annotated as a behaviour, the share that the
model labels as each. Colours of strips are those of all pictures of the project.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from i3d_client.durable import complete_file, write_errors
from i3d_client.errors import MissingExtraError
from i3d_client.printable import printable
from i3d_ethogram.colours import OTHER_COLOUR, UNSCORED_COLOUR, colours_of
from i3d_ethogram.compare.agreement import Agreement, measures_of
from i3d_ethogram.compare.comparison import MODEL, OTHER, Comparison
from i3d_ethogram.compare.comparison_total import ALL, total_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PICTURE_FILE = "agreement.png"
_MOST_LABELS = 15
_MOST_STRIPS = 8
_LONGEST_NAME = 60
_DOTS_PER_INCH = 150
_PERSON, _MODEL = "#1b1e23", "#9aa1ab"
_DARK = 0.55  # a cell of the matrix that is darker has white text
_LEAST_SHOWN = 0.005


def write_agreement_picture(folder: Path, comparisons: Sequence[Comparison]) -> None:
    """Write ``agreement.png`` into a folder, which is made if it is not there.

    The matrix and the times are of all recordings together; strips are of the first eight.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _drawing():
        figure = _draw(comparisons)
        picture = BytesIO()
        figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH, metadata={"Software": None})
        with complete_file(folder / PICTURE_FILE) as file:
            file.write(picture.getvalue())


@contextmanager
def _drawing() -> Iterator[None]:
    try:
        import matplotlib
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError("report", needed_for=f"Drawing {PICTURE_FILE}") from error
    with warnings.catch_warnings(), style.context("default", after_reset=True):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        with matplotlib.rc_context({"font.size": 8, "text.parse_math": False}):
            yield


def _draw(comparisons: Sequence[Comparison]) -> Figure:
    from matplotlib.figure import Figure

    of_model = [row for row in comparisons if row.other == MODEL]
    whole = next(row for row in (*total_of(comparisons), *of_model) if row.other == MODEL)
    codes = _shown(whole.agreement)
    strips = of_model[:_MOST_STRIPS]
    side = 1.6 + 0.34 * max(len(codes), 4)
    height = side + 0.7 * len(strips) + 1.5
    figure = Figure(figsize=(11, height), layout="constrained")
    grid = figure.add_gridspec(
        1 + len(strips), 2, height_ratios=[side, *[0.6] * len(strips)], width_ratios=[1.15, 1]
    )
    figure.suptitle(_title(whole, of_model), x=0.01, ha="left", fontsize=9)
    if codes:
        _draw_matrix(figure.add_subplot(grid[0, 0]), whole.agreement, codes)
        _draw_times(figure.add_subplot(grid[0, 1]), whole.agreement, codes)
    else:
        nothing = figure.add_subplot(grid[0, :])
        nothing.text(0.5, 0.5, "No frame has a label from both.", ha="center", fontsize=11)
        nothing.set_axis_off()
    for place, row in enumerate(strips):
        _draw_strip(figure.add_subplot(grid[place + 1, :]), row, codes)
    if strips:
        _add_legend(figure, strips, codes)
    return figure


def _shown(agreement: Agreement) -> list[int]:
    """Return the labels that are shown, in the model's order: those that take the most time."""
    time = np.maximum(agreement.annotated_us, agreement.predicted_us)
    most = np.argsort(-time, kind="stable")[:_MOST_LABELS]
    return sorted(int(code) for code in most if time[code] > 0)


def _title(whole: Comparison, rows: Sequence[Comparison]) -> str:
    measures = measures_of(whole.agreement)
    account = whole.agreement.account
    name = f"{len(rows)} annotations" if whole.recording == ALL else whole.recording
    reference = "" if whole.recording == ALL else f" and {whole.reference}"
    share = account.compared / max(1, account.frames)
    return (
        f"{_short(printable(whole.model))} and people: {_short(printable(name) + reference, 90)}\n"
        f"kappa {_ratio(measures.kappa)}   ·   balanced accuracy "
        f"{_percent(measures.balanced_accuracy)}   ·   accuracy {_percent(measures.accuracy)}"
        f"   ·   {share:.1%} of {account.frames:,} frames compared"
    )


def _draw_matrix(axes: Axes, agreement: Agreement, codes: list[int]) -> None:
    confusion = agreement.confusion
    of_row = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, of_row, out=np.zeros(confusion.shape), where=of_row > 0)
    cells = share[np.ix_(codes, codes)]
    axes.imshow(cells, vmin=0, vmax=1, cmap="Blues", aspect="equal")
    for row, column in zip(*np.nonzero(cells >= _LEAST_SHOWN), strict=True):
        value = cells[row, column]
        colour = "white" if value > _DARK else "black"
        axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour)
    names = [_label(agreement, code) for code in codes]
    axes.set_xticks(range(len(codes)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(codes)), names)
    axes.set_xlabel("labelled by the model")
    axes.set_ylabel("annotated")
    axes.set_title("% of the time annotated as each", loc="left", fontsize=8)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_times(axes: Axes, agreement: Agreement, codes: list[int]) -> None:
    places = np.arange(len(codes))
    total = max(1, int(agreement.annotated_us.sum()))
    for shift, times, colour, name in (
        (-0.2, agreement.annotated_us, _PERSON, "annotated"),
        (0.2, agreement.predicted_us, _MODEL, "model"),
    ):
        share = 100 * times[codes] / total
        bars = axes.barh(places + shift, share, height=0.38, color=colour, label=name)
        axes.bar_label(bars, [f"{value:.1f}" for value in share], padding=2, fontsize=7)
    axes.set_yticks(places, [_label(agreement, code) for code in codes])
    axes.set_ylim(len(codes) - 0.5, -0.5)
    axes.margins(x=0.12)
    axes.set_xlabel("% of the time that is compared")
    axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_strip(axes: Axes, row: Comparison, codes: list[int]) -> None:
    from matplotlib.colors import to_rgb

    colours = _strip_colours(row.agreement, codes)
    table = np.array([to_rgb(colour) for colour in colours])
    strips = row.strips
    known = (strips >= 0).all(axis=0)
    differs = np.where(known, np.where(strips[0] != strips[1], 0.0, 0.93), 0.93)
    picture = np.stack(
        [
            table[np.where(strips[0] >= 0, strips[0], -1)],
            table[np.where(strips[1] >= 0, strips[1], -1)],
            np.repeat(differs[:, np.newaxis], 3, axis=1),
        ]
    )
    unit, seconds = _unit(row)
    extent = (row.begin_us / 1e6 / seconds, row.end_us / 1e6 / seconds, 3, 0)
    axes.imshow(picture, aspect="auto", interpolation="nearest", extent=extent)
    axes.set_yticks([0.5, 1.5, 2.5], ["annotated", "model", "differ"])
    axes.set_title(
        f"{_short(printable(row.recording))}, {_short(row.reference)} ({unit})",
        loc="left",
        fontsize=8,
        pad=2,
    )
    axes.tick_params(length=2, labelsize=7)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _strip_colours(agreement: Agreement, codes: list[int]) -> list[str]:
    """Return a colour for each label, and last the one where there is none."""
    labels = [label for label in agreement.labels if label != OTHER]
    shown = [agreement.labels[code] for code in codes if agreement.labels[code] != OTHER]
    of_label = colours_of(labels, shown=shown)
    drawn = {*shown} if len(labels) > len(shown) and len(labels) > _MOST_LABELS else {*labels}
    colours = [of_label[label] if label in drawn else OTHER_COLOUR for label in agreement.labels]
    return [*colours, UNSCORED_COLOUR]


def _add_legend(figure: Figure, strips: Sequence[Comparison], codes: list[int]) -> None:
    from matplotlib.patches import Patch

    agreement = strips[0].agreement
    colours = _strip_colours(agreement, codes)
    patches = [Patch(color=colours[code], label=_label(agreement, code)) for code in codes]
    if OTHER_COLOUR in (set(colours) - {colours[code] for code in codes}):
        patches.append(Patch(color=OTHER_COLOUR, label="other behaviours"))
    patches.append(Patch(color=UNSCORED_COLOUR, label="none, or several"))
    figure.legend(handles=patches, loc="outside lower left", ncols=8, frameon=False, fontsize=7)


def _unit(row: Comparison) -> tuple[str, int]:
    """Return the unit of a strip's axis, and how many seconds it is."""
    length_s = (row.end_us - row.begin_us) / 1e6
    if length_s > 3 * 3600:
        return "hours", 3600
    return ("minutes", 60) if length_s > 180 else ("seconds", 1)


def _label(agreement: Agreement, code: int) -> str:
    return _short(printable(agreement.labels[code]), 28)


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _ratio(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.1%}"
