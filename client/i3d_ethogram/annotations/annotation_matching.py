"""Which annotation is of which recording, by the names of videos.

An annotation names its videos (BORIS, the column ``video``) or is named after one
(``mouse1_labels.csv`` of ``mouse1.mp4``). The recording whose path agrees the furthest from its end
is meant; the extension may differ, since many transcode.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

from i3d_client.errors import InputError
from i3d_client.printable import printable
from i3d_ethogram.annotations.annotation import Annotation

_AFTER_NAME = "_-. "


def match_annotations(
    annotations: Sequence[Annotation], recordings: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[Annotation]], list[Annotation]]:
    """Return the annotations of each recording that has any, and those that are of none.

    Where there is one recording, a file that holds one annotation is taken to be of it, whatever
    it is called.

    Args:
        annotations: of all files.
        recordings: the paths of each one's videos, by its name.

    Raises:
        InputError: an annotation may be of several recordings, or none is of any.
    """
    matched: dict[str, list[Annotation]] = defaultdict(list)
    unmatched = []
    for annotation in annotations:
        name = _recording_of(annotation, recordings)
        alone = sum(other.file == annotation.file for other in annotations) == 1
        if name is None and alone and len(recordings) == 1:
            name = next(iter(recordings))
        if name is None:
            unmatched.append(annotation)
        else:
            matched[name].append(annotation)
    if not matched:
        raise InputError(
            f"expected annotations of {_listed(list(recordings))}, got those of "
            f"{_listed([_said(annotation) for annotation in annotations])}. Name the recording's "
            "own folder and choose one with --observation, or give the file the video's name"
        )
    return {name: matched[name] for name in recordings if name in matched}, unmatched


def name_of(annotation: Annotation) -> str:
    """Return what an annotation is called: its file, and its observation if that has a name."""
    name = printable(annotation.file.name)
    return f"{name}, {printable(annotation.observation)}" if annotation.observation else name


def _recording_of(annotation: Annotation, recordings: Mapping[str, Sequence[str]]) -> str | None:
    scores = {
        name: max(
            (likeness(annotation, video) for video in videos),
            default=0,
        )
        for name, videos in recordings.items()
    }
    best = max(scores.values(), default=0)
    if not best:
        return None
    found = [name for name, score in scores.items() if score == best]
    if len(found) > 1:
        raise InputError(
            f"{printable(annotation.file)}: {_said(annotation)} may be any of {_listed(found)}. "
            "Name the recording's own folder, or write more of the video's path in the annotation"
        )
    return found[0]


def likeness(annotation: Annotation, video: str) -> int:
    """Return how well an annotation names a video: 0 not at all, more the more of its path."""
    if annotation.media:
        return max(_shared(_parts(path), _parts(video)) for path in annotation.media)
    mine, name = _composed(annotation.file.stem), _composed(PurePosixPath(video).name)
    stem = _stem(name)
    if mine == name:
        return 2 * len(stem) + 2
    if mine == stem:
        return 2 * len(stem) + 1
    return 2 * len(stem) if any(mine.startswith(stem + sign) for sign in _AFTER_NAME) else 0


def _shared(mine: list[str], its: list[str]) -> int:
    if mine[-1] != its[-1]:
        return int(_stem(mine[-1]) == _stem(its[-1]))
    shared = 1
    for one, other in zip(reversed(mine), reversed(its), strict=False):
        if one != other:
            break
        shared += 1
    return shared


def _parts(path: str) -> list[str]:
    return [_composed(part) for part in re.split(r"[/\\]", path)]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _said(annotation: Annotation) -> str:
    media = " + ".join(Path(name).name for name in annotation.media_names)
    return media or annotation.file.name


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(printable(name)) for name in names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
