"""What ``run.json`` must say before anything is made of it; ``docs/formats.md`` describes it.

Only what something here reads is checked, and once: a document that has been edited, cut or written
by other software is one error that names the field, and no surprise further on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from i3d_client.errors import ResultError
from i3d_client.printable import printable
from i3d_client.scores_file import SCORES_FILE

_EXACT = 2**53  # integers below are the same in every reader of JSON
_FPS = (1e-6, 1e6)
_SHOWN = 60  # characters of a value
CLASSIFY_AGAIN = "Classify the video again, into another folder or with --overwrite"


class _Rule(NamedTuple):
    """What a value must be, in words and as a test."""

    words: str
    holds: Callable[[Any], bool]


class _Field(NamedTuple):
    """A field; one that is not needed may be left out, and be null where ``or_null``."""

    name: str
    rule: _Rule
    needed: bool = True
    or_null: bool = True


def check_run(path: Path, run: Mapping[str, Any]) -> None:
    """See that a ``run.json`` can be used. That it names ``scores.npz`` is not asked here.

    Args:
        path: where it was read.
        run: its content.

    Raises:
        ResultError: names the field, what was expected there and what to do.
    """
    _check(path, "", run, _RUN)
    for place, video in enumerate(run["videos"]):
        _check(path, f"videos[{place}].", video, _VIDEO)
    _check(path, "frames.", run["frames"], _FRAMES)
    _check_frames_of_videos(path, run)
    _check(path, "model.", run["model"], _MODEL)
    _check(path, "options.", run["options"], _OPTIONS)
    _check(path, "run.", run["run"], _TIMES)
    if isinstance(run.get("files"), dict) and SCORES_FILE in run["files"]:
        _require(path, f'files["{SCORES_FILE}"]', run["files"][SCORES_FILE], _OBJECT)
        _check(path, f'files["{SCORES_FILE}"].', run["files"][SCORES_FILE], _RECORD)


def _check(path: Path, where: str, document: Mapping[str, Any], fields: tuple[_Field, ...]) -> None:
    for name, rule, needed, or_null in fields:
        if needed and name not in document:
            raise _error(path, where + name, rule, "nothing")
        if name in document and (needed or not or_null or document[name] is not None):
            _require(path, where + name, document[name], rule)


def _check_frames_of_videos(path: Path, run: Mapping[str, Any]) -> None:
    """See that the videos have as many frames as the recording: some files get a row for each."""
    counts, in_all = [video["frames"] for video in run["videos"]], run["frames"]["in_file"]
    if sum(counts) == in_all:
        return
    field, words = "videos[0].frames", f"{in_all}, as frames.in_file has it"
    if len(counts) > 1:
        field, words = "videos[…].frames", f"{in_all} in all, as frames.in_file has it"
    raise _error(path, field, _Rule(words, lambda _: False), _shown(sum(counts)))


def _require(path: Path, field: str, value: object, rule: _Rule) -> None:
    if not rule.holds(value):
        raise _error(path, field, rule, _shown(value))


def _error(path: Path, field: str, rule: _Rule, got: str) -> ResultError:
    return ResultError(
        f"{printable(path)}: {field}: expected {rule.words}, got {got}. {CLASSIFY_AGAIN}"
    )


def _shown(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT:
        return "an integer too large"  # of more digits than Python may print, too
    if isinstance(value, dict | list) and value:
        return "an object" if isinstance(value, dict) else "a list"
    text = printable(repr(value))
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


def _is_text(value: object, errors: str = "strict") -> bool:
    """Whether every kind of file that is written can hold it."""
    if not isinstance(value, str) or not value or "\0" in value:
        return False
    try:
        value.encode(errors=errors)
    except UnicodeEncodeError:
        return False
    return True


def _is_path(value: object) -> bool:
    """Whether the system can be asked for it; bytes that are not UTF-8 may be in it."""
    return _is_text(value, errors="surrogateescape")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _EXACT


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _EXACT and math.isfinite(value)


def _is_rate(value: object) -> bool:
    return _is_number(value) and _FPS[0] <= value <= _FPS[1]  # type: ignore[operator]


def _is_moment(value: object) -> bool:
    try:
        datetime.fromisoformat(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


def _are_objects(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


_TEXT = _Rule("text, not empty and without NUL", _is_text)
_PATH = _Rule("a path, not empty and without NUL", _is_path)
_COUNT = _Rule("an integer, at least 0", _is_count)
_NUMBER = _Rule("a finite number", _is_number)
_RATE = _Rule("a number of frames per second, finite and above 0", _is_rate)
_OBJECT = _Rule("an object", lambda value: isinstance(value, dict))
_TEXTS = _Rule("a list of texts", _are_texts)
_BOOL = _Rule("true or false", lambda value: isinstance(value, bool))
_STRING = _Rule("text", lambda value: isinstance(value, str))

_RUN = (
    _Field("videos", _Rule("a list of one object or more", _are_objects)),
    _Field("frames", _OBJECT),
    _Field("model", _OBJECT),
    _Field("options", _OBJECT),
    _Field("run", _OBJECT),
    _Field("packages", _OBJECT, needed=False, or_null=False),
    _Field("complete", _BOOL, needed=False, or_null=False),
    _Field("problems", _TEXTS, needed=False, or_null=False),
    _Field("warnings", _TEXTS, needed=False, or_null=False),
)
_VIDEO = (
    _Field("path", _PATH),
    _Field("bytes", _COUNT),
    _Field("sha256", _TEXT),
    _Field("codec", _TEXT),
    _Field("pixel_format", _TEXT),
    _Field("width", _COUNT),
    _Field("height", _COUNT),
    _Field("fps", _RATE),
    _Field("frames", _COUNT),
    _Field("rotation", _NUMBER, needed=False),
    _Field("first_timestamp_s", _NUMBER, needed=False),
    _Field("timed_by", _STRING, needed=False),
)
_COUNTED = (
    *("from_header", "hidden", "decoded", "lost", "given_up", "scored", "unscored"),
    "padded",
)
_FRAMES = (
    _Field("first", _COUNT),
    _Field("in_file", _COUNT),
    *(_Field(name, _COUNT, needed=False) for name in _COUNTED),
)
_MODEL = (
    _Field("name", _TEXT),
    _Field("version", _TEXT),
    _Field("engine", _TEXT),
    _Field("precision", _TEXT),
    _Field("contract", _OBJECT),
)
_OPTIONS = (_Field("recorded_at", _STRING, needed=False),)
_TIMES = (_Field("started_at", _Rule("a date and time as ISO 8601 has it", _is_moment)),)
_RECORD = (_Field("bytes", _COUNT), _Field("sha256", _TEXT))
