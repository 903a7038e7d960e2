"""Labels as DeepEthogram keeps them: a CSV file a video, a row a frame, a column a behaviour.

The layout is that of the files which DeepEthogram writes and reads with pandas (``save`` and
``export_predictions`` in ``deepethogram/gui/main.py``, ``add_label_to_project`` in
``deepethogram/projects.py`` of github.com/jbohnslav/deepethogram): an index column without a name,
then ``background``, then the behaviours; 1 where a behaviour is shown, else 0, and −1 in a whole
row that nobody has labelled. ``background`` is 1 where no behaviour is shown.

So an unscored frame is a row of −1: to call it background would say that the animal does nothing.
DeepEthogram's *finalize* makes background of such rows; ``read_labels`` there turns a table on its
side if it has fewer frames than columns.

DeepEthogram finds a video's labels by the word "labels" in a file's name, and saves them under the
video's name: hence ``<video>_labels.csv``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from i3d_client.durable import CompleteFile, complete_file
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.formats.frame_labels import codes_between
from i3d_ethogram.formats.video_files import first_frames_of_videos

_BACKGROUND = ("background", "none")  # the second is what DeepEthogram renames to the first
_ROWS = 1 << 15


def deepethogram_files(ethogram: Ethogram) -> list[str]:
    """Return the names of the files that ``write_deepethogram`` writes, one a video, in order."""
    names: list[str] = []
    for video in ethogram.run["videos"]:
        stem = Path(video["path"]).stem
        name, again = f"{stem}_labels.csv", 1
        while name in names:
            again += 1
            name = f"{stem}-{again}_labels.csv"
        names.append(name)
    return names


def write_deepethogram(folder: Path, ethogram: Ethogram) -> None:
    """Write the labels of each of a recording's videos into ``folder``.

    Every frame of a video has its row, also where only a part was classified, so that row i is
    frame i of the video.

    Raises:
        OutputError: a file cannot be written; nothing is left of it.
    """
    rows = _row_texts(ethogram.labels)
    names = deepethogram_files(ethogram)
    for name, (first, stop) in zip(names, pairwise(first_frames_of_videos(ethogram)), strict=True):
        with complete_file(folder / name) as file:
            file.write(_header(ethogram.labels))
            _write_rows(file, ethogram, first, stop, rows)


def _write_rows(
    file: CompleteFile, ethogram: Ethogram, first: int, stop: int, rows: Sequence[str]
) -> None:
    for start in range(first, stop, _ROWS):
        codes = codes_between(ethogram, start, min(start + _ROWS, stop)).tolist()
        lines = (f"{start - first + row}{rows[code]}" for row, code in enumerate(codes))
        file.write("".join(lines))


def _header(labels: Sequence[str]) -> str:
    text = io.StringIO()
    behaviours = (label for label in labels if label not in _BACKGROUND)
    csv.writer(text, lineterminator="\n").writerow(["", _BACKGROUND[0], *behaviours])
    return text.getvalue()


def _row_texts(labels: Sequence[str]) -> list[str]:
    """Return what follows the index in the row of each code; the last is for ``UNSCORED``."""
    assert UNSCORED == -1  # noqa: S101 - the last of a list
    return [*_scored_texts(labels), _text([-1] * (1 + _num_behaviours(labels)))]


def _scored_texts(labels: Sequence[str]) -> Iterator[str]:
    place = 0
    for label in labels:
        cells = [0] * (1 + _num_behaviours(labels))
        if label not in _BACKGROUND:
            place += 1
        cells[place if label not in _BACKGROUND else 0] = 1
        yield _text(cells)


def _num_behaviours(labels: Sequence[str]) -> int:
    return sum(label not in _BACKGROUND for label in labels)


def _text(cells: Sequence[int]) -> str:
    return "".join(f",{cell}" for cell in cells) + "\n"
