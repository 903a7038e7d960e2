"""``boris.tsv``: the bouts as BORIS exports "aggregated events".

The columns, their order and what stands in them are those of BORIS 8.27.4 and 9.3.3
(``boris/export_events.py`` and ``boris/export_observation.py``, function
``export_aggregated_events``): state events of one observation, ordered by their start, without
independent variables and modifiers. BORIS's own function, given the same events, writes the same
file but for the description. Times are in whole milliseconds, as there; ``bouts.csv`` has them
exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from i3d_client.durable import FileRecord
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.tables.boris_observation import boris_bouts, observation_of
from i3d_ethogram.tables.csv_file import write_csv

BORIS_FILE = "boris.tsv"
BORIS_COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Coding duration",
    "Media duration (s)",
    "FPS (frame/s)",
    "Subject",
    "Observation duration by subject by observation",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Start (s)",
    "Stop (s)",
    "Duration (s)",
    "Media file name",
    "Image index start",
    "Image index stop",
    "Image file path start",
    "Image file path stop",
    "Comment start",
    "Comment stop",
)


def write_boris_events(folder: Path, ethogram: Ethogram) -> FileRecord:
    """Write ``boris.tsv`` into a recording's folder.

    The observation is the recording; its date is empty unless it is known when the recording began.
    Unscored time has no row. ``Image index`` counts frames from 0 in the file in which the bout
    begins, and ``stop`` is the frame after its last; ``Comment start`` is the mean score.

    Raises:
        OutputError: it cannot be written.
    """
    return write_csv(
        folder / BORIS_FILE,
        header=BORIS_COLUMNS,
        rows=_rows(ethogram),
        delimiter="\t",
        line_end="\r\n",
    )


def _rows(ethogram: Ethogram) -> Iterator[tuple[object, ...]]:
    observation = observation_of(ethogram)
    observed_ms = sum(b.stop_ms - b.start_ms for b in boris_bouts(ethogram, observation))
    for bout in boris_bouts(ethogram, observation):
        yield (
            observation.name,
            observation.date,
            observation.description,
            "Media file",
            observation.source,
            "0.0",
            observation.duration_s,
            observation.media_durations_s,
            observation.media_fps,
            "No focal subject",
            observed_ms / 1000,
            bout.label,
            "Not defined",
            "STATE",
            f"{bout.start_ms / 1000:.3f}",
            f"{bout.stop_ms / 1000:.3f}",
            f"{(bout.stop_ms - bout.start_ms) / 1000:.3f}",
            bout.media,
            bout.start_index,
            bout.stop_index,
            None,
            None,
            bout.comment,
            None,
        )
