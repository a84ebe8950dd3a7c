"""Classifiers of frozen features, each with one parameter that cross-validation on the training clouds chooses."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from i2pmae.common.errors import DataError, UsageError
from i2pmae.common.progress import track
from i2pmae.common.seeds import derive
from i2pmae.typing import Float, Int

__all__ = ["CLASSIFIERS", "Chosen", "Classifier", "choose", "fit", "linear_head", "usable_folds"]

GRID = tuple(float(f"{value:.3g}") for value in np.logspace(-4, 0, 9))
"""Values of C that are tried, in steps of √10."""
NEIGHBOURS = (1, 3, 5, 10, 20, 50)
"""Values of k that are tried."""
PATIENCE, WORSE = 2, 0.005
"""After so many values in a row that are worse than the best by so much, larger ones (of C: the slowest) are left."""
SAFE = 0.01
"""C where nothing can be cross-validated."""
MOST_ITERATIONS = 1000
"""Of the logistic regression's solver."""


class Fitted(Protocol):
    """A classifier that has learnt."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The class of every row."""


@dataclass(frozen=True)
class Classifier:
    """A family of classifiers, one for each value of its parameter."""

    task: str
    """What the evaluation is called."""
    name: str
    """What it is, in words."""
    parameter: str
    """What is chosen."""
    values: tuple[float, ...]
    """What is tried, in ascending order."""
    fitter: Callable[[np.ndarray, np.ndarray], Callable[[float], Fitted]]
    """What fits the classifier of one value after the other, best in ascending order, to given features and labels."""
    counts_neighbours: bool = False
    """Whether the parameter is a number of training clouds, of which there must be so many."""


@dataclass(frozen=True)
class Chosen:
    """A value, and what it was chosen by."""

    value: float
    folds: int
    """0 where there was a single value and nothing to choose."""
    scores: Mapping[float, float]
    """Mean accuracy over the folds for every value that was tried."""


def _svm(features: np.ndarray, labels: np.ndarray) -> Callable[[float], Fitted]:
    from i2pmae.evaluation.svm import SVMPath  # scikit-learn takes a second to import

    return SVMPath(features, labels).fit


def _logistic(features: np.ndarray, labels: np.ndarray) -> Callable[[float], Fitted]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ready = features.astype(np.float64)

    def fitted(C: float) -> Fitted:
        machine = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=MOST_ITERATIONS))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # at large C, which cross-validation then leaves
            # A few clouds of each class are what few-shot learning is about, and no regression.
            warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
            return machine.fit(ready, labels)

    return fitted


def _knn(features: np.ndarray, labels: np.ndarray) -> Callable[[float], Fitted]:
    from sklearn.neighbors import KNeighborsClassifier

    ready = features.astype(np.float64)
    return lambda k: KNeighborsClassifier(int(k), metric="cosine", algorithm="brute").fit(ready, labels)


STANDARDISED = "standardised with the training clouds' mean and deviation"
CLASSIFIERS: Mapping[str, Classifier] = {
    "svm": Classifier(
        "linear-probe",
        f"Linear SVM (squared hinge, one class against the rest) on frozen features, {STANDARDISED}",
        "C",
        GRID,
        _svm,
    ),
    "knn": Classifier(
        "knn",
        "Majority of the k nearest training clouds by cosine similarity of frozen features",
        "k",
        NEIGHBOURS,
        _knn,
        counts_neighbours=True,
    ),
    "logistic": Classifier(
        "logistic",
        f"Multinomial logistic regression (L2 penalty) on frozen features, {STANDARDISED}",
        "C",
        GRID,
        _logistic,
    ),
}
"""Every classifier by the name that the command line gives it."""


