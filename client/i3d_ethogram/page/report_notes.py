"""What a reader must know before believing a page: its banner."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from i3d_client.printable import printable
from i3d_ethogram.made_by import differences
from i3d_ethogram.page.report_embedded import Animal
from i3d_ethogram.page.report_recording import RecordingNumbers

_NAMED = 4
_REASONS = 12


class Note(NamedTuple):
    """One line of the banner; ``serious`` if numbers must not be compared as they stand."""

    text: str
    serious: bool


def notes_on(
    recordings: Sequence[RecordingNumbers],
    animals: Sequence[Animal],
    *,
    unmatched: Sequence[str],
    left_out: Sequence[str],
) -> list[Note]:
    """Say where recordings differ in how they were made, and what is missing.

    Args:
        recordings: all of the page.
        animals: as which they are shown.
        unmatched: those of which the table of animals says nothing.
        left_out: why recordings are not in the page, a message each.
    """
    notes = []
    if left_out:
        notes.append(Note(f"Not in this page: {_reasons(left_out)}", True))
    notes += [
        Note(f"{said[0].upper()}{said[1:]}. Do not compare them as they stand.", True)
        for said in differences([(one.name, one.made_by) for one in recordings])
    ]
    partial = [recording.name for recording in recordings if not recording.run.get("complete")]
    if partial:
        notes.append(
            Note(f"Not complete: {_some(partial)}. See Quality for what is missing.", True)
        )
    clocks = {recording.recorded_at is not None for recording in recordings}
    if len(clocks) > 1:
        unknown = [recording.name for recording in recordings if recording.recorded_at is None]
        notes.append(Note(f"When they began is not known of {_some(unknown)}.", False))
    notes += [
        Note(
            f"{animal.name} is not shown by the clock, but each recording in rows of its own: "
            f"{_some(animal.overlaps, between='; ')}.",
            True,
        )
        for animal in animals
        if animal.overlaps
    ]
    if unmatched:
        notes.append(Note(f"The table of animals has no row for {_some(unmatched)}.", False))
    return notes


def _reasons(messages: Sequence[str]) -> str:
    """Return messages in a row; what is said of several recordings alike, once."""
    alike = Counter(printable(" ".join(message.split())).rstrip(".") for message in messages)
    said = [
        message + (f" (of {number} recordings)" if number > 1 else "")
        for message, number in alike.items()
    ]
    more = len(messages) - sum(list(alike.values())[:_REASONS])
    return "; ".join(said[:_REASONS]) + (f"; and {more} more" if more else "") + "."


def _some(names: Sequence[str], *, between: str = ", ") -> str:
    shown = between.join(printable(name) for name in names[:_NAMED])
    return shown + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
