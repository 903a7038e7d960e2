"""The tables of an experiment: every recording in one file, with what the lab knows of it.

Times are seconds with six decimals, exact sums of whole microseconds: each row of ``summary.csv``
adds up to its hour, and the hours of a recording, or its rows in ``time_budget.csv``, to its
duration. A label that a recording's model does not have is an empty cell, not 0. The last two
columns of every table say what made its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from i3d_client.durable import FileRecord, write_errors
from i3d_client.printable import printable
from i3d_ethogram.ethogram import Ethogram, seconds_text
from i3d_ethogram.made_by import differences
from i3d_ethogram.metadata import ANIMAL, NO_METADATA, RECORDING, RecordingMetadata
from i3d_ethogram.tables.animal_hours import animal_hours, overlaps
from i3d_ethogram.tables.csv_file import write_csv
from i3d_ethogram.tables.hours import ALL_LABELS_UP_TO
from i3d_ethogram.tables.recording_summary import RecordingSummary, summarise

SUMMARY_FILE = "summary.csv"
ANIMALS_FILE = "summary_by_animal.csv"
BUDGET_FILE = "time_budget.csv"
BOUT_STATISTICS_FILE = "bout_statistics.csv"
TRANSITIONS_FILE = "transitions.csv"

_BUDGET_COLUMNS = ("label", "seconds", "percent_of_recording", "percent_of_scored")
_BOUT_COLUMNS = (
    "label",
    "bouts",
    "total_s",
    "mean_s",
    "median_s",
    "p95_s",
    "longest_s",
    "first_bout_s",
    "cut_off",
)
_TRANSITION_COLUMNS = ("from", "to", "count", "percent_of_from")
_HOUR_COLUMNS, _SUM_COLUMNS = ("hour", "clock"), ("unscored", "total")
_MADE_BY_COLUMNS = ("model", "smoothing")

Row = tuple[object, ...]


class Experiment:
    """Recordings, taken one at a time, of which only what the tables need is kept."""

    def __init__(self, *, metadata: RecordingMetadata = NO_METADATA) -> None:
        self._metadata = metadata
        self._recordings: list[RecordingSummary] = []

    def add(self, ethogram: Ethogram) -> None:
        """Take a recording in; the tables have them in this order."""
        self._recordings.append(summarise(ethogram))

    def write(self, out: Path) -> dict[str, FileRecord]:
        """Write the tables into the folder of all results; return what was written, by name.

        ``summary_by_animal.csv`` is written only if the metadata name animals; one that an earlier
        run wrote is removed if they do not.

        Raises:
            OutputError: one of them cannot be written.
        """
        tables: dict[str, tuple[list[str], Iterator[Row]]] = {
            SUMMARY_FILE: (self._wide_header(RECORDING, *self._columns), self._hours()),
            BUDGET_FILE: (self._header(_BUDGET_COLUMNS), self._budget()),
            BOUT_STATISTICS_FILE: (self._header(_BOUT_COLUMNS), self._bouts()),
            TRANSITIONS_FILE: (self._header(_TRANSITION_COLUMNS), self._transitions()),
        }
        if self._animals:
            others = [column for column in self._columns if column != ANIMAL]
            header = self._wide_header(ANIMAL, *others, "recordings")
            tables[ANIMALS_FILE] = (header, self._animal_hours(others))
        else:
            with write_errors(out / ANIMALS_FILE):
                (out / ANIMALS_FILE).unlink(missing_ok=True)
        return {
            name: write_csv(out / name, header=header, rows=rows)
            for name, (header, rows) in tables.items()
        }

    def warnings(self) -> list[str]:
        """Return what someone who compares these recordings should know."""
        found = differences([(known.name, known.made_by) for known in self._recordings])
        incomplete = [printable(known.name) for known in self._recordings if not known.complete]
        if incomplete:
            found.append(f"not all of these was classified: {_some(incomplete)}")
        unmatched = [printable(name) for name in self._metadata.unmatched]
        if unmatched and self._metadata.rows:
            found.append(f"the metadata have no row for {_some(unmatched)}")
        found += self._metadata.unused
        for animal, recordings in self._animals.items():
            found += [f"animal {printable(animal)}: {text}" for text in overlaps(recordings)]
        return found

    @property
    def _columns(self) -> tuple[str, ...]:
        return self._metadata.columns

    @property
    def _animals(self) -> dict[str, list[RecordingSummary]]:
        animals: dict[str, list[RecordingSummary]] = {}
        for recording in self._recordings:
            animal = self._metadata.animal(recording.name)
            if animal is not None:
                animals.setdefault(animal, []).append(recording)
        return animals

    @property
    def _labels(self) -> list[str]:
        """Labels with a column: all up to 32, else those that occur; in the contracts' order."""
        every = self._every_label
        if len(every) <= ALL_LABELS_UP_TO:
            return list(every)
        occurring = {
            label
            for known in self._recordings
            for label, time_us in zip(known.labels, known.label_us.tolist(), strict=True)
            if time_us
        }
        return [label for label in every if label in occurring]

    @property
    def _every_label(self) -> dict[str, None]:
        return dict.fromkeys(label for known in self._recordings for label in known.labels)

    def _wide_header(self, *first: str) -> list[str]:
        last = [*_SUM_COLUMNS, *_MADE_BY_COLUMNS]
        fixed = [first[0], *_HOUR_COLUMNS, *last]
        known = _renamed(first[1:], taken=fixed, kind="metadata")
        labels = _renamed(self._labels, taken=[*fixed, *known], kind="label")
        return [first[0], *known, *_HOUR_COLUMNS, *labels, *last]

    def _header(self, columns: Sequence[str]) -> list[str]:
        last = [*columns, *_MADE_BY_COLUMNS]
        known = _renamed(self._columns, taken=[RECORDING, *last], kind="metadata")
        return [RECORDING, *known, *last]

    def _known(self, recording: RecordingSummary) -> Row:
        return (printable(recording.name), *self._metadata.of(recording.name).values())

    def _hours(self) -> Iterator[Row]:
        labels = self._labels
        for known in self._recordings:
            place = {label: index for index, label in enumerate(known.labels)}
            for hour in known.hours:
                yield (
                    *self._known(known),
                    hour.number,
                    hour.clock and hour.clock.isoformat(),
                    *(
                        seconds_text(int(hour.label_us[place[label]])) if label in place else None
                        for label in labels
                    ),
                    seconds_text(hour.unscored_us),
                    seconds_text(hour.total_us),
                    *_makers(known),
                )

    def _animal_hours(self, others: Sequence[str]) -> Iterator[Row]:
        labels = self._labels
        for animal, recordings in self._animals.items():
            of_name = {recording.name: recording for recording in recordings}
            for hour in animal_hours(recordings):
                known = [self._metadata.of(name) for name in hour.recordings]
                yield (
                    animal,
                    *(_agreed([values[column] for values in known]) for column in others),
                    len(hour.recordings),
                    hour.number,
                    hour.clock and hour.clock.isoformat(),
                    *(
                        seconds_text(hour.label_us[label]) if label in hour.label_us else None
                        for label in labels
                    ),
                    seconds_text(hour.unscored_us),
                    seconds_text(hour.total_us),
                    *_makers(*(of_name[name] for name in hour.recordings)),
                )

    def _budget(self) -> Iterator[Row]:
        shown = set(self._labels)
        for known in self._recordings:
            scored_us = known.duration_us - known.unscored_us
            for label, time_us in zip(known.labels, known.label_us.tolist(), strict=True):
                if label in shown:
                    shares = (_percent(time_us, known.duration_us), _percent(time_us, scored_us))
                    yield (
                        *self._known(known),
                        label,
                        seconds_text(time_us),
                        *shares,
                        *_makers(known),
                    )
            unscored_us = known.unscored_us
            share = _percent(unscored_us, known.duration_us)
            cells = (None, seconds_text(unscored_us), share, None)
            yield (*self._known(known), *cells, *_makers(known))

    def _bouts(self) -> Iterator[Row]:
        shown = set(self._labels)
        for known in self._recordings:
            for label, bouts in zip(known.labels, known.bouts, strict=True):
                if label in shown:
                    yield (
                        *self._known(known),
                        label,
                        bouts.count,
                        seconds_text(bouts.total_us),
                        _seconds(bouts.mean_us),
                        _seconds(bouts.median_us),
                        _seconds(bouts.p95_us),
                        _seconds(bouts.longest_us),
                        _seconds(bouts.first_us),
                        bouts.cut_off,
                        *_makers(known),
                    )

    def _transitions(self) -> Iterator[Row]:
        """Yield each recording's count of every transition that occurs in any of them."""
        occurring = dict.fromkeys(
            (known.labels[a], known.labels[b])
            for known in self._recordings
            for a, b, _ in known.transitions
        )
        order = {label: index for index, label in enumerate(self._every_label)}
        pairs = sorted(occurring, key=lambda pair: (order[pair[0]], order[pair[1]]))
        for known in self._recordings:
            counts = {(known.labels[a], known.labels[b]): n for a, b, n in known.transitions}
            leaving = dict.fromkeys(known.labels, 0)
            for (label, _), count in counts.items():
                leaving[label] += count
            for pair in pairs:
                if pair[0] in leaving and pair[1] in leaving:
                    count = counts.get(pair, 0)
                    share = _percent(count, leaving[pair[0]])
                    yield (*self._known(known), *pair, count, share, *_makers(known))


def _makers(*recordings: RecordingSummary) -> tuple[str, str]:
    """Return what made a row; if its recordings differ, all of it."""
    models = dict.fromkeys(known.made_by.model for known in recordings)
    smoothings = dict.fromkeys(known.made_by.smoothing for known in recordings)
    return " | ".join(models), " | ".join(smoothings)


def _seconds(time_us: int | None) -> str | None:
    return None if time_us is None else seconds_text(time_us)


def _percent(part: int, whole: int) -> str | None:
    return f"{100 * part / whole:.4f}" if whole else None


def _agreed(values: Sequence[str]) -> str:
    """Return what all recordings of a row have in common; empty if they differ."""
    return values[0] if len(set(values)) == 1 else ""


def _renamed(names: Sequence[str], *, taken: Sequence[str], kind: str) -> list[str]:
    """Return names for columns that differ from those taken, and from one another."""
    used, found = {*taken, *names}, []
    for name in names:
        column = name
        while name in taken and column in used:
            column += f" ({kind})"
        used.add(column)
        found.append(column)
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
