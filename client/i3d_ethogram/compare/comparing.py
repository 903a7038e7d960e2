"""Compares results with what people annotated, one recording at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.errors import InputError, ResultError
from i3d_client.printable import printable
from i3d_client.results import RUN_FILE, read_run
from i3d_ethogram.annotations.annotation import Annotation
from i3d_ethogram.annotations.annotation_matching import match_annotations, name_of
from i3d_ethogram.annotations.annotations import read_annotations
from i3d_ethogram.compare.agreement import agreement_of
from i3d_ethogram.compare.annotated_frames import (
    UNANNOTATED,
    UNKNOWN,
    Frames,
    annotate_frames,
    renamed_labels,
)
from i3d_ethogram.compare.comparison import MODEL, OTHER, STRIP_COLUMNS, CompareOptions, Comparison
from i3d_ethogram.compare.comparison_notes import Note, notes_on, notes_on_frames
from i3d_ethogram.ethogram import Ethogram
from i3d_ethogram.formats.video_files import first_frames_of_videos
from i3d_ethogram.reading import find_recordings, open_scores, read_ethogram
from i3d_ethogram.run_document import check_run


def compare_results(
    result: Path, files: Sequence[Path], *, options: CompareOptions
) -> Iterator[Comparison | Note]:
    """Compare a recording, or all in a folder, with annotations of them.

    Yields for each annotation how the model agrees with it, and, for each two annotations of one
    recording, how those agree: no model can be expected to agree with people better. Whatever
    cannot be used is a ``Note``.

    Args:
        result: a recording's folder, or the folder of all of them.
        files: of annotations.
        options: how to compare.

    Raises:
        InputError: a file cannot be used, or none is of a recording.
        ResultError: results cannot be used.
    """
    out, names = _recordings(result)
    annotations = [
        annotation
        for file in dict.fromkeys(files)
        for annotation in read_annotations(file, chosen=options.chosen)
    ]
    _check_names(annotations, options.names)
    videos = {name: _videos(out / name) for name in names}
    matched, unmatched = match_annotations(annotations, videos)
    for annotation in unmatched:
        media = ", ".join(annotation.media_names) or "a video that it does not name"
        yield Note.warning(f"{name_of(annotation)}: left out: of {printable(media)}, not of these")
    for name, of_recording in matched.items():
        yield from _compare_recording(out, name, of_recording, videos[name], options)


def _compare_recording(
    out: Path,
    name: str,
    annotations: Sequence[Annotation],
    videos: Sequence[str],
    options: CompareOptions,
) -> Iterator[Comparison]:
    ethogram = read_ethogram(out, name, smoothing=options.smoothing)
    frames = Frames(
        first_frame=int(ethogram.first_frames[0]),
        times_us=_frame_times_us(out / name, len_frames=_count(ethogram)),
        videos=tuple(Path(video).name for video in videos),
        video_frames=tuple(first_frames_of_videos(ethogram)[:-1]),
    )
    predicted = np.repeat(ethogram.codes, np.diff(ethogram.first_frames))
    seen = [
        annotate_frames(
            annotation,
            frames,
            labels=ethogram.labels,
            names=options.names,
            offset_us=options.offset_us,
        )
        for annotation in annotations
    ]
    inside = _inside(frames.times_us, options)
    times_us = frames.times_us[inside.start : inside.stop + 1]
    size = len(ethogram.labels)
    people = [_reference(on_frames.codes[inside], options, size) for on_frames in seen]
    for annotation, on_frames, codes in zip(annotations, seen, people, strict=True):
        known = _known_labels(ethogram.labels, annotation, options)
        model = _limited(predicted[inside], known, options)
        yield _comparison(
            ethogram,
            times_us,
            reference=name_of(annotation),
            other=MODEL,
            annotated=codes,
            predicted=model,
            options=options,
            notes=(
                *notes_on(annotation, on_frames, ethogram=ethogram, videos=frames.videos),
                *notes_on_frames(
                    codes,
                    model,
                    times_us=times_us,
                    fps=ethogram.fps,
                    offset_us=options.offset_us,
                ),
            ),
        )
    for one, another in combinations(range(len(annotations)), 2):
        if not np.any((people[one] >= 0) & (people[another] >= 0)):
            continue  # of different parts, such as the files of one recording
        yield _comparison(
            ethogram,
            times_us,
            reference=name_of(annotations[one]),
            other=name_of(annotations[another]),
            annotated=people[one],
            predicted=people[another],
            options=options,
            notes=(),
        )


def _comparison(
    ethogram: Ethogram,
    times_us: NDArray[np.int64],
    *,
    reference: str,
    other: str,
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    options: CompareOptions,
    notes: tuple[Note, ...],
) -> Comparison:
    labels = (*ethogram.labels, OTHER) if options.others else ethogram.labels
    agreement = agreement_of(
        annotated,
        predicted,
        labels=labels,
        times_us=times_us,
        tolerance_us=options.tolerance_us,
    )
    return Comparison(
        recording=ethogram.name,
        reference=reference,
        other=other,
        agreement=agreement,
        notes=notes,
        begin_us=int(times_us[0]),
        end_us=int(times_us[-1]),
        strips=np.stack([_strip(codes, times_us) for codes in (annotated, predicted)]),
        model=str(ethogram.run["model"]["name"]),
    )


def _strip(codes: NDArray[np.int16], times_us: NDArray[np.int64]) -> NDArray[np.int16]:
    """Return the label in the middle of each column of a picture: (columns,) int16."""
    length_us = int(times_us[-1] - times_us[0])
    middles = times_us[0] + (2 * np.arange(STRIP_COLUMNS) + 1) * length_us // (2 * STRIP_COLUMNS)
    strip: NDArray[np.int16] = codes[np.searchsorted(times_us, middles, side="right") - 1]
    return strip


def _reference(codes: NDArray[np.int16], options: CompareOptions, other: int) -> NDArray[np.int16]:
    """Return an annotation as it is compared: with ``others``, what it leaves open is ``OTHER``."""
    if not options.others:
        return codes
    return np.where((codes == UNANNOTATED) | (codes == UNKNOWN), np.int16(other), codes)


def _limited(
    codes: NDArray[np.int16], known: NDArray[np.bool_], options: CompareOptions
) -> NDArray[np.int16]:
    """Return the model's labels as they are compared: with ``others``, some are ``OTHER``."""
    if not options.others:
        return codes
    return np.where((codes >= 0) & ~known[codes], np.int16(len(known)), codes)


