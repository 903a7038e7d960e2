"""``report.html``: one file in which a lab sees all its recordings, and looks at any bout.

It needs nothing else: styles, script and data are in it, and its content security policy lets it
fetch nothing but videos beside the results. Recordings are taken in one at a time; what is kept of
each does not grow with its length, but for one byte a cell (``raster``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file
from i3d_client.errors import ResultError
from i3d_client.printable import printable
from i3d_ethogram.colours import UNSCORED_COLOUR
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import ANIMAL, NO_METADATA, RecordingMetadata
from i3d_ethogram.page import report_view as view
from i3d_ethogram.page.report_animals import animals_of, section_view, whole_view
from i3d_ethogram.page.report_embedded import Timelines, embedded_json
from i3d_ethogram.page.report_notes import notes_on
from i3d_ethogram.page.report_provenance import made_by, source_of
from i3d_ethogram.page.report_recording import DOUBTFUL_BELOW, LONGEST, RecordingNumbers, numbers_of
from i3d_ethogram.page.report_sections import Shown, numbers_together, shown_of
from i3d_ethogram.page.report_strips import WHY_NO_STRIP, longest_strips, strips_note
from i3d_ethogram.page.self_contained import page_source, page_template, source_hash, trusted

REPORT_PAGE = "report.html"
MOST_DETAILED = 60
_PACKAGE = "i3d_ethogram.page"
_PIECES_AT_ONCE = 1000


def write_report(
    out: Path,
    ethograms: Iterable[Ethogram],
    *,
    metadata: RecordingMetadata = NO_METADATA,
    title: str | None = None,
    moved_to: Path | None = None,
    left_out: Sequence[str] = (),
) -> Path:
    """Write ``report.html``.

    Args:
        out: the folder of all results; the page is written into it.
        ethograms: of its recordings; each is taken when the one before has been dealt with.
        metadata: of the recordings; those of one animal are shown together.
        title: of the page; None: the folder's name.
        moved_to: a folder in which to look for videos that are not where they were.
        left_out: why other recordings cannot be in the page, a message each; read when the last
            ethogram has been taken, so whoever makes these may still add to it.

    Returns:
        The page's path.

    Raises:
        ResultError: there is no ethogram.
        MissingExtraError: Jinja is not installed.
        OutputError: the page cannot be written.
    """
    template = page_template(_PACKAGE, "report.html.j2", extra="report", needed_for="report.html")
    recordings, timelines = [], Timelines()
    for ethogram in ethograms:
        recordings.append(numbers_of(ethogram, out=out, moved_to=moved_to))
        timelines.add(ethogram)
        del ethogram  # before the next one is made
    if not recordings:
        raise ResultError(f"{printable(out)}: no recordings to report on")
    title = title or printable(out.absolute().name)
    content = _content(recordings, timelines, metadata, title, tuple(left_out))
    with complete_file(out / REPORT_PAGE) as file:
        pieces = template.stream(content)
        pieces.enable_buffering(_PIECES_AT_ONCE)
        for piece in pieces:
            file.write(piece)
    return out / REPORT_PAGE


def _content(
    recordings: Sequence[RecordingNumbers],
    timelines: Timelines,
    metadata: RecordingMetadata,
    title: str,
    left_out: Sequence[str],
) -> dict[str, Any]:
    shown = shown_of(recordings)
    animals = list(animals_of(recordings, metadata))
    detailed = len(animals) <= MOST_DETAILED
    entries = []
    for animal in animals:
        of_animal = [recordings[place] for place in animal.recordings]
        numbers = numbers_together(
            of_animal, shown, with_hours=detailed, by_clock=animal.clock is not None
        )
        entries.append(view.Entry(animal, of_animal, numbers))
    strips = dict(longest_strips(recordings))
    columns = [column for column in metadata.columns if column != ANIMAL]
    style, script = (
        page_source(_PACKAGE, "report.css") + _colours(shown),
        page_source(_PACKAGE, "report.js"),
    )
    return {
        "title": title,
        "version": version("i3d-triton"),
        "style": trusted(style),
        "script": trusted(script),
        "style_hash": source_hash(style),
        "script_hash": source_hash(script),
        "notes": notes_on(recordings, animals, unmatched=metadata.unmatched, left_out=left_out),
        "shown": shown,
        "columns": columns,
        "noun": ANIMAL if ANIMAL in metadata.columns else "recording",
        "grouped": any(len(animal.recordings) > 1 for animal in animals),
        "overview": [
            view.overview_row(
                recordings[place],
                animal=animal.name,
                section=number,
                shown=shown,
                metadata=[metadata.of(recordings[place].name).get(name, "") for name in columns],
            )
            for number, animal in enumerate(animals)
            for place in animal.recordings
        ],
        "whole": whole_view(recordings, entries, shown),
        "sections": [
            section_view(number, entry, shown, timelines, detailed=detailed)
            for number, entry in enumerate(entries)
        ],
        "detailed": detailed,
        "most_detailed": MOST_DETAILED,
        "length_ticks": view.length_ticks(),
        "doubtful_below": DOUBTFUL_BELOW,
        "longest": LONGEST,
        "num_bouts": timelines.num_bouts,
        "cell_s": None if timelines.cell_us is None else timelines.cell_us // 1_000_000,
        "strips": strips_note(strips),
        "made_by": made_by(recordings),
        "sources": [source_of(recording) for recording in recordings],
        "data": trusted(
            embedded_json(
                recordings,
                animals,
                shown=shown,
                timelines=timelines,
                strips=strips,
                why_no_strip=WHY_NO_STRIP,
            )
        ),
    }


def _colours(shown: Shown) -> str:
    rows = [*enumerate(shown.colours), ("u", UNSCORED_COLOUR)]
    return "".join(f".r{row}{{--row:{colour}}}\n" for row, colour in rows)
