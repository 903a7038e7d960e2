"""Features of videos: computed once, by ``i3d classify``, and kept by what a video holds.

    CACHE/features/<network>/<SHA-256 of the video>/features.npy

Results are those of ``i3d classify --features``: journalled, checked, gone on with after an
interruption. Once all are there, neither a server nor an export is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from i3d_client.classify import classify_recordings
from i3d_client.contract import ModelContract
from i3d_client.durable import write_errors
from i3d_client.features_file import FEATURES_FILE, open_features
from i3d_client.inputs import Input
from i3d_client.options import Options
from i3d_client.printable import printable
from i3d_client.results import check_tables, read_run
from i3d_client.scores_file import SCORES_FILE
from i3d_client.windows import WindowGrid
from i3d_export.stage_cache import sha256_of
from i3d_fit.errors import FitError
from i3d_fit.feature_progress import FeatureProgress
from i3d_fit.feature_source import FeatureSource, check_geometry

_FOLDER = "features"
_LOCK_FILE = ".fit-lock"
_NAME_LENGTH = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoFeatures:
    """A video as the network sees it.

    Attributes:
        recording: the video's name among all.
        path: of the file.
        sha256: of its content.
        features: ``(windows, 1024)`` float32, mapped from the file; 0 where none was computed.
        scored: ``(windows,)`` bool, whether they were.
        times_us: ``(frames + 1,)`` int64, µs, when each frame is shown; the last is the end.
        grid: the windows.
        fps: frames per second, as the header says.
        run: the content of ``run.json``.
    """

    recording: str
    path: Path
    sha256: str
    features: NDArray[np.float32]
    scored: NDArray[np.bool_]
    times_us: NDArray[np.int64]
    grid: WindowGrid
    fps: float
    run: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class FeatureRun:
    """Features of all videos.

    Attributes:
        videos: in the order in which they were named.
        contract: of the model that computed them.
        model: that model, as ``run.json`` describes it.
        frames: that were computed now; the others were there.
        seconds: that it took, the start of a server and the export included.
    """

    videos: tuple[VideoFeatures, ...]
    contract: ModelContract
    model: Mapping[str, Any]
    frames: int
    seconds: float


def compute_features(
    inputs: Sequence[Input],
    *,
    source: FeatureSource,
    cache: Path,
    workers: int,
    anew: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> FeatureRun:
    """Return the features of videos, computed now or kept from before.

    Args:
        inputs: one file each.
        source: what computes them.
        cache: folder of all that is kept.
        workers: processes that decode.
        anew: compute them again.
        say: told what the user should know.

    Raises:
        FitError: a video cannot be read, is named twice, or the kept features are of different
            models.
        KeyboardInterrupt: it was interrupted; what is done is kept.
        I3dError: the server, the model or the cache cannot be used.
    """
    started = time.monotonic()
    folder = cache / _FOLDER / source.key
    digests = _digests(inputs)
    kept = {} if anew else {digest: _kept(folder, digest) for digest in digests}
    frames = 0
    if not all(kept.get(digest) for digest in digests):
        frames = _classify(
            inputs, digests, source=source, folder=folder, workers=workers, anew=anew, say=say
        )
        kept = {digest: _kept(folder, digest) for digest in digests}
    runs = [_present(kept[digest], given) for digest, given in zip(digests, inputs, strict=True)]
    contract = _one_model(runs, inputs, folder)
    check_geometry(contract, wanted=source.contract, of=f"the features in {printable(folder)}")
    videos = tuple(
        _open(folder, given, digest, run, contract)
        for given, digest, run in zip(inputs, digests, runs, strict=True)
    )
    return FeatureRun(
        videos=videos,
        contract=contract,
        model=runs[0]["model"],
        frames=frames,
        seconds=time.monotonic() - started,
    )


def _digests(inputs: Sequence[Input]) -> list[str]:
    found: dict[str, Path] = {}
    for given in inputs:
        path = given.files[0]
        try:
            digest = sha256_of(path)
        except OSError as error:
            raise FitError(f"{printable(path)}: cannot be read: {error.strerror}") from error
        if digest in found:
            raise FitError(
                f"{printable(path)} and {printable(found[digest])} hold the same: expected "
                "different videos, since one video on both sides of a test says nothing. Leave one "
                "out"
            )
        found[digest] = path
    return list(found)


def _classify(
    inputs: Sequence[Input],
    digests: Sequence[str],
    *,
    source: FeatureSource,
    folder: Path,
    workers: int,
    anew: bool,
    say: Callable[[str], None],
) -> int:
    """Have features computed; return of how many frames."""
    with write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    named = [
        Input(name=PurePosixPath(digest[:_NAME_LENGTH]), files=given.files)
        for digest, given in zip(digests, inputs, strict=True)
    ]
    with (
        _alone(folder, say),
        source.serving(folder) as server,
        FeatureProgress(num_videos=len(named), say=say) as view,
    ):
        options = Options(
            access=server.access,
            model=server.model,
            out=folder,
            workers=workers,
            overwrite=anew,
            features=True,
        )
        outcomes = asyncio.run(classify_recordings(named, options=options, observer=view))
    if any(outcome.state == "interrupted" for outcome in outcomes):
        raise KeyboardInterrupt
    failed = [outcome for outcome in outcomes if outcome.run is None]
    if failed:
        raise FitError(
            f"features of {len(failed)} of {len(outcomes)} videos could not be computed: "
            + "; ".join(
                f"{printable(outcome.given.files[0].name)}: {outcome.problems[0]}"
                for outcome in failed[:3]
            )
            + ". Leave them out, or compute all features anew with --features-anew"
        )
    for outcome in outcomes:
        for problem in outcome.problems:
            say(f"warning: {printable(outcome.given.files[0].name)}: {problem}")
    return sum(
        int(outcome.run["run"]["frames"])
        for outcome in outcomes
        if outcome.run is not None and outcome.state != "skipped"
    )


@contextlib.contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Wait until no other fit computes features there, where the file system can lock files."""
    with write_errors(folder):
        lock = (folder / _LOCK_FILE).open("a")
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another fit, which computes features")
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in (errno.ENOTSUP, errno.ENOLCK):
                raise
        yield


