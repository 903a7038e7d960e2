"""Which recordings belong together when accuracy is measured.

Neighbouring frames, and often all recordings of an animal, look alike. So what a head was trained
on and what it is measured on must not come from one group.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from i3d_client.printable import printable
from i3d_ethogram.metadata import ANIMAL, NO_METADATA, RecordingMetadata, read_metadata
from i3d_fit.errors import GroupsError

GroupBy = Literal["video", "animal"]
_SHOWN = 5


def groups_of(
    recordings: Sequence[str],
    *,
    metadata: Path | None,
    by: GroupBy | None,
    others: Sequence[str] = (),
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """Return each recording's group, what they are grouped by, and why some stand alone.

    Args:
        recordings: their names, which differ.
        metadata: a table that says the animal of each (``i3d_ethogram.metadata``).
        by: ``video``: each recording is a group; ``animal``: as the table says, of all; None: by
            animal as far as the table names them, and each other recording by itself. What is
            returned says of how many: an animal that is not named may then be on both sides.
        others: recordings that need no group, but may stand in the table.

    Returns:
        The name of each one's group; what they are grouped by, for people; and, if the table names
        no animal of some, what is to be said of its rows that are for none of the recordings.

    Raises:
        GroupsError: by animal is asked for, and that of a recording is not known.
        InputError: the table cannot be used.
    """
    table = NO_METADATA
    if metadata is not None:
        table = read_metadata(metadata).match([*recordings, *others])
    if by == "video":
        return tuple(recordings), "video", ()
    animals = [table.animal(recording) for recording in recordings]
    missing = animals.count(None)
    if recordings and not missing:
        return tuple(animal for animal in animals if animal is not None), "animal", ()
    if by == "animal":
        raise GroupsError(_unnamed(recordings, table, metadata))
    if ANIMAL not in table.columns:
        return tuple(recordings), "video", ()
    if missing == len(recordings):
        return tuple(recordings), "video (the animal of none is known)", table.unused
    groups = (
        recording if animal is None else animal
        for recording, animal in zip(recordings, animals, strict=True)
    )
    said = f"animal ({missing} of {len(recordings)} videos by itself: animal unknown)"
    return tuple(groups), said, table.unused


def _unnamed(recordings: Sequence[str], table: RecordingMetadata, metadata: Path | None) -> str:
    if metadata is None:
        return (
            "grouping by animal: expected a table that says the animal of each recording, got "
            "none. Give one as the metadata, or group by video"
        )
    unnamed = [name for name in recordings if table.animal(name) is None]
    shown = ", ".join(repr(printable(name)) for name in unnamed[:_SHOWN])
    more = f" and {len(unnamed) - _SHOWN} more" if len(unnamed) > _SHOWN else ""
    return (
        f"{printable(metadata)}: expected the animal of every recording, got none of {shown}{more}."
        " Add them, or group by video"
    )
