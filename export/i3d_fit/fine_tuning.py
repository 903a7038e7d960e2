"""Train the last blocks of the network, where a last layer on published features is not enough.

What is compared is fair to the start: its last layer is fitted here, as ``i3d fit`` fits it, to the
training windows alone, since one that has seen all windows would look better on those held out
than it is. Batch normalisations keep their statistics: those of a few cages would be worse than
those of Kinetics, and the exported network has them folded in. The published dropout and random
crops are left out: frames before the trained blocks pass once (``frozen_part``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i3d_client.contract import ModelContract
from i3d_export.architecture import LOGITS
from i3d_export.checkpoint import Variables
from i3d_export.head import TrainedHead, in_place_of_the_last
from i3d_export.shape import Floats
from i3d_fit.block_training import BlockTraining
from i3d_fit.errors import FitError
from i3d_fit.fine_tuned import Epoch, FineTuned
from i3d_fit.frozen_part import OnWindow, Say, frozen_windows, gpus
from i3d_fit.held_out import divide
from i3d_fit.material import Material
from i3d_fit.network_parts import split_network

EPOCHS, BATCH, LEARNING_RATE = 10, 16, 1e-4

OnEpoch = Callable[[Epoch], None]


def fine_tune(
    *,
    variables: Mapping[str, Floats],
    contract: ModelContract,
    head: TrainedHead,
    material: Material,
    videos: Sequence[Path],
    strength: float,
    blocks: int,
    scratch: Path,
    epochs: int = EPOCHS,
    batch: int = BATCH,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    unit: str = "group",
    on_epoch: OnEpoch = lambda _epoch: None,
    on_window: OnWindow = lambda _done, _of: None,
    say: Say = lambda _text: None,
) -> FineTuned:
    """Train the last blocks and a last layer on the frames of annotated windows.

    Args:
        variables: canonical ones, of the network that the features came from; its last layer is
            not used.
        contract: geometry, colour, normalisation and T; its labels do not matter.
        head: the last layer if nothing gets better, trained on all windows.
        material: the windows; their features are computed anew, at full precision.
        videos: of the material's recordings, in their order.
        strength: of the penalty of the last layer to start from, as cross-validation chose it.
        blocks: how many Inception blocks are trained, from the end: 1 is ``Mixed_5c`` alone.
        scratch: folder for what the frozen part makes of the windows, while this runs.
        epochs: passes over the training windows, at least 1.
        batch: windows of one step, at least 1.
        learning_rate: of Adam, the highest, above 0.
        seed: decides what is held out where groups are equal, and the order of windows.
        unit: what a group of the material is, "video" or "animal", for people.
        on_epoch: called after each epoch, and with the start, number 0.
        on_window: called as the frozen part is computed.
        say: told what to expect on a CPU, and what went wrong without ending it.

    Raises:
        FitError: one video alone, a class that cannot be held out, an option out of range, or no
            room in ``scratch``.
        VideoError: a video cannot be read.
    """
    _check(material, contract=contract, head=head, videos=videos)
    _check_options(epochs=epochs, batch=batch, learning_rate=learning_rate)
    division = divide(material, seed=seed, unit=unit)
    start = in_place_of_the_last(variables, head)
    parts = split_network(start, contract=contract, blocks=blocks)
    chosen = division.training | division.held_out
    found = gpus()
    with frozen_windows(
        parts,
        material=material,
        videos=videos,
        chosen=chosen,
        contract=contract,
        scratch=scratch,
        on_window=on_window,
        say=say,
    ) as windows:
        training = np.flatnonzero(division.training[windows.places])
        held_out = np.flatnonzero(division.held_out[windows.places])
        _check_read(training, held_out)
        tuning = BlockTraining(
            parts, windows, material, training=training, held_out=held_out, batch=batch
        )
        tuning.begin(strength=strength, learning_rate=learning_rate, epochs=epochs)
        on_epoch(tuning.epochs[0])
        random = np.random.default_rng(seed)
        for _ in range(epochs):
            on_epoch(tuning.train(random, of=epochs, say=None if found else say))
            if not math.isfinite(tuning.epochs[-1].loss or 0):
                say("training went astray: the loss is not finite, later epochs are left out")
                break
    temperature = tuning.temperature()
    return FineTuned(
        variables={**start, **_calibrated(tuning.best_values, temperature)},
        epochs=tuple(tuning.epochs),
        best=tuning.best,
        blocks=blocks,
        trained_on=len(training),
        held_out=len(held_out),
        held_out_names=division.names,
        lost=int(chosen.sum()) - len(windows.places),
        temperature=temperature,
        device=found[0] if found else "CPU",
    )


def _calibrated(values: Variables, temperature: float) -> Variables:
    names = (f"{LOGITS}/conv_3d/w", f"{LOGITS}/conv_3d/b")
    return {
        name: (value / temperature).astype(np.float32) if name in names else value
        for name, value in values.items()
    }


def _check(
    material: Material, *, contract: ModelContract, head: TrainedHead, videos: Sequence[Path]
) -> None:
    if len(videos) != len(material.recording_names):
        raise FitError(
            f"videos: expected one for each of {len(material.recording_names)} recordings, got "
            f"{len(videos)}"
        )
    if contract.clip_frames != material.clip_frames:
        raise FitError(
            f"expected windows of {contract.clip_frames} frames, as profile {contract.profile} "
            f"has them, got {material.clip_frames}"
        )
    if head.labels != material.labels:
        raise FitError(
            f"head: expected the labels {list(material.labels)}, got {list(head.labels)}"
        )


def _check_options(*, epochs: int, batch: int, learning_rate: float) -> None:
    for name, value in (("epochs", epochs), ("batch", batch)):
        if value < 1:
            raise FitError(f"{name}: expected at least 1, got {value}")
    if not 0 < learning_rate < math.inf:
        raise FitError(f"learning rate: expected a number above 0, got {learning_rate}")


def _check_read(training: NDArray[np.int64], held_out: NDArray[np.int64]) -> None:
    if not len(training) or not len(held_out):
        raise FitError(
            "expected windows to train on and windows to judge by, but those of one side have "
            "frames that cannot be decoded: check the videos with i3d classify"
        )
