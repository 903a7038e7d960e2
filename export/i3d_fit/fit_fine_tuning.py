"""Fine-tuning as a part of a fit: from its windows to a network beside its profile."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i3d_client.contract import ModelContract
from i3d_export.checkpoint import read_checkpoint
from i3d_export.fp32 import default_checkpoint
from i3d_export.keras_file import save_keras
from i3d_export.profiles import load_profile
from i3d_export.stage_cache import sha256_of
from i3d_fit.features import FeatureRun
from i3d_fit.fine_tuned import Epoch, FineTuned
from i3d_fit.fine_tuning import fine_tune
from i3d_fit.fit_options import FitOptions
from i3d_fit.fit_profile import profile_text, write_profile
from i3d_fit.training import SEED, Trained

_SCRATCH = "fine-tuning"
_TOLD = 10  # times, while the frozen part is computed


def fine_tune_fit(
    options: FitOptions,
    *,
    blocks: int,
    contract: ModelContract,
    features: FeatureRun,
    trained: Trained,
    cache: Path,
    say: Callable[[str], None],
    tuned: Callable[[FineTuned], None],
) -> dict[str, Any]:
    """Train the last blocks on a fit's windows; write network and profile if that makes it better.

    The head's file stays: the report is of it, and the network has its own last layer.

    Args:
        options: how; where to write.
        blocks: how many are trained, from the end.
        contract: of the profile that is written.
        features: of the videos.
        trained: the head, which is written with its profile.
        cache: of the published weights; what is only needed meanwhile goes there too.
        say: told how far it is.
        tuned: told what was found.

    Returns:
        What ``fit.json`` says of it.

    Raises:
        FitError: see ``fine_tune``.
        I3dError: weights or videos cannot be read, or the network cannot be written.
    """
    started = time.monotonic()
    chosen = load_profile(options.profile)
    weights = default_checkpoint(options.profile, chosen, cache=cache, any_head=True)
    variables, _ = read_checkpoint(weights)
    paths = {video.recording: video.path for video in features.videos}
    material = trained.material
    found = fine_tune(
        variables=variables,
        contract=contract,
        head=trained.head,
        material=material,
        videos=[paths[name] for name in material.recording_names],
        strength=trained.cross_validation.strength,
        blocks=blocks,
        scratch=cache / _SCRATCH,
        epochs=options.epochs,
        seed=SEED,
        unit=trained.unit,
        on_epoch=lambda epoch: say(_epoch_text(epoch, of=options.epochs)),
        on_window=lambda done, of: _tell_windows(done, of, say),
        say=say,
    )
    tuned(found)
    return {
        **found.document(),
        "said": found.sentences(),
        "network_sha256": _write(options, contract, found, len(paths)) if found.improved else None,
        "seconds": round(time.monotonic() - started, 3),
    }


def _write(options: FitOptions, contract: ModelContract, found: FineTuned, num_videos: int) -> str:
    """Write the network and a profile that names it; return the network's SHA-256."""
    files = options.files
    save_keras(found.variables, files.network, contract=contract)
    note = (
        f"Behaviours of one's own, made by i3d fit from {num_videos} videos; the last blocks of "
        f"the network ({found.blocks}) are trained on them too."
    )
    text = profile_text(
        contract, path=files.profile, head=None, checkpoint=files.network, note=note
    )
    write_profile(files.profile, text)
    return sha256_of(files.network)


def _tell_windows(done: int, of: int, say: Callable[[str], None]) -> None:
    if done * _TOLD // of > (done - 1) * _TOLD // of:
        say(f"fine-tuning: the part that is not trained is computed for {done:,} of {of:,} windows")


def _epoch_text(epoch: Epoch, *, of: int) -> str:
    accuracy = f"balanced accuracy {epoch.balanced_accuracy:.1%} on what is held out"
    if epoch.loss is None:
        return f"fine-tuning starts from {accuracy}"
    return f"epoch {epoch.number} of {of}: {accuracy}, loss {epoch.loss:.3f}, {epoch.seconds:.0f} s"
