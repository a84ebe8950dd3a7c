import warnings

import numpy as np
import pytest
from sklearn.svm import LinearSVC

from i2pmae.evaluation.svm import Whitened


def gaussians(
    count: int, channels: int, classes: int, spread: float = 1.0, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, channels))
    labels = np.arange(count) % classes
    return (centres[labels] + generator.normal(size=(count, channels)) * spread).astype(np.float32), labels


@pytest.mark.parametrize("C", [1e-3, 1e-1, 10])
@pytest.mark.parametrize(("count", "channels", "classes"), [(300, 12, 5), (40, 60, 3), (60, 4, 2)])
def test_it_finds_the_optimum_of_liblinear(C: float, count: int, channels: int, classes: int) -> None:
    x, y = gaussians(count, channels, classes, spread=2)
    x = x * np.linspace(0.1, 10, channels, dtype=np.float32) + 3
    machine = Whitened(x, y, classes).fit(C, tolerance=1e-12)
    standard = (x - machine.mean) / machine.deviation
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reference = LinearSVC(C=C, dual=False, tol=1e-8, max_iter=10000).fit(standard, y)
    expected = np.concatenate([reference.coef_, reference.intercept_[:, None]], axis=1).T
    if classes == 2:  # scikit-learn keeps one of the two mirrored planes
        expected = np.concatenate([-expected, expected], axis=1)
    np.testing.assert_allclose(machine.weights, expected, atol=2e-3 * np.abs(expected).max())
    assert (machine.predict(x) == reference.predict(standard)).mean() > 0.99


def test_a_start_changes_nothing_but_the_time() -> None:
    x, y = gaussians(200, 10, 4, spread=2)
    ready = Whitened(x, y, 4)
    cold = ready.fit(0.1, tolerance=1e-12)
    warm = ready.fit(0.1, start=ready.fit(1.0), tolerance=1e-12)
    np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-3)


def test_constant_and_copied_features_do_no_harm() -> None:
    x, y = gaussians(100, 6, 3)
    x = np.concatenate([x, x[:, :2], np.full((100, 1), 7, dtype=np.float32)], axis=1)
    machine = Whitened(x, y, 3).fit(0.1)
    assert np.isfinite(machine.weights).all()
    np.testing.assert_array_equal(machine.weights[8], 0)
    np.testing.assert_allclose(machine.weights[:2], machine.weights[6:8], atol=1e-3)