def _known_labels(
    labels: Sequence[str], annotation: Annotation, options: CompareOptions
) -> NDArray[np.bool_]:
    taken = renamed_labels(annotation.labels, labels=labels, names=options.names)
    return np.isin(np.array(labels, object), list(taken.values()))


def _inside(times_us: NDArray[np.int64], options: CompareOptions) -> slice:
    """Return the frames that are shown between ``start_us`` and ``stop_us``.

    Raises:
        InputError: there is none.
    """
    middles = times_us[:-1] + times_us[1:]
    start = 0 if options.start_us is None else np.searchsorted(middles, 2 * options.start_us)
    stop = (
        len(middles) if options.stop_us is None else np.searchsorted(middles, 2 * options.stop_us)
    )
    if start >= stop:
        raise InputError(
            f"expected --start and --stop to leave a part of {times_us[0] / 1e6:g} to "
            f"{times_us[-1] / 1e6:g} s, where the recording is; they leave nothing"
        )
    return slice(int(start), int(stop))


def _recordings(result: Path) -> tuple[Path, list[str]]:
    """Return the folder of all results and the recordings in it that are meant."""
    if (result / RUN_FILE).is_file():
        return result.parent, [result.name]
    return result, find_recordings(result)


def _videos(folder: Path) -> list[str]:
    run = read_run(folder)
    if run is None:
        raise ResultError(f"{printable(folder / RUN_FILE)}: is not a result of i3d classify")
    check_run(folder / RUN_FILE, run)
    return [str(video["path"]) for video in run["videos"]]


def _frame_times_us(folder: Path, *, len_frames: int) -> NDArray[np.int64]:
    times, at = np.empty(len_frames + 1, np.int64), 0
    for batch in open_scores(folder).batches():
        times[at : at + len(batch.times_us)] = batch.times_us
        at += len(batch.statuses)
    return times


def _count(ethogram: Ethogram) -> int:
    return int(ethogram.first_frames[-1] - ethogram.first_frames[0])


def _check_names(annotations: Sequence[Annotation], names: Mapping[str, str]) -> None:
    """Refuse names that no annotation has.

    Raises:
        InputError: names them.
    """
    there = {label for annotation in annotations for label in annotation.labels}
    for name in names:
        if name not in there:
            shown = ", ".join(printable(label) for label in sorted(there)[:20])
            raise InputError(
                f"--map {printable(name)}=…: expected a behaviour of the annotations, which have "
                f"{shown}"
            )
