"""``report.html``: how good a head is, what it mixes up, and what to annotate next.

One file that needs nothing else and fetches nothing. The two pictures in it lie beside it as well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i3d_client.durable import complete_file
from i3d_ethogram.colours import colours_of
from i3d_ethogram.page.self_contained import page_source, page_template, source_hash, trusted
from i3d_fit.report_pictures import confusion_png, learning_curve_png
from i3d_fit.report_sections import (
    class_rows,
    doubt_texts,
    model_rows,
    provenance_rows,
    suggestion_rows,
    verdict,
)
from i3d_fit.training import Trained

REPORT_FILE = "report.html"
CONFUSION_FILE = "confusion.png"
CURVE_FILE = "learning_curve.png"
_PACKAGE = "i3d_fit"


def write_report(path: Path, document: Mapping[str, Any], trained: Trained) -> None:
    """Write the page, and its pictures beside it.

    Args:
        path: of the page.
        document: the content of ``fit.json``.
        trained: what it is of.

    Raises:
        MissingExtraError: matplotlib or Jinja is not installed.
        OutputError: a file cannot be written.
    """
    pictures = {
        CONFUSION_FILE: confusion_png(trained.measures),
        CURVE_FILE: learning_curve_png(trained.curve),
    }
    for name, content in pictures.items():
        with complete_file(path.with_name(name)) as file:
            file.write(content)
    page = report_html(document, trained, pictures)
    with complete_file(path) as file:
        file.write(page)


def report_html(
    document: Mapping[str, Any], trained: Trained, pictures: Mapping[str, bytes]
) -> str:
    """Return the page.

    Raises:
        MissingExtraError: Jinja is not installed.
    """
    template = page_template(
        _PACKAGE, "fit_report.html.j2", extra="fit", needed_for=f"Making {REPORT_FILE}"
    )
    style = "\n".join(
        [page_source(_PACKAGE, "fit_report.css"), *_colour_rules(trained.measures.labels)]
    )
    page: str = template.render(
        title=document["name"],
        document=document,
        verdict=verdict(trained.measures),
        how=trained.cross_validation.how,
        grouped_by=trained.grouped_by,
        doubts=doubt_texts(document),
        classes=class_rows(document),
        advice=trained.curve.advice(),
        calibration=document["chosen"],
        confusion=_data_uri(pictures[CONFUSION_FILE]),
        curve=_data_uri(pictures[CURVE_FILE]),
        suggestions=suggestion_rows(document),
        models=model_rows(document),
        account=trained.account.sentences(),
        provenance=provenance_rows(document),
        options=json.dumps(document["options"], indent=1, ensure_ascii=False),
        style=trusted(style),
        style_hash=source_hash(style),
    )
    return page


def _colour_rules(labels: tuple[str, ...]) -> list[str]:
    colours = colours_of(labels)
    return [f".r{place} {{ --row: {colours[label]}; }}" for place, label in enumerate(labels)]


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
