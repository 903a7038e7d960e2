"""How the page lays an animal's recordings on the clock, and when a row is a day."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from tests.ethogram.synthetic import make_ethogram
from tests.ethogram.test_report_data import Page, page_of

from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import RecordingMetadata
from i3d_ethogram.page.report_data import write_report

NINE = datetime(2026, 3, 3, 9)
HOUR_S = 3600


def recordings(
    *spans: tuple[float, float], began: datetime | None = NINE
) -> tuple[list[Ethogram], RecordingMetadata]:
    """An animal's recordings: when each begins, after ``began``, and how long it is, in seconds."""
    found = [
        make_ethogram(
            [("rest", length_s)],
            name=f"{number}.mp4",
            recorded_at=None if began is None else began + timedelta(seconds=begins_s),
            fps=Fraction(10),
        )
        for number, (begins_s, length_s) in enumerate(spans)
    ]
    rows = {ethogram.name: {"animal": "m1"} for ethogram in found}
    return found, RecordingMetadata(columns=("animal",), rows=rows)


def page_with(out: Path, *spans: tuple[float, float], began: datetime | None = NINE) -> Page:
    found, metadata = recordings(*spans, began=began)
    return page_of(out, *found, metadata=metadata)


@pytest.mark.parametrize("overlap_s", [0, 0.1, 0.9, 2])
def test_hourly_files_that_overlap_a_little_keep_their_clock(
    tmp_path: Path, overlap_s: float
) -> None:
    spans = [(HOUR_S * hour, HOUR_S + overlap_s) for hour in range(3)]
    page = page_with(tmp_path, *spans)
    (animal,) = page.data["animals"]
    assert animal["clock"] == "2026-03-03T09:00:00.000"
    assert [track["at"] for track in animal["tracks"]] == [0, 3_600_000_000, 7_200_000_000]
    assert page.notes == []
    hours = [(row[0][0], row[-1][0]) for row in page.tables["hours"][0][1:]]
    more = f"{HOUR_S + overlap_s:.1f}"
    assert hours[:3] == [
        ("2026-03-03 09:00", "3600.0"),
        ("2026-03-03 10:00", more),
        ("2026-03-03 11:00", more),
    ]
    assert hours[3:] == ([("2026-03-03 12:00", f"{overlap_s:.1f}")] if overlap_s else [])


def test_a_file_that_begins_before_the_hour_that_the_one_before_reaches_into_adds_to_both(
    tmp_path: Path,
) -> None:
    page = page_with(tmp_path, (0, HOUR_S + 1), (HOUR_S - 0.5, 10))
    hours = [(row[0][0], row[-1][0]) for row in page.tables["hours"][0][1:]]
    assert hours == [("2026-03-03 09:00", "3600.5"), ("2026-03-03 10:00", "10.5")]


def test_recordings_that_overlap_by_more_are_named_in_the_banner(tmp_path: Path) -> None:
    page = page_with(tmp_path, (0, 100), (97, 50), (147, 50), (160, 50))
    (animal,) = page.data["animals"]
    assert animal["clock"] is None
    (note,) = page.notes
    assert note == (
        "m1 is not shown by the clock, but each recording in rows of its own: "
        "0.mp4 and 1.mp4 overlap by 3 s, which count twice; "
        "2.mp4 and 3.mp4 overlap by 37 s, which count twice."
    )
    assert '<li class="serious">m1 is not shown by the clock' in page.text


NIGHTS = [(11 * HOUR_S + night * 24 * HOUR_S, 8 * HOUR_S) for night in range(3)]


@pytest.mark.parametrize(
    ("spans", "began", "offered", "chosen", "rows"),
    [
        # By the clock: from 24 hours on, or if there is more than one date.
        ([(0, 30 * HOUR_S)], NINE, True, True, 2),
        (NIGHTS, NINE, True, True, 4),
        ([(0, HOUR_S), (24 * HOUR_S, HOUR_S)], NINE, True, True, 2),
        ([(0, 10), (40 * 24 * HOUR_S, 10)], NINE, True, True, 2),
        ([(0, 24 * HOUR_S)], NINE.replace(hour=0), True, True, 1),
        ([(0, 24 * HOUR_S - 1)], NINE.replace(hour=0), False, False, None),
        ([(0, 15 * HOUR_S)], NINE, False, False, None),
        # Without: from 24 hours on; what the days of several recordings would be is not known.
        ([(0, 24 * HOUR_S)], None, True, True, 1),
        ([(0, 24 * HOUR_S - 1)], None, False, False, None),
        ([(0, 13 * HOUR_S)] * 2, None, True, False, None),
        ([(0, 8 * HOUR_S)] * 2, None, False, False, None),
    ],
)
def test_a_row_is_a_day_where_there_are_days(
    tmp_path: Path,
    spans: Sequence[tuple[float, float]],
    began: datetime | None,
    offered: bool,
    chosen: bool,
    rows: int | None,
) -> None:
    text = page_with(tmp_path, *spans, began=began).text
    assert ('<select class="rows">' in text) == offered
    assert ('<option value="day" selected>' in text) == chosen
    if rows is not None:
        assert f'<canvas width="1240" height="{rows * 34 + 22}"' in text


def test_what_is_not_in_the_page_is_said_though_it_is_known_at_the_end(tmp_path: Path) -> None:
    left_out: list[str] = []

    def ethograms() -> Iterator[Ethogram]:
        left_out.append("<a>.mp4: not whole.")
        yield make_ethogram([("rest", 5)])
        left_out.extend(["no clock in\nnames", "no clock in\nnames"])

    page = Page(write_report(tmp_path, ethograms(), left_out=left_out))
    (note,) = page.notes
    assert note == (
        "Not in this page: &lt;a&gt;.mp4: not whole; no clock in names (of 2 recordings)."
    )
    assert '<li class="serious">Not in this page' in page.text


def test_of_very_many_that_are_not_in_the_page_some_are_named(tmp_path: Path) -> None:
    left_out = [f"{number}.mp4: not whole" for number in range(30)]
    (note,) = page_of(tmp_path, make_ethogram([("rest", 5)]), left_out=left_out).notes
    assert "11.mp4: not whole; and 18 more." in note
    assert "12.mp4" not in note
