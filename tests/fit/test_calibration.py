import json

import numpy as np
import pytest
from tests.fit.materials import invented

from i3d_fit.calibration import (
    calibrated,
    calibration_error,
    calibration_of,
    probabilities_of,
    temperature_of,
)
from i3d_fit.logistic import ABSENT_LOGIT, fit_logistic


def answers(*, factor: float, windows: int = 4000, classes: int = 4, seed: int = 0):
    """Return logits that are ``factor`` times too sure, and classes drawn from the right ones."""
    rng = np.random.default_rng(seed)
    right = rng.normal(0, 2, (windows, classes))
    powers = np.exp(right)
    shares = np.cumsum(powers / powers.sum(axis=1, keepdims=True), axis=1)
    codes = (rng.random((windows, 1)) > shares).sum(axis=1).clip(max=classes - 1)
    return (right * factor).astype(np.float32), codes.astype(np.int64)


@pytest.mark.parametrize("factor", [0.05, 0.5, 1.0, 4.0])
def test_the_temperature_takes_back_what_logits_are_too_sure_or_unsure_by(factor):
    logits, codes = answers(factor=factor)
    found = calibration_of(logits, codes)
    assert found.temperature == pytest.approx(factor, rel=0.08)
    assert found.error_after < 0.03
    if factor != 1:
        assert found.error_before > 3 * found.error_after
    assert json.loads(json.dumps(found.document()))["temperature"] == found.temperature


def test_a_calibrated_head_answers_the_same_classes_with_logits_that_much_smaller():
    material = invented(apart=0.3)
    head = fit_logistic(material, strength=0.1)
    milder = calibrated(head, 2.5)
    before, after = head.logits(material.features), milder.logits(material.features)
    assert after == pytest.approx(before / 2.5, abs=1e-4)
    assert np.array_equal(before.argmax(axis=1), after.argmax(axis=1))
    assert milder.labels == head.labels
    assert milder.weights.dtype == milder.bias.dtype == np.float32


def test_a_test_without_an_error_makes_a_head_surer_but_not_of_everything():
    codes = np.arange(100) % 2
    logits = np.where(np.arange(2) == codes[:, None], 1.0, -1.0).astype(np.float32)
    temperature = temperature_of(logits, codes)
    assert 0.2 < temperature < 1
    assert probabilities_of(logits, temperature).max() < 0.999


def test_windows_of_a_class_that_was_not_trained_on_do_not_count():
    logits, codes = answers(factor=3.0)
    alone = temperature_of(
        logits[codes != 1][:, [0, 2, 3]], np.array([0, 0, 1, 2])[codes[codes != 1]]
    )
    logits[:, 1] = ABSENT_LOGIT
    assert temperature_of(logits, codes) == pytest.approx(alone, rel=1e-3)
    nothing = codes == 1
    assert temperature_of(logits[nothing], codes[nothing]) == 1


def test_the_calibration_error_by_hand():
    # Two windows at 0.9, one of them right; two at 0.6, both right.
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.4, 0.6]])
    codes = np.array([0, 1, 0, 1])
    assert calibration_error(probabilities, codes) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)
    certain = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert calibration_error(certain, np.array([0, 1])) == 0
