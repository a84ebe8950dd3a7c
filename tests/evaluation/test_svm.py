"""The SVM against LIBLINEAR, and against what an optimum is."""

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from i2pmae.evaluation import svm
from i2pmae.evaluation.svm import LinearSVM, SVMPath
from tests.evaluation.conftest import gaussians

Problem = Callable[[], tuple[np.ndarray, np.ndarray]]


def separable() -> tuple[np.ndarray, np.ndarray]:
    return gaussians(200, 8, 4, spread=0.2)


def overlapping() -> tuple[np.ndarray, np.ndarray]:
    x, y = gaussians(300, 12, 5, spread=2)
    return x * np.linspace(0.1, 10, 12, dtype=np.float32) + 100, y


def two_classes() -> tuple[np.ndarray, np.ndarray]:
    x, y = gaussians(60, 4, 2, spread=2)
    return x, np.array([7, 3])[y]


def fewer_rows_than_features() -> tuple[np.ndarray, np.ndarray]:
    return gaussians(40, 60, 3, spread=2)


def copied_features_and_rows() -> tuple[np.ndarray, np.ndarray]:
    x, y = gaussians(100, 6, 3, spread=2)
    return np.tile(x, (2, 2)), np.concatenate([y, np.where(np.arange(100) % 9, y, 0)])


def constant_features() -> tuple[np.ndarray, np.ndarray]:
    x, y = gaussians(100, 6, 3)
    x[:, 0], x[:, 3] = 7, 0
    return x, y


def unbalanced() -> tuple[np.ndarray, np.ndarray]:
    x, y = gaussians(400, 10, 6)
    keep = (y == 0) | (np.arange(400) < 20)
    return x[keep][:, ::-1], y[keep]


def one_row_a_class() -> tuple[np.ndarray, np.ndarray]:
    return gaussians(5, 8, 5)


PROBLEMS = (
    separable,
    overlapping,
    two_classes,
    fewer_rows_than_features,
    copied_features_and_rows,
    constant_features,
    unbalanced,
    one_row_a_class,
)


def gradients(machine: LinearSVM, x: np.ndarray, y: np.ndarray, C: float) -> np.ndarray:
    """Of the objective, in double precision, a class at a time; in units of the length of its weights."""
    rows = np.concatenate([machine.scaler.transform(x.astype(np.float64)), np.ones((len(x), 1))], axis=1)
    lengths = []
    for name, plane in zip(machine.classes, machine.weights, strict=True):
        targets = np.where(y == name, 1, -1)
        slope = plane.copy()
        for target, row in zip(targets, rows, strict=True):
            slope -= 2 * C * max(0, 1 - target * (row @ plane)) * target * row
        lengths.append(np.linalg.norm(slope) / np.linalg.norm(plane))
    return np.array(lengths)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_weights_and_predictions_are_those_of_liblinear(problem: Problem) -> None:
    x, y = problem()
    path = SVMPath(x, y)
    queries = np.concatenate([x, x[::-1] + np.random.default_rng(5).normal(size=x.shape) * x.std(axis=0)])
    for C in (1e-4, 1e-2, 1, 100):
        machine = path.fit(C)
        ready = machine.scaler.transform(x.astype(np.float64))
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            other = LinearSVC(C=C, dual=False, tol=1e-8, max_iter=100_000).fit(ready, y)
        expected = np.concatenate([other.coef_, other.intercept_[:, None]], axis=1)
        found = machine.weights[1:] if len(machine.classes) == 2 else machine.weights
        np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max())
        assert machine.classes.tolist() == other.classes_.tolist()
        assert (machine.predict(queries) == other.predict(machine.scaler.transform(queries))).all()
        scores = machine.decision_function(queries)
        assert (machine.classes[scores.argmax(axis=1)] == machine.predict(queries)).all()


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("C", [1e-12, 1e-4, 0.1, 1e3])
def test_the_gradient_is_zero(problem: Problem, C: float) -> None:
    x, y = problem()
    machine = SVMPath(x, y).fit(C)
    assert machine.converged
    assert gradients(machine, x, y, C).max() < 1.1 * svm.TOLERANCE


@pytest.mark.parametrize("problem", [*PROBLEMS, lambda: gaussians(400, 90, 20)])
def test_the_start_changes_nothing(problem: Problem) -> None:
    x, y = problem()
    path = SVMPath(x, y)
    for C in (1e-3, 0.03, 1, 1e4, 0.5, 1e-4):
        expected = SVMPath(x, y).fit(C).weights
        np.testing.assert_allclose(path.fit(C).weights, expected, atol=1e-6 * np.abs(expected).max())


def test_features_that_say_nothing_end_in_a_tie() -> None:
    y = np.arange(30) % 3
    machine = SVMPath(np.full((30, 4), 3.0), y).fit(1)
    assert machine.converged
    np.testing.assert_allclose(machine.weights[:, :-1], 0, atol=1e-12)
    balanced = SVMPath(np.full((30, 4), 3.0), np.arange(30) % 2).fit(1)
    assert balanced.converged
    np.testing.assert_allclose(balanced.weights, 0, atol=1e-12)


def test_two_classes_are_one_machine_and_its_mirror() -> None:
    x, y = two_classes()
    machine = SVMPath(x, y).fit(0.1)
    np.testing.assert_array_equal(machine.weights[0], -machine.weights[1])
    assert set(machine.predict(x)) == {3, 7}


def test_other_types_and_layouts_give_the_same() -> None:
    x, y = overlapping()
    expected = SVMPath(x, y).fit(0.1).weights
    strided = np.repeat(x.astype(np.float64), 2, axis=1)[:, ::2]
    for same in (np.asfortranarray(x), x.astype(np.float64), strided):
        np.testing.assert_allclose(SVMPath(same, y.astype(np.int32)).fit(0.1).weights, expected, rtol=1e-9)


def test_blocks_and_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = gaussians(500, 40, 7, spread=2)
    expected = SVMPath(x, y).fit(0.1)
    for threads in (1, 3):
        with threadpool_limits(threads, "blas"):
            np.testing.assert_array_equal(SVMPath(x, y).fit(0.1).predict(x), expected.predict(x))
    monkeypatch.setattr(svm, "BLOCK", 1)
    np.testing.assert_allclose(SVMPath(x, y).fit(0.1).weights, expected.weights, rtol=1e-6)


def test_machines_stay_as_they_were_fitted() -> None:
    x, y = overlapping()
    path = SVMPath(x, y)
    machine = path.fit(0.01)
    before = machine.weights.copy()
    path.fit(1)
    np.testing.assert_array_equal(machine.weights, before)


def test_what_does_not_converge_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = overlapping()
    monkeypatch.setattr(svm, "MOST_STEPS", 2)
    with pytest.warns(ConvergenceWarning, match="did not converge at C = 1: .* smaller values of C"):
        assert not SVMPath(x, y).fit(1).converged
