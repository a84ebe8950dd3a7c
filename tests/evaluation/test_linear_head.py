"""A linear layer that is a logistic regression."""

import numpy as np
import pytest

from i2pmae.evaluation.classifiers import CLASSIFIERS, SAFE, choose, fit, linear_head


def blobs(classes: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), each)
    centres = rng.normal(size=(classes, 6)) * 2
    features = (centres[labels] + rng.normal(size=(len(labels), 6))) * [1, 10, 0.1, 1, 1, 1] + 3
    return features.astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 5])
def test_it_predicts_what_the_regression_predicts(classes: int) -> None:
    features, labels = blobs(classes, 12)
    others = blobs(classes, 30, seed=1)[0]
    weight, bias = linear_head(features, labels, classes, seed=0)
    kind, names = CLASSIFIERS["logistic"], [str(i) for i in range(classes)]
    chosen = choose(kind, features, labels, values=None, folds=3, names=names, seed=0, shown=False)
    machine = fit(kind, chosen.value, features, labels)
    logits = others @ weight.T + bias
    np.testing.assert_array_equal(logits.argmax(1), machine.predict(others))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    expected = machine.predict_proba(others.astype(np.float64))  # type: ignore[attr-defined]
    np.testing.assert_allclose(odds / odds.sum(1, keepdims=True), expected, atol=1e-4)


def test_classes_without_a_cloud_are_unlikely() -> None:
    features, labels = blobs(3, 8)
    weight, bias = linear_head(features, 2 * labels, 5, seed=0)
    assert not weight[[1, 3]].any() and (bias[[1, 3]] == bias.min()).all()
    assert set((features @ weight.T + bias).argmax(1)) <= {0, 2, 4}


def test_a_class_with_one_cloud_has_the_penalty_that_is_safe() -> None:
    features, labels = blobs(3, 1)
    weight, bias = linear_head(features, labels, 3, seed=0)
    machine = fit(CLASSIFIERS["logistic"], SAFE, features, labels)
    np.testing.assert_array_equal((features @ weight.T + bias).argmax(1), machine.predict(features))
    assert not linear_head(features[:1], labels[:1], 3, seed=0)[0].any(), "of one class there is nothing to tell"
