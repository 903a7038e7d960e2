"""What the page shows of each animal, and of all together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from i3d_client.frame_status import Status
from i3d_client.printable import printable
from i3d_ethogram.metadata import ANIMAL, RecordingMetadata
from i3d_ethogram.page import report_view as view
from i3d_ethogram.page.report_embedded import Animal, Timelines, animal_of
from i3d_ethogram.page.report_recording import Part, RecordingNumbers
from i3d_ethogram.page.report_sections import Shown, numbers_together
from i3d_ethogram.page.report_view import View
from i3d_ethogram.page.report_words import length_text, share_text

_DAY_US = 24 * 3_600_000_000


def animals_of(
    recordings: Sequence[RecordingNumbers], metadata: RecordingMetadata
) -> Iterator[Animal]:
    """Put recordings of one animal together; each is by itself where the table does not say."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, recording in enumerate(recordings):
        animal = metadata.animal(recording.name)
        key = ("recording", recording.name) if animal is None else (ANIMAL, animal)
        places.setdefault(key, []).append(place)
    for (_kind, name), of_animal in places.items():
        yield animal_of(printable(name), of_animal, recordings)


def whole_view(
    recordings: Sequence[RecordingNumbers], entries: Sequence[view.Entry], shown: Shown
) -> View | None:
    """Return what the page shows of all animals together; None if there is but one."""
    if len(entries) < 2:
        return None
    numbers = numbers_together(recordings, shown)
    return {
        "spread": view.spread_rows(entries, shown),
        "behaviours": view.behaviour_rows(numbers, shown),
        "transitions": view.transition_rows(numbers, shown),
        "duration": length_text(numbers.duration_us),
        "unscored": share_text(numbers.unscored_us, numbers.duration_us),
    }


def section_view(
    number: int, entry: view.Entry, shown: Shown, timelines: Timelines, *, detailed: bool
) -> View:
    """Return what the page shows of an animal; its tables if ``detailed``."""
    numbers, animal = entry.numbers, entry.animal
    days = _days(entry)
    by_day = days > 0 and (animal.clock is not None or len(entry.recordings) == 1)
    rows = days if by_day else sum(len(one.hours) for one in entry.recordings)
    section: View = {
        "number": number,
        "name": animal.name,
        "recordings": [printable(recording.name) for recording in entry.recordings],
        "duration": length_text(numbers.duration_us),
        "unscored": share_text(numbers.unscored_us, numbers.duration_us),
        "clock": animal.clock is not None,
        "height": view.raster_height(rows),
        "days": days > 0,
        "by_day": by_day,
        "bar": view.budget_bar(numbers.label_us.tolist(), numbers.unscored_us, numbers.duration_us),
    }
    return section | _details(entry, shown, timelines) if detailed else section


def _days(entry: view.Entry) -> int:
    """Return in how many rows of 24 hours an animal can be drawn; 0 if hours show all there is.

    Rows of the clock are from midnight to midnight.
    """
    animal = entry.animal
    if animal.clock is None:
        return (
            -(-entry.numbers.duration_us // _DAY_US) if entry.numbers.duration_us >= _DAY_US else 0
        )
    spans = []
    for at_us, recording in zip(animal.at_us, entry.recordings, strict=True):
        if recording.duration_us:
            start_us = at_us + recording.start_us
            spans.append((start_us, start_us + recording.duration_us))
    if not spans:
        return 0
    dates = {
        (animal.clock + timedelta(microseconds=us)).toordinal()
        for start_us, stop_us in spans
        for us in (*range(start_us, stop_us, _DAY_US), stop_us - 1)
    }
    spanned_us = max(stop for _, stop in spans) - min(start for start, _ in spans)
    return len(dates) if len(dates) > 1 or spanned_us >= _DAY_US else 0


def _details(entry: view.Entry, shown: Shown, timelines: Timelines) -> View:
    numbers = entry.numbers
    several = len(entry.recordings) > 1
    placed = list(zip(entry.animal.recordings, entry.recordings, strict=True))

    def rows(listed: Callable[[int, RecordingNumbers], Sequence[Part]]) -> list[View]:
        return [
            view.part_row(
                part,
                recording=place,
                shown=shown,
                several=printable(recording.name) if several else "",
            )
            for place, recording in placed
            for part in listed(place, recording)
        ]

    def bouts(place: int, recording: RecordingNumbers) -> Sequence[Part]:
        exact = [part for part in timelines.exact(place) if part.label is not None]
        return recording.longest if timelines.cell_us is not None else exact

    doubtful_us = sum(recording.doubtful_us for recording in entry.recordings)
    return {
        "several": several,
        "behaviours": view.behaviour_rows(numbers, shown),
        "transitions": view.transition_rows(numbers, shown),
        "hours": view.hours_view(entry, shown),
        "bouts": rows(bouts),
        "unscored_parts": rows(lambda _place, recording: recording.unscored),
        "reasons": _reasons(entry.recordings),
        "doubtful_parts": rows(lambda _place, recording: recording.doubtful),
        "doubtful": length_text(doubtful_us),
        "doubtful_share": share_text(doubtful_us, numbers.duration_us - numbers.unscored_us),
    }


def _reasons(recordings: Sequence[RecordingNumbers]) -> list[tuple[str, str]]:
    """Return why time is unscored, and how much."""
    reasons: dict[Status, int] = {}
    for recording in recordings:
        for status, us in recording.unscored_us_of.items():
            reasons[status] = reasons.get(status, 0) + us
    return [(view.status_text(status), length_text(us)) for status, us in reasons.items()]
