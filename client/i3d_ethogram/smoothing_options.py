"""The smoothing that was asked for on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from i3d_client.errors import InputError
from i3d_ethogram.smoothing import OTHER_LABELS, Smoothing

Number = TypeVar("Number", int, float)
_AUTHORS_BOUT_FRAMES = 3
_AUTHORS_LABEL_FRAMES = {"rest": 150}


def chosen_smoothing(
    *,
    preset: str | None,
    median_frames: int | None,
    merge_bouts: Sequence[str],
    minimum_bout: Sequence[str],
    hysteresis: tuple[float, float] | None,
) -> Smoothing:
    """Return the rules that options name.

    Args:
        preset: ``authors``: those of the paper's authors (bouts of 3 frames or fewer and ``rest``
            of 150 or fewer, into the bout before); None: none.
        median_frames: as ``Smoothing`` has it.
        merge_bouts: each ``FRAMES`` or ``LABEL=FRAMES``.
        minimum_bout: each ``SECONDS`` or ``LABEL=SECONDS``.
        hysteresis: as ``Smoothing`` has it.

    Raises:
        InputError: one is not of that form, or its value makes no sense.
    """
    frames = _by_label("--merge-bouts", merge_bouts, int, "FRAMES")
    seconds = _by_label("--minimum-bout", minimum_bout, float, "SECONDS")
    bouts_frames = frames.pop(OTHER_LABELS, None)
    if preset == "authors":
        frames = {**_AUTHORS_LABEL_FRAMES, **frames}
        bouts_frames = _AUTHORS_BOUT_FRAMES if bouts_frames is None else bouts_frames
    return Smoothing(
        hysteresis=hysteresis,
        median_frames=median_frames,
        merge_bouts_frames=bouts_frames,
        merge_label_frames=frames,
        minimum_bout_s=seconds,
    )


def _by_label(
    option: str, given: Sequence[str], number: Callable[[str], Number], unit: str
) -> dict[str, Number]:
    """Read ``[LABEL=]NUMBER``; a label may itself hold a ``=``."""
    values: dict[str, Number] = {}
    for text in given:
        label, _, value = text.rpartition("=")
        try:
            values[label] = number(value)
        except ValueError as error:
            raise InputError(f"{option} {text!r}: expected {unit} or LABEL={unit}") from error
    return values