def choose(
    classifier: Classifier,
    features: np.ndarray,
    labels: np.ndarray,
    *,
    values: Sequence[float] | None,
    folds: int,
    names: Sequence[str],
    seed: int,
    shown: bool,
) -> Chosen:
    """The value of the parameter with the best mean accuracy in stratified cross-validation, the smallest of equals.

    ``labels`` are indices of ``names``, every one of which has clouds. A single value is taken as it is.
    """
    grid = _usable_values(classifier, classifier.values if values is None else values)
    if len(grid) == 1:
        _check_neighbours(classifier, grid, len(labels))
        return Chosen(grid[0], 0, {})
    from sklearn.model_selection import StratifiedKFold

    folds = usable_folds(folds, labels, names, classifier.parameter)
    splitter = StratifiedKFold(folds, shuffle=True, random_state=derive(seed, "folds") % 2**32)
    splits = list(splitter.split(features, labels))
    smallest = min(len(train) for train, _ in splits)
    grid = _check_neighbours(classifier, grid, smallest)
    scores: dict[float, float] = {}

    def hits(fit: Callable[[float], Fitted], held: np.ndarray, value: float) -> int:
        return int((fit(value).predict(features[held]) == labels[held]).sum())

    # The solvers run without Python's lock, so threads are enough to use all cores, one core a fold.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(min(folds, torch.get_num_threads())) as pool:
        fits = list(pool.map(lambda split: classifier.fitter(features[split[0]], labels[split[0]]), splits))
        tests = [held for _, held in splits]
        for value in track(grid, f"Choosing {classifier.parameter}", shown=shown):
            scores[value] = sum(pool.map(hits, fits, tests, [value] * folds)) / len(labels)
            if max(list(scores.values())[-PATIENCE:]) < max(scores.values()) - WORSE:
                break
    return Chosen(max(scores, key=lambda value: (scores[value], -value)), folds, scores)


def fit(classifier: Classifier, value: float, features: np.ndarray, labels: np.ndarray) -> Fitted:
    """The classifier with one value of its parameter, the same with any number of threads."""
    # Its many small products would wait for more threads longer than they compute.
    with threadpool_limits(1, "blas"):
        return classifier.fitter(features, labels)(value)


def linear_head(
    features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, "n"], classes: int, seed: int
) -> tuple[Float[np.ndarray, "classes d"], Float[np.ndarray, " classes"]]:
    """Weights and biases of a linear layer whose logits are those of the logistic regression on the features.

    C is chosen as a probe chooses it; where a class has a single cloud it is :data:`SAFE`. Classes without a cloud have
    no weights and the smallest bias.
    """
    kind, present = CLASSIFIERS["logistic"], np.unique(labels)
    weight, bias = np.zeros((classes, features.shape[1])), np.zeros(classes)
    if len(present) > 1:
        numbers = np.searchsorted(present, labels)
        alone = np.bincount(numbers).min() < 2
        names = list(map(str, present))
        chosen = choose(
            kind, features, numbers, values=(SAFE,) if alone else None, folds=3, names=names, seed=seed, shown=False
        )
        scaler, machine = fit(kind, chosen.value, features, numbers).steps  # type: ignore[attr-defined]
        own, offset = machine[1].coef_, machine[1].intercept_
        if len(present) == 2:  # one logit, that of the second class
            own, offset = np.concatenate([-own, own]) / 2, np.concatenate([-offset, offset]) / 2
        own = own / scaler[1].scale_
        weight[present], bias[present] = own, offset - own @ scaler[1].mean_
        bias[np.setdiff1d(np.arange(classes), present)] = bias[present].min()
    return weight.astype(np.float32), bias.astype(np.float32)


def _usable_values(classifier: Classifier, values: Sequence[float]) -> list[float]:
    grid = sorted(set(values))
    whole = not classifier.counts_neighbours or all(value == int(value) for value in grid)
    if not grid or not np.isfinite(grid).all() or grid[0] <= 0 or not whole:
        kind = "whole numbers from 1" if classifier.counts_neighbours else "positive numbers"
        raise UsageError(f"Expected values of {classifier.parameter} to try as {kind}, got {list(values)}.")
    return grid


def _check_neighbours(classifier: Classifier, grid: list[float], clouds: int) -> list[float]:
    """The values that so many training clouds allow; :class:`DataError` where there is none."""
    if not classifier.counts_neighbours:
        return grid
    usable = [value for value in grid if value <= clouds]
    if not usable:
        raise DataError(f"There are {clouds} training clouds to compare with, fewer than k = {grid[0]:g}: add clouds.")
    return usable


def usable_folds(folds: int, labels: np.ndarray, names: Sequence[str], parameter: str) -> int:
    """As many folds as asked for, or fewer where a class has fewer clouds; :class:`DataError` where one has only 1."""
    if folds < 2:
        raise UsageError(f"Cross-validation needs at least 2 folds, got {folds}.")
    counts = np.bincount(labels)
    if counts.min() < 2:
        raise DataError(
            f"Choosing {parameter} by cross-validation needs at least 2 training clouds in every class, but "
            f"{names[int(counts.argmin())]!r} has 1. Add clouds, or leave the class out."
        )
    return int(min(folds, counts.min()))
