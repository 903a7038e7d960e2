"""A recording as a person and a model see it, or two people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from i3d_ethogram.annotations.annotation_boris import Chosen
from i3d_ethogram.annotations.annotations import EVERYTHING
from i3d_ethogram.compare.agreement import Agreement
from i3d_ethogram.compare.comparison_notes import Note
from i3d_ethogram.smoothing import NO_SMOOTHING, Smoothing

MODEL = "model"
STRIP_COLUMNS = 1200
OTHER = "(other)"
"""With ``others``: every behaviour that was not annotated, and every moment without one."""


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """How to compare.

    Attributes:
        names: the model's label for a behaviour that was annotated by another name; empty: none.
        tolerance_us: of the beginnings of bouts.
        offset_us: added to the annotations' times.
        start_us: leave out what comes before, on the recording's clock; None: nothing.
        stop_us: leave out what comes after; None: nothing.
        others: what is not annotated is a behaviour too, ``OTHER``, and so is every label of the
            model that the annotation does not know: for annotations of some behaviours alone.
        chosen: of files of BORIS.
        smoothing: of the model's labels.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    tolerance_us: int = 1_000_000
    offset_us: int = 0
    start_us: int | None = None
    stop_us: int | None = None
    others: bool = False
    chosen: Chosen = EVERYTHING
    smoothing: Smoothing = NO_SMOOTHING


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A recording as two see it.

    Attributes:
        recording: its name.
        reference: name of the annotation that counts as right.
        other: ``MODEL``, or the name of another annotation of the same recording.
        agreement: of both.
        notes: what a reader should know.
        begin_us: when the first frame is shown.
        end_us: when the last one ends.
        strips: (2, columns) int16: the labels of both, of columns of equal time; negative where
            there is none.
        model: name of the model.
    """

    recording: str
    reference: str
    other: str
    agreement: Agreement
    notes: tuple[Note, ...]
    begin_us: int
    end_us: int
    strips: NDArray[np.int16]
    model: str
