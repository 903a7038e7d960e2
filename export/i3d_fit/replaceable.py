"""What a fit may write over: what an earlier fit wrote, and nothing else without being told."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

from i3d_client.errors import OutputError
from i3d_client.printable import printable
from i3d_fit.fit_files import ANNOTATIONS_FILE, FIT_FILE, SUGGESTIONS_FILE, WINDOWS_FILE
from i3d_fit.fit_options import FitFiles
from i3d_fit.fit_profile import CHECKPOINT_FILE, HEAD_FILE
from i3d_fit.report import CONFUSION_FILE, CURVE_FILE, REPORT_FILE

_IN_FOLDER = (
    ANNOTATIONS_FILE,
    FIT_FILE,
    REPORT_FILE,
    CONFUSION_FILE,
    CURVE_FILE,
    SUGGESTIONS_FILE,
    WINDOWS_FILE,
)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """See that no other fit writes there meanwhile, where the file system can lock folders.

    Raises:
        OutputError: one does.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(
                    f"{printable(folder)}: another fit of this name is running. Wait until it has "
                    "ended, or choose another --out"
                ) from None
        yield
    finally:
        os.close(handle)


def check_replaceable(files: FitFiles, *, given: Iterable[Path], overwrite: bool) -> None:
    """See that a fit may write there.

    Args:
        files: that it writes.
        given: files that it reads.
        overwrite: whether what no fit wrote may be replaced; what is given never is.

    Raises:
        OutputError: it may not.
    """
    inside = [files.folder / name for name in _IN_FOLDER]
    beside = (files.profile, files.head, files.temporal_head, files.network)
    written = {path.resolve() for path in (*beside, *inside)}
    for path in given:
        if path.resolve() in written:
            raise OutputError(
                f"{printable(path)}: is given, and this fit would write over it. Choose another "
                "--out, or move it"
            )
    if overwrite:
        return
    if files.profile.exists() and not _is_of_a_fit(files.profile):
        raise OutputError(
            f"{printable(files.profile)}: is there, and i3d fit did not write it. Choose another "
            "--out, or replace it with --overwrite"
        )
    others = [path.name for path in inside if path.exists()]
    if others and not (files.head.exists() or (files.folder / FIT_FILE).exists()):
        raise OutputError(
            f"{printable(files.folder)}: has {', '.join(others)}, which i3d fit did not write. "
            "Choose another --out, or replace that with --overwrite"
        )


def _is_of_a_fit(profile: Path) -> bool:
    try:
        known = tomllib.loads(profile.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return HEAD_FILE in known or known.get(CHECKPOINT_FILE) == f"{profile.stem}.keras"
