"""What the page says, read as text; test_report_browser.py opens it."""

import base64
import gc
import json
import re
import sys
import weakref
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from tests.ethogram.any_ethogram import any_ethogram
from tests.ethogram.synthetic import HOMECAGE9, make_ethogram, random_bouts

from i3d_client.errors import MissingExtraError, ResultError
from i3d_client.frame_status import Status
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.metadata import RecordingMetadata
from i3d_ethogram.page.report_data import REPORT_PAGE, write_report
from i3d_ethogram.smoothing import Smoothing
from i3d_ethogram.statistics import bout_counts, bout_lengths_us, budget_us, transitions
from i3d_ethogram.tables.hours import hours_of

MANY = tuple(f"behaviour {index}" for index in range(400))


class Page(HTMLParser):
    """The tables of a page by class, as rows of cells; a cell is its text and its attributes."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[list[tuple[str, dict[str, str | None]]]]]] = {}
        self.row_attributes: list[dict[str, str | None]] = []
        self._cell: list[str] | None = None
        self.text = path.read_text()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "table":
            kind = (attributes.get("class") or "").split()[-1]
            self._rows = []
            self.tables.setdefault(kind, []).append(self._rows)
        elif tag == "tr":
            self._rows.append([])
            if "data-us" in attributes:
                self.row_attributes.append(attributes)
        elif tag in ("td", "th"):
            self._attributes, self._cell = attributes, []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            text = "".join(self._cell).strip()
            self._rows[-1].append((text, self._attributes))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def numbers(self, kind: str, place: int = 0) -> list[list[str]]:
        """The text of a table, without its headings."""
        return [[text for text, _ in row[1:]] for row in self.tables[kind][place][1:]]

    @property
    def data(self) -> Any:
        found = re.search(r'<script type="application/json" id="data">(.*?)</script>', self.text)
        assert found is not None
        return json.loads(found[1])

    @property
    def notes(self) -> list[str]:
        found = re.search(r'<section class="notes".*?</section>', self.text, re.DOTALL)
        return [] if found is None else re.findall(r"<li[^>]*>(.*?)</li>", found[0])


def page_of(out: Path, *ethograms: Ethogram, **options: Any) -> Page:
    return Page(write_report(out, ethograms, **options))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(any_ethogram())
def test_every_number_is_that_of_the_ethogram(tmp_path: Path, ethogram: Ethogram) -> None:
    page = page_of(tmp_path, ethogram)
    label_us, unscored_us = budget_us(ethogram)
    (overview, *behaviours) = page.row_attributes
    assert overview["data-us"] == str(ethogram.duration_us)
    assert overview["data-unscored-us"] == str(unscored_us)
    assert [row["data-label"] for row in behaviours] == list(ethogram.labels)
    assert [int(row["data-us"] or 0) for row in behaviours] == label_us.tolist()
    assert [int(row["data-bouts"] or 0) for row in behaviours] == bout_counts(ethogram).tolist()

    matrix = page.tables["transitions"][0][1:]
    counts = [[int(cell[1]["data-count"] or 0) for cell in row[1:-1]] for row in matrix]
    assert counts == transitions(ethogram).tolist()
    assert [int(row[-1][0]) for row in matrix] == transitions(ethogram).sum(axis=1).tolist()

    hours = hours_of(ethogram)
    expected = [
        [f"{us / 1e6:.1f}" for us in (*hour.label_us, hour.unscored_us, hour.total_us)]
        for hour in hours
    ]
    assert page.numbers("hours") == expected

    bouts = int(ethogram.scored.sum())
    assert len(page.tables["parts"][0]) - 1 == bouts
    recording = page.data["recordings"][0]
    assert recording["starts"] == ethogram.times_us[:-1].tolist()
    assert recording["stop"] == ethogram.times_us[-1]
    code_or_status = np.where(ethogram.scored, ethogram.codes, -1 - ethogram.statuses.astype(int))
    assert recording["codes"] == code_or_status.tolist()


def test_lengths_of_bouts_are_said_as_they_are(tmp_path: Path) -> None:
    ethogram = make_ethogram(random_bouts(1800, seed=5))
    rows = page_of(tmp_path, ethogram).numbers("behaviours")
    for row, lengths in zip(rows, bout_lengths_us(ethogram), strict=True):
        shown = [seconds(text) for text in row[5:9]]
        of_lengths = [np.median(lengths), lengths.mean(), np.quantile(lengths, 0.95), lengths.max()]
        for text, us in zip(shown, of_lengths, strict=True):
            assert text == pytest.approx(us / 1e6, abs=0.51 if us > 6e7 else 0.06)


def seconds(text: str) -> float:
    """Read ``4 min 05 s``."""
    units = {"h": 3600, "min": 60, "s": 1}
    words = text.split()
    return sum(
        float(value) * units[unit] for value, unit in zip(words[::2], words[1::2], strict=True)
    )


def test_several_recordings_add_up(tmp_path: Path) -> None:
    found = [
        make_ethogram(
            [(Status.BEFORE_FIRST, 10), *random_bouts(990, seed=seed)],
            name=f"day{seed}.mp4",
            recorded_at=datetime(2026, 3, 3, 10) + timedelta(seconds=1000 * seed),
        )
        for seed in range(4)
    ]
    metadata = RecordingMetadata(
        columns=("animal", "sex"),
        rows={f"day{seed}.mp4": {"animal": "m<1>", "sex": "f"} for seed in range(4)},
    )
    page = page_of(tmp_path, *found, metadata=metadata)
    together = sum(budget_us(ethogram)[0] for ethogram in found)
    behaviours = [row for row in page.row_attributes if "data-label" in row]
    assert [int(row["data-us"] or 0) for row in behaviours] == together.tolist()
    counts = sum(transitions(ethogram) for ethogram in found)
    matrix = page.tables["transitions"][0][1:]
    assert [[int(cell[1]["data-count"] or 0) for cell in row[1:-1]] for row in matrix] == (
        counts.tolist()
    )
    # 10:00 and 11:00, though the third and the fourth recording are in both.
    hours = page.numbers("hours")
    assert [row[-1] for row in hours] == ["3600.0", "400.0"]
    assert [row[-2] for row in hours] == ["40.0", "0.0"]
    assert [animal["name"] for animal in page.data["animals"]] == ["m<1>"]
    tracks = page.data["animals"][0]["tracks"]
    assert [track["at"] for track in tracks] == [1_000_000_000 * seed for seed in range(4)]
    assert "m&lt;1&gt;" in page.text
    assert page.numbers("sortable")[0][:2] == ["m<1>", "f"]


def test_recordings_of_one_animal_that_overlap_begin_rows_of_their_own(tmp_path: Path) -> None:
    found = [
        make_ethogram([("rest", 1200)], name=name, recorded_at=datetime(2026, 3, 3, 10, minute))
        for name, minute in [("left.mp4", 0), ("right.mp4", 10)]
    ]
    metadata = RecordingMetadata(
        columns=("animal",), rows={e.name: {"animal": "m1"} for e in found}
    )
    page = page_of(tmp_path, *found, metadata=metadata)
    (animal,) = page.data["animals"]
    assert animal["clock"] is None
    hours = [row[0][0] for row in page.tables["hours"][0][1:]]
    assert hours == [
        "hour 1, left.mp4",
        "hour 1, right.mp4",
    ]
    assert [track["at"] for track in animal["tracks"]] == [0, 3_600_000_000 + 600_000_000]
    (note,) = page.notes
    assert note == (
        "m1 is not shown by the clock, but each recording in rows of its own: left.mp4 and "
        "right.mp4 overlap by 600 s, which count twice."
    )


def test_a_clock_with_a_zone_is_shown_as_it_was_on_the_wall(tmp_path: Path) -> None:
    ethogram = make_ethogram([("rest", 60)], recorded_at=datetime(2026, 3, 3, 22, 5, tzinfo=UTC))
    page = page_of(tmp_path, ethogram)
    assert page.data["recordings"][0]["clock"] == "2026-03-03T22:05:00.000"
    assert page.data["animals"][0]["clock"] == "2026-03-03T22:00:00.000"


def test_of_many_behaviours_those_with_most_time_are_named(tmp_path: Path) -> None:
    bouts = [(MANY[index], 1 + index / 10) for index in range(0, 400, 10)]
    ethogram = make_ethogram(bouts, labels=MANY)
    page = page_of(tmp_path, ethogram)
    behaviours = [row for row in page.row_attributes if "data-label" in row]
    assert [row["data-label"] for row in behaviours] == [
        *(f"behaviour {index}" for index in range(280, 400, 10)),
        "other",
    ]
    assert sum(int(row["data-us"] or 0) for row in behaviours) == ethogram.duration_us
    assert page.data["rowOf"][MANY.index("behaviour 0")] == 12
    # A bout that is drawn as "other" is still named.
    assert page.data["labels"][page.data["recordings"][0]["codes"][0]] == "behaviour 0"


def test_each_recording_is_forgotten_before_the_next_one(tmp_path: Path) -> None:
    before: list[weakref.ref[Ethogram]] = []

    def one_at_a_time() -> Iterator[Ethogram]:
        for seed in range(4):
            gc.collect()
            assert [ref() for ref in before] == [None] * len(before)
            ethogram = make_ethogram(random_bouts(100, seed=seed), name=f"{seed}.mp4")
            before.append(weakref.ref(ethogram))
            yield ethogram
            del ethogram

    write_report(tmp_path, one_at_a_time())
    assert len(before) == 4


def test_many_bouts_become_cells(tmp_path: Path) -> None:
    bouts = [("rest", 90.5), ("eat", 29.5), *[("walk", 0.1), ("rear", 0.1)] * 2600]
    ethogram = make_ethogram([(Status.BEFORE_FIRST, 3), *bouts])
    page = page_of(tmp_path, ethogram, make_ethogram([("drink", 2)], name="second.mp4"))
    data = page.data
    assert data["cellUs"] == 1_000_000
    assert data["recordings"][0]["starts"] == []
    cells = [list(base64.b64decode(animal["tracks"][0]["cells"])) for animal in data["animals"]]
    assert cells[0][:3] == [254] * 3
    assert cells[0][3:93] == [HOMECAGE9.index("rest")] * 90
    assert cells[0][94:123] == [HOMECAGE9.index("eat")] * 29
    assert cells[1] == [HOMECAGE9.index("drink")] * 2
    # Of each behaviour, the three longest bouts can still be reached one by one.
    listed = [row[0][0] for row in page.tables["parts"][0][1:]]
    assert listed == ["eat", *["rear"] * 3, "rest", *["walk"] * 3]


def test_the_banner_is_absent_if_all_is_well(tmp_path: Path) -> None:
    found = [make_ethogram([("rest", 5)], name=f"{n}.mp4") for n in range(3)]
    assert page_of(tmp_path, *found).notes == []


def incomplete(ethogram: Ethogram) -> Ethogram:
    run = {**ethogram.run, "complete": False, "problems": ["frames 7–9 <lost>"]}
    return replace(ethogram, run=run)


def built_from_something_else(ethogram: Ethogram) -> Ethogram:
    model = {**ethogram.run["model"], "build": {"onnx_sha256": "1" * 64}}
    return replace(ethogram, run={**ethogram.run, "model": model})


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        (make_ethogram([("rest", 5)], name="odd.mp4", model_name="other_int8"), "their models:"),
        (make_ethogram([("rest", 5)], name="odd.mp4", labels=HOMECAGE9[::-1]), "contract"),
        (
            make_ethogram([("rest", 5)], name="odd.mp4", smoothing=Smoothing(median_frames=5)),
            "smoothing: none in 0.mp4, 1.mp4; median frames 5 in odd.mp4",
        ),
        (incomplete(make_ethogram([("rest", 5)], name="odd.mp4")), "Not complete: odd.mp4"),
        (
            built_from_something_else(make_ethogram([("rest", 5)], name="odd.mp4")),
            "builds (onnx_sha256)",
        ),
        (
            make_ethogram([("rest", 5)], name="odd.mp4", recorded_at=datetime(2026, 3, 3)),
            "When they began is not known of 0.mp4, 1.mp4",
        ),
    ],
)
def test_the_banner_says_how_one_recording_differs(
    tmp_path: Path, odd: Ethogram, says: str
) -> None:
    found = [make_ethogram([("rest", 5)], name=f"{n}.mp4") for n in range(2)]
    (note,) = page_of(tmp_path, *found, odd).notes
    assert says in note
    assert "odd.mp4" in note or "0.mp4" in note


def test_labels_in_another_order_are_added_up_by_name(tmp_path: Path) -> None:
    one = make_ethogram([("rest", 5), ("eat", 1)], name="a.mp4")
    other = make_ethogram([("rest", 7), ("walk", 2)], name="b.mp4", labels=HOMECAGE9[::-1])
    page = page_of(tmp_path, one, other)
    us_of = {row["data-label"]: row["data-us"] for row in page.row_attributes[2:11]}
    assert us_of["rest"] == "12000000"
    assert us_of["walk"] == "2000000"


def test_recordings_of_which_the_table_says_nothing_are_named(tmp_path: Path) -> None:
    metadata = RecordingMetadata(columns=("animal",), rows={}, unmatched=("mouse.mp4",))
    (note,) = page_of(tmp_path, make_ethogram([("rest", 5)]), metadata=metadata).notes
    assert note == "The table of animals has no row for mouse.mp4."


def test_problems_and_unscored_stretches_are_shown(tmp_path: Path) -> None:
    bouts = [(Status.BEFORE_FIRST, 0.5), ("rest", 5), (Status.LOST, 0.2), ("eat", 1)]
    page = page_of(tmp_path, incomplete(make_ethogram(bouts)))
    assert "frames 7–9 &lt;lost&gt;" in page.text
    assert "Unscored by reason: before first 0.50 s, lost 0.20 s." in page.text
    assert [row[:2] for row in page.numbers("parts", 1)] == [
        ["0:00:00.0", "0.50 s"],
        ["0:00:05.5", "0.20 s"],
    ]


def test_stretches_with_low_scores_are_shown_whole(tmp_path: Path) -> None:
    ethogram = make_ethogram([("rest", 5), ("eat", 1), ("walk", 2), ("rest", 3), ("eat", 1)])
    ethogram = replace(ethogram, scores=np.array([0.9, 0.3, 0.45, 0.5, 0.1]))
    page = page_of(tmp_path, ethogram)
    stretches = [[cell[0] for cell in row] for row in page.tables["parts"][1][1:]]
    assert stretches == [
        ["several", "0:00:05.0", "3.00 s", "150–239", "0.40"],
        ["eat", "0:00:11.0", "1.00 s", "330–359", "0.10"],
    ]
    assert "33.3 % of the rest with low scores" in page.text


def test_very_many_animals_have_a_page_that_says_where_their_numbers_are(tmp_path: Path) -> None:
    found = [make_ethogram([("rest", 5)], name=f"{n}.mp4") for n in range(61)]
    page = page_of(tmp_path, *found)
    assert "bout_statistics.csv" in page.text
    assert len(page.data["animals"]) == 61
    assert len(page.tables["behaviours"]) == 1


def test_no_recording_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultError, match="no recordings"):
        write_report(tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_cannot_be_read_leaves_the_page_as_it_was(tmp_path: Path) -> None:
    write_report(tmp_path, [make_ethogram([("rest", 5)])])
    before = (tmp_path / REPORT_PAGE).read_bytes()

    def fails() -> Iterator[Ethogram]:
        yield make_ethogram([("eat", 5)])
        raise ResultError("not whole")

    with pytest.raises(ResultError, match="not whole"):
        write_report(tmp_path, fails())
    assert (tmp_path / REPORT_PAGE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [REPORT_PAGE]


def test_the_same_results_make_the_same_page(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, [make_ethogram(random_bouts(500))], title="same")
    pages = [(tmp_path / name / REPORT_PAGE).read_bytes() for name in ("a", "b")]
    assert pages[0] == pages[1]


def test_without_jinja_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"i3d-triton\[report\]"):
        write_report(tmp_path, [make_ethogram([("rest", 5)])])


def test_the_page_may_run_and_fetch_nothing_but_its_own(tmp_path: Path) -> None:
    text = page_of(tmp_path, make_ethogram([("rest", 5)])).text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].startswith("'sha256-")
    assert rules["media-src"] == "'self' file: data:"
    assert "://" not in text
    assert not re.search(r'\s(on\w+|style)="', text)
