"""The journal of a recording: finished spans, on the disk, so that a run goes on where it stopped.

    OUT/<recording>/.journal/run.json            what the spans are of
                             <first>-<stop>.npz  a span's result; segments [first, stop)

Files are complete or absent (``durable``). One process writes (``OutputLock``). Once the results of
a recording are written, its journal is removed.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import shutil
import socket
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import numpy as np

from i3d_client.durable import complete_file, write_errors
from i3d_client.errors import OtherRunError
from i3d_client.spans import SpanResult

_FOLDER = ".journal"
_RUN_FILE = "run.json"
_LOCK_FILE = ".i3d-lock"
_FEATURES = "features"
_NO_FRAMES = -1


class Journal:
    """Finished spans of one recording.

    Args:
        folder: the recording's output folder.
        identity: what the results follow from: input, model, options. A JSON document.

    Attributes:
        damaged: files of spans that were not whole, and are removed.

    Raises:
        OtherRunError: the journal there is of something else; the message says what differs.
        OutputError: it cannot be written.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder / _FOLDER
        self._results: dict[int, int] = {}
        self.damaged = 0
        with write_errors(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            known = _read_json(self._folder / _RUN_FILE)
            if known is None:
                self._remove_spans()  # whatever they are of
                with complete_file(self._folder / _RUN_FILE) as file:
                    file.write(json.dumps(identity, indent=2, ensure_ascii=False))
            elif differences := what_differs(known, identity):
                raise OtherRunError(
                    f"{folder}: holds a part of another run: {'; '.join(differences)}. Give the "
                    "same command as then, or begin anew with --overwrite or another --out"
                )
            else:
                self._find_spans()

    @property
    def num_frames(self) -> int | None:
        """Of the recording, if the span that it ends with is there."""
        for first, stop in self._results.items():
            number = self._read(first, stop).num_frames
            if number is not None:
                return number
        return None

    @property
    def reach(self) -> int:
        """The segment after the last finished one."""
        return max(self._results.values(), default=0)

    def missing(self, num_segments: int) -> list[tuple[int, int]]:
        """Return the ranges of segments that are not there, in order."""
        gaps, at = [], 0
        for first, stop in sorted(self._results.items()):
            if first > at:
                gaps.append((at, first))
            at = max(at, stop)
        if at < num_segments:
            gaps.append((at, num_segments))
        return gaps

    def write(self, result: SpanResult) -> None:
        """Keep a span's result; when this returns, it is on the disk.

        Raises:
            OutputError: it cannot be written. What was there before still is.
        """
        content = io.BytesIO()
        num_frames = _NO_FRAMES if result.num_frames is None else result.num_frames
        np.savez(
            content,
            probabilities=result.probabilities,
            scored=result.scored,
            decoded=np.int64(result.decoded),
            lost_frames=result.lost_frames,
            num_frames=np.int64(num_frames),
            **({} if result.features is None else {_FEATURES: result.features}),
        )
        with complete_file(self._path(result.first_segment, result.stop_segment)) as file:
            file.write(content.getvalue())
        self._results[result.first_segment] = result.stop_segment

    def forget_from(self, segment: int) -> None:
        """Remove the results that reach past the start of a segment.

        Raises:
            OutputError: they cannot be removed.
        """
        with write_errors(self._folder):
            for first, stop in list(self._results.items()):
                if stop > segment:
                    self._path(first, stop).unlink()
                    del self._results[first]

    def results(self, *, features: bool = False) -> Iterator[SpanResult]:
        """Read the spans' results one at a time, in order; their features only if asked."""
        for first, stop in sorted(self._results.items()):
            yield self._read(first, stop, features=features)

    def remove(self) -> None:
        """Remove the journal: the results are written."""
        with write_errors(self._folder):
            shutil.rmtree(self._folder)

    def _path(self, first: int, stop: int) -> Path:
        return self._folder / f"{first:09}-{stop:09}.npz"

    def _read(self, first: int, stop: int, *, features: bool = False) -> SpanResult:
        with np.load(self._path(first, stop), allow_pickle=False) as arrays:
            num_frames = int(arrays["num_frames"])
            return SpanResult(
                first_segment=first,
                stop_segment=stop,
                probabilities=arrays["probabilities"],
                scored=arrays["scored"],
                decoded=int(arrays["decoded"]),
                lost_frames=arrays["lost_frames"],
                num_frames=None if num_frames == _NO_FRAMES else num_frames,
                features=arrays[_FEATURES] if features else None,
            )

    def _find_spans(self) -> None:
        """Find the spans that are whole; remove what cannot be read, or is there twice."""
        at = 0
        for path in sorted(self._folder.glob("*.npz")):
            try:
                first, stop = (int(part) for part in path.stem.split("-"))
                with zipfile.ZipFile(path) as arrays:
                    if arrays.testzip() is not None:  # before a damaged shape is believed
                        raise ValueError("a checksum differs")
                self._read(first, stop)
                if first < at:
                    raise ValueError("overlaps the span before it")
            except (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile):
                path.unlink()
                self.damaged += 1
                continue
            self._results[first] = at = stop

    def _remove_spans(self) -> None:
        for path in self._folder.glob("*.npz"):
            path.unlink()


def remove_journal(folder: Path) -> None:
    """Remove the journal of an output folder, if there is one.

    Raises:
        OutputError: it cannot be removed.
    """
    with write_errors(folder):
        shutil.rmtree(folder / _FOLDER, ignore_errors=not (folder / _FOLDER).exists())


def what_differs(known: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    """Say in words in which entries two documents differ; values that are long are left out."""
    return [
        difference
        for key in sorted(known.keys() | wanted.keys())
        for difference in _differences(key.replace("_", " "), known.get(key), wanted.get(key))
    ]


def _differences(name: str, old: object, new: object) -> Iterator[str]:
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict):
        if old.keys() == new.keys() == {"bytes", "sha256"}:
            yield f"{name} {_changed_content(old, new)}"
        else:
            yield from (f"{name} {difference}" for difference in what_differs(old, new))
    elif isinstance(old, list) and isinstance(new, list) and name == "input":
        if len(old) != len(new):
            yield f"the recording had {len(old)} files, has {len(new)}"
            return
        for number, (before, now) in enumerate(zip(old, new, strict=True), start=1):
            which = "the video" if len(old) == 1 else f"video {number} of {len(old)}"
            yield from _differences(which, before, now)
    else:
        yield f"{name} was {_shown(old)}, is {_shown(new)}"


def _changed_content(old: dict[str, Any], new: dict[str, Any]) -> str:
    if old["bytes"] != new["bytes"]:
        return f"is another one: it had {old['bytes']} bytes, has {new['bytes']}"
    return f"is another one: of the same size, {new['bytes']} bytes, with other content"


def _shown(value: object) -> str:
    if value is None:
        return "not given"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else f"{text[:77]}…"


class OutputLock:
    """Keeps a second process from writing to an output folder; a context manager.

    A POSIX lock, which NFS passes on; it goes with the process.

    Args:
        out: the folder; made if it is not there.
        name: of the lock, for those who write different files.

    Raises:
        OtherRunError: another process has it; the message says which.
        OutputError: the folder cannot be written.
    """

    def __init__(self, out: Path, *, name: str = _LOCK_FILE) -> None:
        self._path = out / name
        with write_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            self._file = self._locked(out)
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n")
            self._file.flush()

    def _locked(self, out: Path) -> IO[str]:
        while True:
            file = self._path.open("a+")
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                holder = file.read(200).strip() or "unknown"
                file.close()
                raise OtherRunError(
                    f"{out}: another run is writing there ({holder}). Wait for it, or choose "
                    "another --out"
                ) from error
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), self._path.stat()):
                    return file
            file.close()  # the run that had it has ended and removed it in between

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError):
            self._path.unlink()
        self._file.close()


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return document if isinstance(document, dict) else None
