"""``ethogram.nwb``: the ethogram in Neurodata Without Borders, as ndx-ethogram 0.1 lays it out.

In the processing module ``behavior``: ``bouts`` (EthogramBouts) with its catalogue ``ethogram`` and
the intervals that were scored, ``observed``, outside of which no bout does not mean no behaviour;
the reasons are in ``unscored``. The bouts' source is ``probabilities``, the network's answer for
each frame, NaN where there is none. The video stays where it is; the file names the way to it.

NWB demands the time when a session began. If it is not known, the time of classification stands in
its place, and ``session_description`` says so: a guess from the video file's date would look like
knowledge. Seconds count from the recording's first frame in either case.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.durable import complete_path
from i3d_client.errors import MissingExtraError
from i3d_client.frame_status import STATUS_NAMES, Status
from i3d_client.printable import json_line, printable
from i3d_client.scores_file import SCORES_FILE, Scores
from i3d_ethogram.ethogram import UNSCORED, Ethogram
from i3d_ethogram.formats.nwb_subject import subject_of
from i3d_ethogram.formats.origin import origin_of, written_by
from i3d_ethogram.formats.video_files import first_frames_of_videos, relative_path, video_path

NWB_FILE = "ethogram.nwb"
_CHUNK_CELLS = 1 << 18


def write_nwb(
    folder: Path,
    ethogram: Ethogram,
    scores: Scores,
    *,
    animal: Mapping[str, str] | None = None,
    videos: Path | None = None,
) -> None:
    """Write ``ethogram.nwb`` into ``folder``.

    Args:
        folder: the recording's.
        ethogram: its bouts. If ``recorded_at`` has no time zone, it is taken to be in that of this
            machine.
        scores: its probabilities.
        animal: what is known of the animal, as in ``subject_of``.
        videos: folder in which to look for videos that are not where they were.

    Raises:
        MissingExtraError: pynwb or ndx-ethogram is not installed.
        OutputError: it cannot be written; nothing is left of it.
    """
    try:
        import h5py  # type: ignore[import-untyped]
        import ndx_ethogram  # noqa: F401 - registers its types
        from pynwb import NWBHDF5IO
    except ModuleNotFoundError as error:
        raise MissingExtraError("nwb", needed_for="--format nwb") from error
    nwb = _file(ethogram)
    nwb.subject = subject_of(ethogram.name, animal or {})
    series = _probabilities(scores)
    video = _video(ethogram, scores, series, folder, videos)
    nwb.add_acquisition(video)
    module = nwb.create_processing_module("behavior", "behaviours that a network saw in the video")
    catalogue = _catalogue(ethogram.labels)
    observed = _intervals("observed", "stretches of frames that have a label", *_observed(ethogram))
    for part in (series, catalogue, observed, _bouts(ethogram, series, video, catalogue, observed)):
        module.add(part)
    if (ethogram.codes == UNSCORED).any():
        module.add(_unscored(ethogram))
    with (
        complete_path(folder / NWB_FILE) as path,
        path.open("w+b") as file,  # HDF5 itself takes no path that is not UTF-8
        h5py.File(file, "w") as hdf5,
        NWBHDF5IO(mode="w", file=hdf5) as io,
    ):
        io.write(nwb)
        _fill(series, scores)


def _file(ethogram: Ethogram) -> Any:
    from pynwb import NWBFile

    scores_sha256 = ethogram.run["files"][SCORES_FILE]["sha256"]
    return NWBFile(
        session_description=(
            f"Behaviours in the video {printable(ethogram.name)}, labelled by the model "
            f"{ethogram.run['model']['name']}. {_what_the_start_is(ethogram)}"
        ),
        identifier=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{ethogram.name!r} {scores_sha256}")),
        session_start_time=_session_start(ethogram),
        keywords=["behavior", "ethogram", "video"],
        was_generated_by=[["i3d-triton", version("i3d-triton")]],
    )


def _what_the_start_is(ethogram: Ethogram) -> str:
    if ethogram.recorded_at is None:
        return (
            "When the recording began is not known: the session start is when the video was "
            "classified."
        )
    if ethogram.recorded_at.tzinfo is None:
        return (
            "The session start is when the recording began, taken to be in the time zone of the "
            "machine that wrote this file."
        )
    return "The session start is when the recording began."


def _session_start(ethogram: Ethogram) -> datetime:
    if ethogram.recorded_at is None:
        return datetime.fromisoformat(ethogram.run["run"]["started_at"])
    recorded_at = ethogram.recorded_at
    return recorded_at if recorded_at.tzinfo is not None else recorded_at.astimezone()


def _probabilities(scores: Scores) -> Any:
    """Return a series without content, which ``_fill`` gives it: it need not fit into memory."""
    from pynwb import H5DataIO, TimeSeries

    frames, classes = scores.num_frames, len(scores.labels)
    rows = max(1, min(frames, _CHUNK_CELLS // classes))
    compressed = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
    return TimeSeries(
        name="probabilities",
        description=(
            "Probability of each behaviour in each frame, in the order of native_code of the "
            "catalogue; NaN where no window of frames labels it. "
            f"The first frame is number {scores.first_frame} of the recording."
        ),
        data=H5DataIO(
            shape=(frames, classes),
            dtype=np.dtype(np.float32),
            chunks=(rows, classes),
            **compressed,
        ),
        unit="probability",
        timestamps=H5DataIO(
            shape=(frames,),
            dtype=np.dtype(np.float64),
            chunks=(min(frames, _CHUNK_CELLS),),
            **compressed,
        ),
    )


def _fill(series: Any, scores: Scores) -> None:
    data, timestamps = series.data.dataset, series.timestamps.dataset
    at = 0
    for batch in scores.batches():
        stop = at + len(batch.statuses)
        probabilities = batch.probabilities.copy()
        probabilities[batch.statuses != Status.SCORED] = np.nan
        data[at:stop] = probabilities
        timestamps[at:stop] = batch.times_us[:-1] / 1e6
        at = stop


def _video(
    ethogram: Ethogram, scores: Scores, series: Any, folder: Path, moved_to: Path | None
) -> Any:
    """Return the link to the videos; each frame has its time if all of them were classified."""
    from pynwb.image import ImageSeries

    videos = ethogram.run["videos"]
    offsets = first_frames_of_videos(ethogram)
    whole = (scores.first_frame, scores.num_frames) == (0, offsets[-1])
    by_rate = {"rate": ethogram.fps, "starting_time": 0.0, "num_samples": offsets[-1]}
    timing = {"timestamps": series} if whole else by_rate
    return ImageSeries(
        name="video",
        description="The video that was classified."
        + ("" if whole else " Not all of it was: its times here follow from its frame rate."),
        external_file=[
            relative_path(video_path(video, videos=moved_to), folder) for video in videos
        ],
        starting_frame=offsets[:-1],
        format="external",
        dimension=[int(videos[0]["width"]), int(videos[0]["height"])],
        unit="n.a.",
        **timing,
    )


def _catalogue(labels: Sequence[str]) -> Any:
    from ndx_ethogram import Ethogram as Catalogue

    count = len(labels)
    return Catalogue(
        name="ethogram",
        description="All behaviours that the model knows.",
        exclusive=True,
        columns=[
            _column("behavior", "name", list(labels)),
            _column("definition", "definition", ["as annotated in the model's training"] * count),
            _column("behavior_type", "state or point", ["state"] * count),
            _column("native_code", "the model's output", np.arange(count, dtype=np.int32)),
        ],
    )


def _bouts(ethogram: Ethogram, series: Any, video: Any, catalogue: Any, observed: Any) -> Any:
    from ndx_ethogram import EthogramBouts

    runs = np.flatnonzero(ethogram.codes != UNSCORED)
    labels = [ethogram.labels[code] for code in ethogram.codes[runs].tolist()]
    return EthogramBouts(
        name="bouts",
        description="Stretches of consecutive frames that have one label.",
        labeling_method="automated",
        source_software=written_by(),
        parameters=_parameters(ethogram),
        source=series,
        source_video=video,
        observation_intervals=observed,
        ethogram=catalogue,
        columns=[
            *_times(ethogram.times_us[runs], ethogram.times_us[runs + 1]),
            _column("label", "behaviour", labels),
            _column("score", "mean probability of the label, 0 to 1", ethogram.scores[runs]),
            _column("start_frame", "number of the first frame", ethogram.first_frames[runs]),
            _column("stop_frame", "the frame after the last", ethogram.first_frames[runs + 1]),
        ],
    )


def _parameters(ethogram: Ethogram) -> str:
    """Return all that run.json says, as JSON; numbers and text only."""
    return json.dumps(json.loads(json_line(origin_of(ethogram))), indent=1)


def _observed(ethogram: Ethogram) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where stretches of scored frames begin and end, in µs."""
    scored = np.concatenate([[False], ethogram.codes != UNSCORED, [False]])
    return (
        ethogram.times_us[np.flatnonzero(~scored[:-1] & scored[1:])],
        ethogram.times_us[np.flatnonzero(scored[:-1] & ~scored[1:])],
    )


def _unscored(ethogram: Ethogram) -> Any:
    runs = np.flatnonzero(ethogram.codes == UNSCORED)
    reasons = [STATUS_NAMES[status] for status in ethogram.statuses[runs].tolist()]
    starts_us, stops_us = ethogram.times_us[runs], ethogram.times_us[runs + 1]
    reason = _column("reason", "why they have no label", reasons)
    return _intervals("unscored", "frames without a label", starts_us, stops_us, reason)


def _intervals(
    name: str,
    description: str,
    starts_us: NDArray[np.int64],
    stops_us: NDArray[np.int64],
    *others: Any,
) -> Any:
    from pynwb.epoch import TimeIntervals

    columns = [*_times(starts_us, stops_us), *others]
    return TimeIntervals(name=name, description=description, columns=columns)


def _times(starts_us: NDArray[np.int64], stops_us: NDArray[np.int64]) -> list[Any]:
    return [
        _column("start_time", "seconds from the recording's first frame", starts_us / 1e6),
        _column("stop_time", "seconds from the recording's first frame", stops_us / 1e6),
    ]


def _column(name: str, description: str, data: Any) -> Any:
    from pynwb.core import VectorData

    return VectorData(name=name, description=description, data=data)
