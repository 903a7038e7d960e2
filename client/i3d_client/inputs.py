"""What the user named becomes recordings to classify: ``collect``.

A recording's results lie in a folder of its own below ``--out``, whose name must tell it from every
other recording, and be the same when the command is given again:

- a file: its name;
- a file below a named folder: its path relative to that folder;
- a file that a list names, or below a folder that a list names: its path relative to the list's
  folder if it lies below that, else as if it had been named itself;
- files that are one recording (``--concatenate``): the first one's, and how many more there are,
  as ``cage 3/rec1.mp4+4 more``.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from i3d_client.errors import InputError, OutputError
from i3d_client.folder_search import (
    VIDEO_SUFFIXES,
    Found,
    is_folder,
    natural_order,
    search_folder,
)
from i3d_client.path_list import LIST_SUFFIX, Line, read_list
from i3d_client.printable import printable

_LONGEST_NAME_BYTES = 255
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Input:
    """One recording to classify.

    Attributes:
        name: folder of its results, relative to ``--out``.
        files: one, or several that are one recording, in order.
    """

    name: PurePosixPath
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A file with its own output name and the recording to which ``--concatenate`` gives it."""

    file: Path
    name: PurePosixPath
    group: tuple[object, ...]


Note = Callable[[str], None]
"""Called with what the user should know: files left out, taken once, put in order."""


def collect(
    named: Sequence[Path],
    *,
    glob: str | None,
    concatenate: bool,
    on_note: Note = lambda _note: None,
) -> list[Input]:
    """Return the recordings that files, folders and lists of paths (``.txt``) name.

    A file that is named itself is taken whatever its name is; if it is not there, it fails alone
    when it is opened.

    Args:
        named: as given, in that order; the files of a folder come in natural order.
        glob: chooses the files of folders instead of their extension (``search_folder``).
        concatenate: the files named together, those of each list, and those that lie directly in
            each folder are one recording each, in the natural order of their paths.
        on_note: called with what the user should know.

    Returns:
        At least one; no file is in two of them.

    Raises:
        InputError: nothing was found, or a path is missing from a list, or a file would be in two
            recordings or twice in one.
        OutputError: two recordings would have the same output folder, or one inside another's.
    """
    searched: list[Found] = []
    files = list(_expand(named, glob, searched))
    if glob is not None and not searched:
        raise InputError(
            f"--glob {glob!r}: chooses among the files of folders, and none is named. Name the "
            "folder, or leave --glob out"
        )
    if not files:
        raise InputError(_nothing_found(searched, glob))
    for found in searched:
        _note_left_out(found, on_note)
    inputs = _concatenated(files, on_note) if concatenate else _single(files, on_note)
    _check_names(inputs)
    return inputs


def _expand(named: Sequence[Path], glob: str | None, searched: list[Found]) -> Iterator[_Named]:
    lists = {number: read_list(path) for number, path in enumerate(named) if _is_list(path)}
    _check_lists([line for lines in lists.values() for line in lines])
    for number, path in enumerate(named):
        if number in lists:
            for line in lists[number]:
                yield from _expand_path(line.target, glob, searched, base=path.parent, list_=number)
        else:
            yield from _expand_path(path, glob, searched, base=None, list_=None)


def _is_list(path: Path) -> bool:
    return path.suffix.lower() == LIST_SUFFIX and not is_folder(path)


def _check_lists(lines: Sequence[Line]) -> None:
    missing = [str(line) for line in lines if not os.path.lexists(line.target)]
    if missing:
        raise InputError(
            "these paths are not there:\n  "
            + "\n  ".join(missing)
            + "\nPaths are relative to the list's folder; a # before a path leaves it out"
        )
    for line in lines:
        if _is_list(line.target):
            raise InputError(f"{line}: is itself a list; name it beside the other one")


def _expand_path(
    path: Path, glob: str | None, searched: list[Found], *, base: Path | None, list_: int | None
) -> Iterator[_Named]:
    if not is_folder(path):
        name = _name_below(path, base) or PurePosixPath(path.name)
        yield _Named(file=path, name=name, group=("files", list_))
        return
    found = search_folder(path, glob=glob)
    searched.append(found)
    prefix = _name_below(path, base) or PurePosixPath()
    for relative in found.videos:
        group = ("folder", len(searched), relative.parent)
        yield _Named(file=path / relative, name=prefix / relative, group=group)


def _name_below(path: Path, base: Path | None) -> PurePosixPath | None:
    if base is None:
        return None
    # As written, without following links: `..` would leave --out.
    relative = os.path.relpath(os.path.abspath(path), os.path.abspath(base))  # noqa: PTH100
    return None if relative.split("/")[0] == ".." else PurePosixPath(relative)


def _single(files: Iterable[_Named], on_note: Note) -> list[Input]:
    taken: dict[object, _Named] = {}
    again: list[tuple[_Named, _Named]] = []
    for named in files:
        first = taken.setdefault(_identity(named.file), named)
        if first is not named:
            again.append((first, named))
    if again:
        first, second = again[0]
        more = f" (and {len(again) - 1} files more)" if len(again) > 1 else ""
        on_note(
            f"{printable(second.file)} is the same file as {printable(first.file)}{more}: taken "
            f"once, as {printable(first.name)}"
        )
    return [Input(name=named.name, files=(named.file,)) for named in taken.values()]


