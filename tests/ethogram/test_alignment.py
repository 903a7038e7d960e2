from fractions import Fraction

import numpy as np
import pytest
from tests.ethogram.synthetic import HOMECAGE9, frame_times_us, random_bouts

from i3d_ethogram.compare.alignment import alignment_of

FPS = Fraction(30)


def recording(seconds: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    times = frame_times_us(round(seconds * 30), FPS)
    ends = np.cumsum([length for _, length in random_bouts(seconds, seed=seed)])
    labels = [HOMECAGE9.index(label) for label, _ in random_bouts(seconds, seed=seed)]
    bout = np.searchsorted(ends, times[:-1] / 1e6, side="right").clip(0, len(labels) - 1)
    return np.array(labels, np.int16)[bout], times


def moved(codes: np.ndarray, frames: int) -> np.ndarray:
    """As if what happens in frame i were annotated at frame i + frames."""
    result = np.full(len(codes), -1, np.int16)
    source = np.arange(len(codes)) - frames
    inside = (source >= 0) & (source < len(codes))
    result[inside] = codes[source[inside]]
    return result


@pytest.mark.parametrize("frames", [-3600, -126, 90, 1234])
def test_an_annotation_that_begins_elsewhere_is_noticed(frames):
    codes, times = recording(1200)
    found = alignment_of(moved(codes, frames), codes, times_us=times, fps=30.0)
    assert found is not None
    assert found.is_elsewhere
    assert found.factor == 1
    assert found.shift_us == pytest.approx(-frames / 30 * 1e6, abs=100_000)
    assert found.best > 0.95 > found.kappa + 0.1


@pytest.mark.parametrize(("annotated_at", "fps"), [(25.0, 30.0), (30.0, 25.0), (60.0, 30.0)])
def test_a_wrong_frame_rate_is_noticed(annotated_at, fps):
    codes, times = recording(1200)
    # Frame n of the video is annotated at n / annotated_at s.
    source = np.arange(len(codes)) * annotated_at / fps
    inside = source < len(codes)
    annotated = np.full(len(codes), -1, np.int16)
    annotated[inside] = codes[source[inside].astype(int)]
    found = alignment_of(annotated, codes, times_us=times, fps=fps)
    assert found is not None
    assert found.is_elsewhere
    assert found.factor == pytest.approx(annotated_at / fps, abs=1e-3)
    assert found.best > 0.9


def test_a_day_timed_at_thirty_in_place_of_a_thousandth_less_is_noticed():
    codes, times = recording(4 * 3600)
    source = np.arange(len(codes)) * 1000 / 1001
    found = alignment_of(codes[source.astype(int)], codes, times_us=times, fps=30.0)
    assert found is not None
    assert found.is_elsewhere
    assert found.factor == pytest.approx(1000 / 1001, abs=1e-5)


def elsewhere(annotated: np.ndarray, codes: np.ndarray, times: np.ndarray) -> bool:
    found = alignment_of(annotated, codes, times_us=times, fps=30.0)
    assert found is not None
    assert not found.is_chance
    return found.is_elsewhere


def test_what_lies_well_is_left_alone():
    codes, times = recording(1200)
    assert not elsewhere(codes, codes, times)
    random = np.random.default_rng(1)
    noisy = codes.copy()
    wrong = random.random(len(codes)) < 0.4
    noisy[wrong] = random.integers(0, 9, int(wrong.sum()))
    assert not elsewhere(noisy, codes, times)
    assert not elsewhere(moved(codes, 3), codes, times)


@pytest.mark.parametrize("seed", range(4))
def test_the_annotation_of_another_mouse_fits_nowhere(seed):
    codes, times = recording(3600, seed=seed)
    other, _ = recording(3600, seed=seed + 100)
    found = alignment_of(other, codes, times_us=times, fps=30.0)
    assert found is not None
    assert found.is_chance
    assert not found.is_elsewhere


@pytest.mark.parametrize("seed", range(20))
def test_short_stretches_of_a_long_recording_are_not_stretched_by_chance(seed):
    """What is predicted is known where a person has looked, and seven times in ten right."""
    codes, times = recording(600, seed=seed)
    random = np.random.default_rng(seed)
    annotated = np.full(len(codes), -1, np.int16)
    for start in random.choice(600 // 10 - 1, 5, replace=False) * 300:
        annotated[start : start + 150] = codes[start : start + 150]
    predicted = annotated.copy()
    wrong = np.repeat(random.random(len(codes) // 30) > 0.7, 30) & (annotated >= 0)
    predicted[wrong] = random.integers(0, 9, int(wrong.sum()))
    found = alignment_of(annotated, predicted, times_us=times, fps=30.0)
    assert found is None or not (found.is_elsewhere and found.factor != 1)


def test_too_little_to_say_anything_of():
    codes, times = recording(0.5)
    assert alignment_of(codes, codes, times_us=times, fps=30.0) is None
    codes, times = recording(60)
    one = np.zeros(len(codes), np.int16)
    assert alignment_of(one, one, times_us=times, fps=30.0) is None
    nobody = np.full(len(codes), -1, np.int16)
    assert alignment_of(nobody, codes, times_us=times, fps=30.0) is None
