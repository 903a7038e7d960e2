"""A long video made of one real clip, repeated without encoding it again."""

from __future__ import annotations

from pathlib import Path

import av


def write_looped(clip: Path, path: Path, *, num_frames: int) -> int:
    """Write whole repeats of a clip, until there are ``num_frames`` or a few more.

    Packets are copied and their timestamps shifted, so the pictures are the clip's own.

    Returns:
        The number of frames written.
    """
    written, offset = 0, 0
    with av.open(str(path), "w") as target:
        stream = None
        while written < num_frames:
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                end = offset
                for packet in source.demux(video):
                    if packet.pts is None or packet.dts is None:
                        continue
                    end = max(end, offset + packet.pts + (packet.duration or 0))
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    target.mux(packet)
                    written += 1
                offset = end
    return written
