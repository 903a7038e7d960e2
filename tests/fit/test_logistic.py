from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.fit.materials import LABELS, invented

from i3d_fit.errors import FitError
from i3d_fit.logistic import ABSENT_LOGIT, fit_logistic, fit_path
from i3d_fit.measures import recalls


@pytest.mark.parametrize("labels", [LABELS, ("rest", "eat")])
def test_a_head_answers_raw_features_as_scikit_learn_does_standardised_ones(labels):
    material = invented(labels=labels, apart=0.3, seed=1)
    head = fit_logistic(material, strength=0.1)
    expected = make_pipeline(
        StandardScaler(),
        LogisticRegression(
            C=1 / (0.1 * material.num_windows), class_weight="balanced", tol=1e-8, max_iter=10_000
        ),
    ).fit(material.features.astype(np.float64), material.codes)
    found = head.probabilities(material.features)
    assert found == pytest.approx(expected.predict_proba(material.features), abs=2e-3)
    assert head.labels == labels
    assert np.ptp(found, axis=0).min() > 0.2  # something was learned


def test_the_same_material_gives_the_same_head():
    material = invented()
    one, two = fit_logistic(material, strength=0.1), fit_logistic(material, strength=0.1)
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.bias, two.bias)


def test_heads_on_a_path_are_what_each_alone_would_be():
    material = invented(apart=0.3, seed=2)
    strengths = (0.01, 1.0, 0.1)
    path = fit_path(material, strengths=strengths)
    for head, strength in zip(path, strengths, strict=True):
        alone = fit_logistic(material, strength=strength).probabilities(material.features)
        assert head.probabilities(material.features) == pytest.approx(alone, abs=5e-3)
    sizes = [float(np.abs(head.weights).sum()) for head in path]
    assert sizes[1] < sizes[2] < sizes[0]  # the stronger, the smaller


def test_windows_of_more_than_one_behaviour_are_not_trained_on():
    material = invented(seed=3)
    rng = np.random.default_rng(0)
    mixed = rng.random(material.num_windows) < 0.3
    codes = np.where(mixed, (material.codes + 1) % 3, material.codes)
    some = replace(material, pure=~mixed)
    other = replace(material, pure=~mixed, codes=codes)
    one, two = fit_logistic(some, strength=0.1), fit_logistic(other, strength=0.1)
    assert np.array_equal(one.weights, two.weights)


def test_a_rare_class_weighs_as_much_as_a_frequent_one():
    codes = (np.arange(480) % 20 == 0).astype(np.int64)
    material = invented(groups=1, windows=480, labels=("rest", "eat"), codes=codes, apart=0.05)
    answers = fit_logistic(material, strength=30.0).logits(material.features).argmax(axis=1)
    found = recalls(material.codes, answers, classes=2)
    assert found.min() > 0.6
    plain = LogisticRegression(C=1 / (30.0 * 480)).fit(
        StandardScaler().fit_transform(material.features), codes
    )
    standard = StandardScaler().fit_transform(material.features)
    assert recalls(codes, plain.predict(standard), classes=2)[1] == 0  # or this shows nothing


def test_a_class_that_training_lacks_is_never_answered():
    material = invented()
    head = fit_logistic(material.select(material.codes != 1), strength=0.1)
    assert head.labels == LABELS
    assert (head.logits(material.features)[:, 1] == ABSENT_LOGIT).all()
    assert (head.probabilities(material.features)[:, 1] == 0).all()


def test_one_class_alone_is_always_answered():
    material = invented()
    head = fit_logistic(material.select(material.codes == 2), strength=0.1)
    assert (head.logits(material.features).argmax(axis=1) == 2).all()


def test_a_feature_that_hardly_moves_gets_no_large_weight():
    material = invented(apart=0.3)
    features = material.features.copy()
    features[:, 0] = 0.5 + 1e-6 * (material.codes == 1)
    features[:, 1] = 0.5
    head = fit_logistic(replace(material, features=features), strength=0.1)
    assert np.abs(head.weights[0]).max() < 10 * np.abs(head.weights[2:]).max()
    assert (head.weights[1] == 0).all()


def test_without_a_window_of_one_behaviour_there_is_no_head():
    material = invented()
    nothing = replace(material, pure=np.zeros_like(material.pure))
    with pytest.raises(FitError, match=r"got none among 192: .* half a window \(16 frames\)"):
        fit_logistic(nothing, strength=0.1)