def _identity(file: Path) -> object:
    """Return what is equal for two paths to one file, be it by links of either kind."""
    real = os.path.realpath(file)
    try:
        status = os.stat(real)  # noqa: PTH116 - Path.resolve raises on a link to itself
    except (OSError, ValueError):
        return real
    # Without a second hard link the path tells; some network disks have no reliable numbers.
    return (status.st_dev, status.st_ino) if status.st_nlink > 1 else real


def _concatenated(files: Iterable[_Named], on_note: Note) -> list[Input]:
    groups: dict[tuple[object, ...], list[_Named]] = {}
    for named in files:
        groups.setdefault(named.group, []).append(named)
    inputs: list[Input] = []
    recordings: dict[tuple[object, ...], Input] = {}
    owners: dict[object, Path] = {}
    for given in groups.values():
        ordered = sorted(given, key=lambda named: natural_order(_absolute(named.file)))
        identities = tuple(_identity(named.file) for named in ordered)
        if identities in recordings:
            same = printable(recordings[identities].name)
            on_note(f"the files of {same} are named twice: taken once")
            continue
        for named, identity in zip(ordered, identities, strict=True):
            if identity in owners:
                raise InputError(
                    f"{printable(owners[identity])} and {printable(named.file)} are the same "
                    "file: it would be twice in a recording, or in two. Name it once"
                )
            owners[identity] = named.file
        recording = Input(name=_joint_name(ordered), files=tuple(named.file for named in ordered))
        recordings[identities] = recording
        inputs.append(recording)
        _note_order(recording, moved=ordered != given, on_note=on_note)
    return inputs


def _absolute(file: Path) -> str:
    return os.path.abspath(file)  # noqa: PTH100 - normalises, and follows no link


def _joint_name(ordered: Sequence[_Named]) -> PurePosixPath:
    first = ordered[0].name
    if len(ordered) == 1:
        return first
    return first.with_name(f"{first.name}+{len(ordered) - 1} more")


def _note_order(recording: Input, *, moved: bool, on_note: Note) -> None:
    if len(recording.files) == 1:
        return
    names = [printable(file.name) for file in recording.files]
    if len(names) > 2 * _SHOWN:
        names = [*names[:_SHOWN], "…", *names[-_SHOWN:]]
    on_note(
        f"{printable(recording.name)}: {len(recording.files)} files as one recording, in natural "
        f"order{', not as given' if moved else ''}: {', '.join(names)}"
    )


def _note_left_out(found: Found, on_note: Note) -> None:
    folder = printable(found.folder)
    if not found.videos:
        on_note(f"{folder}: no video found in it")
    if found.hidden:
        on_note(f"{folder}: {_hidden(found)}")


def _hidden(found: Found) -> str:
    count = len(found.hidden)
    what = "1 hidden file or folder is" if count == 1 else f"{count} hidden files or folders are"
    return f"{what} left out ({'such as ' if count > 1 else ''}{printable(found.hidden[0])})"


def _nothing_found(searched: Sequence[Found], glob: str | None) -> str:
    if not searched:
        return "no video is named"
    sought = (
        f"files that match --glob {glob!r}"
        if glob is not None
        else f"files with the extension of a video ({' '.join(sorted(VIDEO_SUFFIXES))})"
    )
    lines = [f"no video found: looked for {sought} in"]
    for found in searched:
        seen = [f"{count} × {suffix or 'none'}" for suffix, count in found.others.most_common(5)]
        folders = f"{found.folders} folder{'s' if found.folders > 1 else ''}"
        holds = f"other extensions: {', '.join(map(printable, seen))}" if seen else "no other file"
        hidden = f"; {_hidden(found)}" if found.hidden else ""
        lines.append(f"  {printable(found.folder)} ({folders}, {holds}{hidden})")
    advice = "Name the files themselves, or choose with --glob" if glob is None else "Correct it"
    return "\n".join([*lines, advice])


def _check_names(inputs: Sequence[Input]) -> None:
    """See that no recording's results would lie in or below another's.

    Names that differ only in case or in how an accent is stored are one name on many disks.
    """
    taken: dict[tuple[str, ...], Input] = {}
    for recording in inputs:
        first = taken.setdefault(_key(recording.name), recording)
        if first is not recording:
            raise OutputError(_clash(first, recording, f"both would be written to {_at(first)}"))
        for part in recording.name.parts:
            if len(os.fsencode(part)) > _LONGEST_NAME_BYTES:
                raise OutputError(
                    f"{_at(recording)}: a folder's name is at most {_LONGEST_NAME_BYTES} bytes "
                    "long. Shorten the name of the first file"
                )
    for recording in inputs:
        key = _key(recording.name)
        for length in range(1, len(key)):
            if outer := taken.get(key[:length]):
                inside = f"the results in {_at(recording)} would lie among those in {_at(outer)}"
                raise OutputError(_clash(outer, recording, inside))


def _key(name: PurePosixPath) -> tuple[str, ...]:
    folded = (unicodedata.normalize("NFC", part).casefold() for part in name.parts)
    return tuple(unicodedata.normalize("NFC", part) for part in folded)


def _at(recording: Input) -> str:
    return f"{printable(recording.name)} below --out"


def _clash(first: Input, second: Input, what: str) -> str:
    return (
        f"{printable(first.files[0])} and {printable(second.files[0])}: {what}. Name the folder "
        "above both instead, or a list of both (.txt), or take two different --out folders"
    )
