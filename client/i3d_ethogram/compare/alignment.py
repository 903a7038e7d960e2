"""Whether an annotation would agree much better if it lay elsewhere in time.

A camera started before the video was cut, a program that counted 25 frames a second of a video of
30, the annotation of another mouse: all of them look like a bad model. So agreement is also
computed for other shifts, by correlation, and for the frame rates that cameras have.

Bouts are long and few, so in a short recording some shift agrees well by chance. Measured with
simulated mice (``tests/ethogram/synthetic.py``): the best shift of another mouse's annotation has a
kappa of 0.3 or less in 20 minutes, 0.4 in 5 minutes, up to 1 in one minute; the right shift of an
annotation that is wrong in three bouts of ten has 0.5 to 0.8. Hence the limits below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LEAST_STEP_US = 100_000
_MOST_STEPS = 1 << 20
_MOST_SHIFT_US = 600_000_000
_MOST_SHIFT_SHARE = 4  # of the recording, as its reciprocal
_LEAST_OVERLAP = 0.75  # of what can be compared at most
_RATES = (15.0, 24.0, 25.0, 30.0, 50.0, 60.0)
_BETTER_BY = 0.1  # of kappa
_LEAST_KAPPA = 0.4
_CHANCE_KAPPA = 0.1
_LEAST_FOR_CHANCE_US = 300_000_000


@dataclass(frozen=True, kw_only=True)
class Alignment:
    """How an annotation agrees where it lies, and where it agrees best.

    Attributes:
        kappa: Cohen's, as it lies, on a grid of about 0.1 s.
        best: of all shifts of up to ten minutes, or a quarter of the recording, and all factors.
        shift_us: for the best, to be added to the annotation's times; 0 if it is stretched.
        factor: for the best, to multiply the annotation's times with; 1 if it is shifted.
        length_us: of the recording.
    """

    kappa: float
    best: float
    shift_us: int
    factor: float
    length_us: int

    @property
    def is_elsewhere(self) -> bool:
        """Whether it would agree much better elsewhere: by 0.1 of kappa, and to 0.4 or more."""
        return self.best >= max(_LEAST_KAPPA, self.kappa + _BETTER_BY)

    @property
    def is_chance(self) -> bool:
        """Whether it agrees no better than chance, and would not elsewhere."""
        enough = self.length_us >= _LEAST_FOR_CHANCE_US
        return enough and self.kappa < _CHANCE_KAPPA and not self.is_elsewhere


def alignment_of(
    annotated: NDArray[np.int16],
    predicted: NDArray[np.int16],
    *,
    times_us: NDArray[np.int64],
    fps: float,
) -> Alignment | None:
    """Return how an annotation agrees where it lies and elsewhere; None if nothing can be said.

    Args:
        annotated: (n,) int16, indices of labels; negative where there is none.
        predicted: (n,) int16, likewise.
        times_us: (n + 1,) int64.
        fps: of the video.
    """
    length_us = int(times_us[-1] - times_us[0])
    step_us = max(_LEAST_STEP_US, length_us // _MOST_STEPS)
    if length_us < 10 * step_us:
        return None
    centres = times_us[0] + np.arange(step_us // 2, length_us, step_us)
    here, there = (_at(codes, times_us, centres) for codes in (annotated, predicted))
    steps = int(min(_MOST_SHIFT_US // step_us, len(centres) // _MOST_SHIFT_SHARE))
    shifts = np.arange(-steps, steps + 1)
    kappas, overlap = _kappas(here, there, shifts)
    if np.isnan(kappas).all():
        return None
    place = int(np.nanargmax(kappas))
    found = [(float(kappas[place]), int(shifts[place]) * step_us, 1.0)]
    for factor in _factors(fps):
        stretched = _at(annotated, times_us, times_us[0] + (centres - times_us[0]) / factor)
        (kappa,), shared = _kappas(stretched, there, np.zeros(1, np.int64))
        # Of a few stretches some may lie by chance on what a person has looked at elsewhere.
        if shared >= _LEAST_OVERLAP * min(factor, 1 / factor) * overlap and not np.isnan(kappa):
            found.append((float(kappa), 0, factor))
    best, shift_us, factor = max(found)
    return Alignment(
        kappa=float(np.nan_to_num(kappas[steps])),
        best=best,
        shift_us=shift_us,
        factor=factor,
        length_us=length_us,
    )


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
) -> tuple[NDArray[np.float64], float]:
    """Return kappa for each shift of ``here``, and how many steps can be compared at most.

    Kappa is NaN where too little can be compared. What agrees by chance is taken from how much time
    each label takes in all.
    """
    present = np.unique(here[here >= 0])
    by_chance = sum(
        np.mean(here[here >= 0] == code) * np.mean(there[there >= 0] == code) for code in present
    )
    both = _overlaps([(here >= 0, there >= 0)], shifts)
    if not both.any() or by_chance >= 1:
        return np.full(len(shifts), np.nan), float(both.max())
    same = _overlaps([(here == code, there == code) for code in present], shifts)
    enough = both >= _LEAST_OVERLAP * both.max()
    observed = np.divide(same, both, out=np.full(len(shifts), np.nan), where=enough)
    kappas: NDArray[np.float64] = (observed - by_chance) / (1 - by_chance)
    return kappas, float(both.max())


def _overlaps(
    pairs: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]], shifts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Count, for each shift of the first of each pair to the right, the places set in both."""
    if len(shifts) == 1:
        return np.array([sum(np.count_nonzero(here & there) for here, there in pairs)], float)
    size = 1 << int(len(pairs[0][0]) + int(shifts.max())).bit_length()
    spectrum = np.zeros(size // 2 + 1, np.complex128)
    for here, there in pairs:
        spectrum += np.conj(np.fft.rfft(here, size)) * np.fft.rfft(there, size)
    counts: NDArray[np.float64] = np.rint(np.fft.irfft(spectrum, size)[shifts])
    return counts
