"""How the bench's figures look: the same on white, in print, and in a page that may be dark.

A figure is drawn once. Text, lines and ground have colours of their own, which a page replaces by
its variables. The other colours stand out from both grounds, lines with a contrast of at least 3
and areas of 2.5, and lie at least 0.1 apart in OKLab as seen with and without each kind of cone
(the test measures it); pipelines differ by marker and dash as well.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from i3d_client.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TEXT, FAINT, LINE = "#1b1f26", "#5f6775", "#d9dde3"
_PAGE_VARIABLES = {TEXT: "var(--text)", FAINT: "var(--faint)", LINE: "var(--line)"}
BOUND_COLOUR = "#78818f"
GROUNDS = ("#ffffff", "#16181d")
_DOTS_PER_INCH = 150
_PIXELS_PER_INCH = 108  # on a page: text as large as the page's small print


@dataclass(frozen=True)
class LineStyle:
    """How a pipeline is drawn."""

    colour: str
    marker: str
    dash: str


PIPELINE_COLOURS = {"synchronous": "#bf2a26", "parallel": "#c68201", "asynchronous": "#5248f5"}
_MARKERS = {"synchronous": "s", "parallel": "^", "asynchronous": "o"}
SPAN_COLOURS = {
    "load": "#2bafe6",
    "decode": "#6765f4",
    "send": "#a71496",
    "write": "#566302",
    "compute": "#f33d8d",
    "request": "#d29818",
}
"""Of what a row of a timeline does; anything else has ``BOUND_COLOUR``."""


def line_style(pipeline: str) -> LineStyle:
    """Return a pipeline's style; TensorFlow's has the same colour and another dash."""
    kind = pipeline.removeprefix("tf_")
    return LineStyle(
        colour=PIPELINE_COLOURS.get(kind, BOUND_COLOUR),
        marker=_MARKERS.get(kind, "D"),
        dash="-" if kind == pipeline else ":",
    )


@contextmanager
def drawing() -> Iterator[None]:
    """Draw by the project's settings, whatever those of the user's matplotlib are.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from matplotlib import style
    except ImportError as error:
        raise MissingExtraError("report", needed_for="Drawing the bench's figures") from error
    settings: dict[str, Any] = {
        "font.size": 8,
        "text.parse_math": False,
        "text.color": TEXT,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": TEXT,
        "axes.titlesize": 8,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.facecolor": "none",
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "legend.frameon": False,
        "svg.fonttype": "none",  # text stays text: it takes the page's colour
        "svg.hashsalt": "i3d",
    }
    with warnings.catch_warnings(), style.context("default", after_reset=True):
        # A name in a script that the font does not have is drawn as boxes; the tables have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        with matplotlib.rc_context(settings):
            yield


def grid_lines(axes: Axes, *, axis: Literal["x", "y"]) -> None:
    """Draw faint lines behind the data."""
    axes.grid(axis=axis, color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def png_bytes(figure: Figure, *, source: str, description: str) -> bytes:
    """Return the figure on white; ``source`` and ``description`` are kept in the file."""
    picture = BytesIO()
    about = {"Software": None, "Source": source, "Description": description}
    figure.savefig(picture, format="png", dpi=_DOTS_PER_INCH, facecolor=GROUNDS[0], metadata=about)
    return picture.getvalue()


class PageSvg(NamedTuple):
    """A figure for a page whose policy forbids styles in elements: they are in ``style``."""

    svg: str
    style: str


def svg_for_page(figure: Figure, *, name: str) -> PageSvg:
    """Return the figure as an SVG element that takes the page's colours.

    Args:
        figure: drawn inside ``drawing``.
        name: of the figure on the page, unique there; ids and classes begin with it.
    """
    picture = BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(picture, format="svg", transparent=True, metadata=nothing)
    svg = picture.getvalue().decode()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    svg = _renamed(svg, name)
    # The page describes the picture, and says how large it is.
    svg = re.sub(r'(<svg\b[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = svg.replace("<svg", f'<svg aria-hidden="true" class="{name}-size"', 1)
    classes: dict[str, str] = {}

    def as_class(match: re.Match[str]) -> str:
        style = match[1]
        return f'class="{classes.setdefault(style, f"{name}-{len(classes)}")}"'

    svg = re.sub(r'\bstyle="([^"]*)"', as_class, svg)
    width = round(figure.get_figwidth() * _PIXELS_PER_INCH)
    rules = f".{name}-size {{ width: {width}px; min-width: min(35rem, {width}px); }}\n"
    rules += "\n".join(f".{of} {{ {style} }}" for style, of in classes.items())
    for colour, variable in _PAGE_VARIABLES.items():
        rules = rules.replace(colour, variable)
    return PageSvg(svg, rules)


def _renamed(svg: str, name: str) -> str:
    """Number the ids: Matplotlib's are not unique on a page, and differ from run to run."""
    numbers: dict[str, int] = {}

    def rename(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[2], len(numbers))
        return f"{match[1]}{name}-id{number}"

    return re.sub(r'(\bid="|url\(#|href="#)([^")]+)', rename, svg)