def _kept(folder: Path, digest: str) -> dict[str, Any] | None:
    """Return the ``run.json`` of whole results with features of a video; None if there are none."""
    place = folder / digest[:_NAME_LENGTH]
    run = read_run(place)
    try:
        whole = (
            run is not None
            and run["identity"]["input"][0]["sha256"] == digest
            and FEATURES_FILE in run["files"]
            and not run["frames"]["given_up"]
        )
    except (KeyError, TypeError, IndexError):
        return None
    return run if run is not None and whole and check_tables(place, run) is None else None


def _present(run: dict[str, Any] | None, given: Input) -> dict[str, Any]:
    if run is None:
        raise FitError(
            f"{printable(given.files[0].name)}: its features are not whole: parts of it were given "
            "up. The same command tries them again"
        )
    return run


def _one_model(
    runs: Sequence[Mapping[str, Any]], inputs: Sequence[Input], folder: Path
) -> ModelContract:
    """Return the contract of the one model that all are of."""
    models = {
        json.dumps(run["identity"]["model"], sort_keys=True): printable(given.files[0].name)
        for run, given in zip(runs, inputs, strict=True)
    }
    if len(models) > 1:
        raise FitError(
            f"{printable(folder)}: the features of {' and of '.join(models.values())} are of "
            f"{len(models)} different models, since the served model was changed. Compute those of "
            "all videos of this fit anew with --features-anew"
        )
    return ModelContract.from_json(json.dumps(runs[0]["model"]["contract"]))


def _open(
    folder: Path, given: Input, digest: str, run: Mapping[str, Any], contract: ModelContract
) -> VideoFeatures:
    place = folder / digest[:_NAME_LENGTH]
    try:
        with np.load(place / SCORES_FILE, allow_pickle=False) as arrays:
            scored, times_us = arrays["scored"], arrays["times_us"]
    except (OSError, ValueError, KeyError) as error:
        raise FitError(
            f"{printable(place / SCORES_FILE)}: cannot be used: {error}. Compute the features anew "
            "with --features-anew"
        ) from error
    grid = WindowGrid(len(times_us) - 1, contract.clip_frames, contract.stride)
    return VideoFeatures(
        recording=str(given.name),
        path=given.files[0],
        sha256=digest,
        features=open_features(place, num_windows=grid.count),
        scored=scored,
        times_us=times_us,
        grid=grid,
        fps=float(run["videos"][0]["fps"]),
        run=run,
    )


def weights_doubt(run: FeatureRun, *, weights_sha256: str) -> str | None:
    """Say so if features may be of other weights than those that are exported.

    Args:
        run: the features.
        weights_sha256: of the profile's weights.
    """
    found = (run.model.get("build") or {}).get("checkpoint_sha256")
    if found == weights_sha256:
        return None
    has = "does not say which weights it has" if found is None else "has other weights"
    return (
        f"the model that computed the features, {run.model['name']}, {has}: a head fits the "
        "network alone that its features come from, and what is exported has the profile's weights"
    )
