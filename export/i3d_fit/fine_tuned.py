"""What fine-tuning found, epoch by epoch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from i3d_client.printable import printable
from i3d_export.checkpoint import Variables

_SHOWN = 4


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One pass over the training windows.

    Attributes:
        number: from 1 on; 0 is the start: the network as it was, and a last layer for it.
        loss: mean cross-entropy of the training windows, each class of the same weight; None for
            the start.
        balanced_accuracy: of the windows that are held out, 0 … 1.
        seconds: that it took.
    """

    number: int
    loss: float | None
    balanced_accuracy: float
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class FineTuned:
    """A network, and what it was chosen by.

    Attributes:
        variables: canonical ones, the last layer included: of the best epoch, or what training
            started from if no epoch was better.
        epochs: the start, and those that were trained.
        best: number of the epoch that ``variables`` are of; 0 is the start.
        blocks: that were trained, from the end.
        trained_on: windows.
        held_out: windows that epochs were judged by.
        held_out_names: the groups that they are of.
        lost: windows left out because a frame of theirs cannot be decoded.
        temperature: what the last layer is divided by, so that probabilities fit the windows that
            were held out; 1 for the start.
        device: "CPU", or TensorFlow's name of the GPU.
    """

    variables: Variables
    epochs: tuple[Epoch, ...]
    best: int
    blocks: int
    trained_on: int
    held_out: int
    held_out_names: tuple[str, ...]
    lost: int
    temperature: float
    device: str

    @property
    def improved(self) -> bool:
        """Whether an epoch was better than the start."""
        return self.best > 0

    def sentences(self) -> list[str]:
        """Return what to tell people."""
        start = self.epochs[0].balanced_accuracy
        best = self.epochs[self.best].balanced_accuracy
        trained = len(self.epochs) - 1
        on = f"{self.held_out:,} windows of {_listed(self.held_out_names)}, which were held out"
        if self.improved:
            said = [
                f"fine-tuning raised balanced accuracy from {start:.1%} (last layer alone) to "
                f"{best:.1%} on {on}: epoch {self.best} of {trained}. The epoch was chosen by "
                "these windows, so the figure is a little too good"
            ]
        else:
            said = [
                f"fine-tuning did NOT help: none of {trained} epochs was better than the last "
                f"layer alone, {start:.1%} balanced accuracy on {on}. The network stays as it was"
            ]
        if self.lost:
            said.append(f"{self.lost:,} windows with frames that cannot be decoded were left out")
        return said

    def document(self) -> dict[str, Any]:
        """Return plain values; without the variables."""
        return {
            "blocks": self.blocks,
            "best_epoch": self.best,
            "epochs": [asdict(epoch) for epoch in self.epochs],
            "windows_trained_on": self.trained_on,
            "windows_held_out": self.held_out,
            "held_out": list(self.held_out_names),
            "windows_lost": self.lost,
            "temperature": self.temperature,
            "device": self.device,
        }


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(printable(name) for name in names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else shown
