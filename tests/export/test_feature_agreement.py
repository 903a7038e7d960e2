"""How near one precision's features are to FP32's."""

import numpy as np
import pytest

from i3d_export.feature_agreement import compare_features


def features(windows: int = 20, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(0.5, size=(windows, 1024)).astype(np.float32)


def test_features_agree_with_themselves_and_with_any_multiple() -> None:
    for factor in (1, 3):
        found = compare_features(features(), factor * features())
        assert found.windows == 20
        assert found.mean_cosine == pytest.approx(1)
        assert found.worst_cosine == pytest.approx(1)
        assert not found.doubtful


def test_the_worst_window_is_named_beside_the_mean() -> None:
    spoilt = features()
    spoilt[7] = features(seed=1)[7]
    found = compare_features(features(), spoilt)
    expected = features()[7] @ spoilt[7]
    expected /= np.linalg.norm(features()[7]) * np.linalg.norm(spoilt[7])
    assert found.worst_cosine == pytest.approx(float(expected), abs=1e-5)
    assert found.mean_cosine == pytest.approx((19 + float(expected)) / 20, abs=1e-5)


def test_features_of_other_windows_are_doubtful() -> None:
    assert compare_features(features(), features(seed=1)).doubtful


def test_a_window_without_features_agrees_with_its_like_alone() -> None:
    nothing = np.zeros((1, 1024), np.float32)
    assert compare_features(nothing, nothing).worst_cosine == 1
    assert compare_features(nothing, features(1)).worst_cosine == 0


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (features(19), "of the same windows"),
        (np.full((20, 1024), np.nan, np.float32), "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(candidate: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compare_features(features(), candidate)
