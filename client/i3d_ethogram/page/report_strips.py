"""Of which bouts the page holds pictures, where it cannot play the video."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from i3d_ethogram.page.report_recording import LONGEST, RecordingNumbers
from i3d_ethogram.page.strips import BoutTime, Strip, read_strips

MOST_BYTES = 3_000_000
WHY_NO_STRIP = (
    f"Pictures are embedded of the {LONGEST} longest bouts of each behaviour, up to "
    f"{MOST_BYTES // 1_000_000} MB in all; there are none of this moment."
)


def longest_strips(
    recordings: Sequence[RecordingNumbers],
) -> Iterator[tuple[tuple[int, int], Strip | str]]:
    """Yield pictures of the longest bouts where the page cannot play the video.

    The longest bout of each behaviour of every recording comes first, then the second.
    """
    keys: list[tuple[int, int]] = []
    wanted: list[BoutTime] = []
    ranked = [
        (rank, place, part)
        for place, recording in enumerate(recordings)
        for _label, parts in groupby(recording.longest, key=lambda part: part.label)
        for rank, part in enumerate(parts)
    ]
    for _rank, place, part in sorted(ranked, key=lambda item: item[:2]):
        for file in recordings[place].videos:
            if file.url is None and file.there and file.start_us <= part.start_us < file.stop_us:
                stop_us = min(part.stop_us, file.stop_us)
                wanted.append(
                    BoutTime(
                        key=len(keys),
                        path=file.path,
                        start_s=file.first_timestamp_s + (part.start_us - file.start_us) / 1e6,
                        stop_s=file.first_timestamp_s + (stop_us - file.start_us) / 1e6,
                        fps=None if file.timed else file.fps,
                        rotation=file.rotation,
                    )
                )
                keys.append((place, part.start_us))
    for key, strip in read_strips(wanted, most_bytes=MOST_BYTES):
        yield keys[key], strip


def strips_note(strips: Mapping[tuple[int, int], Strip | str]) -> str:
    """Say how many pictures the page holds; nothing if none."""
    pictured = [strip for strip in strips.values() if isinstance(strip, Strip)]
    if not pictured:
        return ""
    size = sum(strip.num_bytes for strip in pictured) / 1e6
    return f"Pictures of {len(pictured)} bouts are embedded ({size:.1f} MB)."
