"""``ethogram.png`` and ``ethogram.svg``: a recording at one glance.

Up to about an hour has one row a behaviour over time; longer recordings have one strip an hour,
whose colours are the behaviours. What is too short for a pixel still shows: a strip divides each of
its columns among the behaviours by the time they take there; a row's cell is as strong as its
behaviour's share, never fainter than a third. So drawing takes no longer for a day than for a
minute, and a file does not grow with the number of bouts.

A file's bytes follow from the ethogram alone: the same results give the same pictures.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i3d_client.durable import complete_file
from i3d_client.errors import MissingExtraError
from i3d_client.printable import json_line, printable
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.pictures.picture_rows import PictureRow, rows_of, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PNG_FILE, SVG_FILE = "ethogram.png", "ethogram.svg"
LONGEST_RASTER_S = 66 * 60
"""Files "of an hour" are often some seconds or a minute longer."""

_DOTS_PER_INCH = 150
_OTHER_SCRIPTS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "WenQuanYi Zen Hei",
    "Droid Sans Fallback",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
)


def write_pictures(folder: Path, ethogram: Ethogram) -> None:
    """Write ``ethogram.png`` and ``ethogram.svg`` into a recording's folder.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: they cannot be written.
    """
    with _drawing():
        figure = _draw(ethogram)
        about = _about(ethogram)
        for name, metadata in (
            (PNG_FILE, {"Software": None, "Description": about}),
            (SVG_FILE, {"Date": None, "Creator": None, "Description": about}),
        ):
            picture = BytesIO()
            figure.savefig(
                picture, format=name.rpartition(".")[2], dpi=_DOTS_PER_INCH, metadata=metadata
            )
            with complete_file(folder / name) as file:
                file.write(picture.getvalue())


@contextmanager
def _drawing() -> Iterator[None]:
    """Draw by the project's settings, whatever those of the user's matplotlib are."""
    try:
        import matplotlib
        from matplotlib import style
        from matplotlib.font_manager import fontManager
    except ImportError as error:
        raise MissingExtraError("report", needed_for="Drawing ethogram.png") from error
    there = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _OTHER_SCRIPTS if name in there)]
    settings: dict[str, Any] = {
        "font.family": families,
        "font.size": 8,
        "svg.fonttype": "none",  # text stays text: it can be searched and edited
        "svg.hashsalt": "i3d",
        "path.simplify": False,
    }
    with warnings.catch_warnings(), style.context("default", after_reset=True):
        # A name in a script that no font here has is drawn as boxes; the tables have it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        warnings.filterwarnings("ignore", message="Matplotlib currently does not support")
        with matplotlib.rc_context(settings):
            yield


def _draw(ethogram: Ethogram) -> Figure:
    from i3d_ethogram.pictures.picture_hours import draw_hours
    from i3d_ethogram.pictures.picture_raster import draw_raster

    rows = rows_of(ethogram)
    draw = draw_raster if ethogram.duration_us <= LONGEST_RASTER_S * 1_000_000 else draw_hours
    return draw(ethogram, rows, title=_title(ethogram, rows))


def _title(ethogram: Ethogram, rows: list[PictureRow]) -> str:
    seconds = round(ethogram.duration_us / 1_000_000)
    duration = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    facts = [shortened(_model(ethogram), 60), f"{duration} h", f"{rows[-1].percent} unscored"]
    if ethogram.recorded_at is not None:
        facts.insert(1, f"recorded {ethogram.recorded_at:%Y-%m-%d %H:%M:%S}")
    if not ethogram.run.get("complete", True):
        facts.append("INCOMPLETE: see run.json")
    return f"{shortened(printable(ethogram.name), 90)}\n" + "   ·   ".join(facts)


def _model(ethogram: Ethogram) -> str:
    return printable(str(ethogram.run["model"]["name"]))


def _about(ethogram: Ethogram) -> str:
    model = ethogram.run["model"]
    text = (
        f"Ethogram of {ethogram.name} by i3d-triton; model {model['name']} version "
        f"{model['version']}, {model['engine']}, {model['precision']}; smoothing "
        f"{json_line(ethogram.smoothing.as_document())}"
    )
    return printable(text)
