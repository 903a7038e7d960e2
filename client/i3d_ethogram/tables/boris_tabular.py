"""``boris_tabular.csv``: the bouts as BORIS exports "tabular events", which is what SimBA appends.

Two rows a bout, its START and its STOP. The columns are those of BORIS 8.27.4 and 9.3.3
(``boris/export_observation.py``, function ``export_tabular_events``), which leaves subject and
category empty if there is none. SimBA takes this export, as
CSV, and no aggregated one: it goes by the columns Time, FPS, Behavior, Behavior type, Media file
name and Image index (``simba/third_party_label_appenders/tools.py``, function ``read_boris_file``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from i3d_client.durable import FileRecord
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.tables.boris_observation import boris_bouts, observation_of
from i3d_ethogram.tables.csv_file import write_csv

TABULAR_FILE = "boris_tabular.csv"
TABULAR_COLUMNS = (
    "Observation id",
    "Observation date",
    "Description",
    "Observation duration",
    "Observation type",
    "Source",
    "Time offset (s)",
    "Media duration (s)",
    "FPS",
    "Subject",
    "Behavior",
    "Behavioral category",
    "Behavior type",
    "Time",
    "Media file name",
    "Image index",
    "Image file path",
    "Comment",
)


def write_boris_tabular(folder: Path, ethogram: Ethogram) -> FileRecord:
    """Write ``boris_tabular.csv`` into a recording's folder.

    Both rows of a bout name the file in which it begins and count ``Image index`` from 0 in it;
    that of STOP is the frame after the bout's last, which SimBA counts in, as it does of BORIS.

    Raises:
        OutputError: it cannot be written.
    """
    return write_csv(folder / TABULAR_FILE, header=TABULAR_COLUMNS, rows=_rows(ethogram))


def _rows(ethogram: Ethogram) -> Iterator[tuple[object, ...]]:
    observation = observation_of(ethogram)
    for bout in boris_bouts(ethogram, observation):
        start = ("START", bout.start_ms, bout.start_index, bout.comment)
        stop = ("STOP", bout.stop_ms, bout.stop_index, None)
        for event, time_ms, index, comment in (start, stop):
            yield (
                observation.name,
                observation.date,
                observation.description,
                observation.duration_s,
                "Media file(s)",
                observation.source,
                "0.0",
                observation.media_durations_s,
                observation.media_fps,
                None,
                bout.label,
                None,
                event,
                f"{time_ms / 1000:.3f}",
                bout.media,
                index,
                "NA",
                comment,
            )
