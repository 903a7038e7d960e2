"""Whether an annotation would agree much better if it lay elsewhere in time.

A camera started before the video was cut, a program that counted 25 frames a second of a video of
30, the annotation of another mouse: all of them look like a bad model. So agreement is also
computed for every shift of up to ten minutes, by correlation, and for the frame rates that cameras
have, and what is far better is said.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_STEP_US = 100_000
_MOST_STEPS = 1 << 20
_MOST_SHIFT_US = 600_000_000
_RATES = (15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
_BETTER_BY = 0.1  # of kappa
_LEAST_KAPPA = 0.2


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """A better place for an annotation.

    Attributes:
        kappa: Cohen's, as it lies, on a grid of about 0.1 s.
        better: kappa of the better place.
        shift_us: to be added to the annotation's times; 0 if it is stretched.
        factor: to multiply its times with; 1 if it is shifted.
    """

    kappa: float
    better: float
    shift_us: int = 0
    factor: float = 1.0


def better_alignment(
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    *,
    times_us: NDArray[np.int64],
    fps: float,
) -> Alignment | None:
    """Return where an annotation would agree much better; None if it lies well, or fits nowhere.

    Much is 0.1 of kappa. Half of what can be compared must be left.

    Args:
        annotated: (n,) int16, indices of labels; negative where there is none.
        predicted: (n,) int16, likewise.
        times_us: (n + 1,) int64.
        fps: of the video.
    """
    duration_us = int(times_us[-1] - times_us[0])
    step_us = max(_LEAST_STEP_US, duration_us // _MOST_STEPS)
    if duration_us < 10 * step_us:
        return None
    centres = times_us[0] + np.arange(step_us // 2, duration_us, step_us)
    here = _at(annotated, times_us, centres)
    there = _at(predicted, times_us, centres)
    steps = int(min(_MOST_SHIFT_US // step_us, len(centres) // 2))
    shifts = np.arange(-steps, steps + 1)
    kappas = _kappas(here, there, shifts)
    if np.isnan(kappas).all():
        return None
    now = float(kappas[steps])
    best = int(np.argmax(kappas))
    found = [(float(kappas[best]), int(shifts[best]) * step_us, 1.0)]
    for factor in _factors(fps):
        stretched = _at(annotated, times_us, times_us[0] + (centres - times_us[0]) / factor)
        found.append((float(_kappas(stretched, there, np.zeros(1, np.int64))[0]), 0, factor))
    better, shift_us, factor = max(found)
    if better < _LEAST_KAPPA or better - (now if np.isfinite(now) else 0.0) < _BETTER_BY:
        return None
    if factor == 1.0 and abs(shift_us) < 2 * step_us:
        return None
    return Alignment(kappa=now, better=better, shift_us=shift_us, factor=factor)


def _factors(fps: float) -> list[float]:
    """Return what times are wrong by if another rate was taken for the video's."""
    rates = [rate / fps for rate in _RATES] + [fps / rate for rate in _RATES]
    rates += [1000 / 1001, 1001 / 1000]
    return sorted({round(rate, 6) for rate in rates if 0.4 < rate < 2.5 and abs(rate - 1) > 5e-4})


def _at(
    codes: NDArray[np.int16], times_us: NDArray[np.int64], when_us: NDArray[np.float64]
) -> NDArray[np.int16]:
    """Return the labels at some times; negative outside the recording."""
    frame = np.searchsorted(times_us, when_us, side="right") - 1
    inside = (frame >= 0) & (frame < len(codes))
    return np.where(inside, codes[np.clip(frame, 0, len(codes) - 1)], np.int16(-1))


def _kappas(
    here: NDArray[np.int16], there: NDArray[np.int16], shifts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return kappa for each shift of ``here``; −1 where less than half can be compared."""
    both = np.rint(_overlaps(here >= 0, there >= 0, shifts))
    same = np.zeros(len(shifts))
    by_chance = 0.0
    for code in np.unique(here[here >= 0]):
        mine, theirs = here == code, there == code
        same += _overlaps(mine, theirs, shifts)
        by_chance += mine.sum() / (here >= 0).sum() * theirs.sum() / max(1, (there >= 0).sum())
    enough = both >= max(1.0, both.max() / 2)
    observed = np.divide(np.rint(same), both, out=np.zeros(len(shifts)), where=both > 0)
    if by_chance >= 1:
        return np.full(len(shifts), np.nan)
    return np.where(enough, (observed - by_chance) / (1 - by_chance), -1.0)


def _overlaps(
    here: NDArray[np.bool_], there: NDArray[np.bool_], shifts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Count, for each shift of ``here`` to the right, the places that are set in both."""
    if len(shifts) == 1:
        return np.array([np.count_nonzero(here & there)], np.float64)
    size = 1 << int(2 * len(here) - 1).bit_length()
    spectrum = np.conj(np.fft.rfft(here, size)) * np.fft.rfft(there, size)
    counts: NDArray[np.float64] = np.fft.irfft(spectrum, size)[shifts]
    return counts
