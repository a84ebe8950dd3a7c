"""Seconds, C and score of the probe's SVM, and of LIBLINEAR's by tolerance, on features of the size of ModelNet40's.

python benchmarks/probe.py [--clouds 9843] [--features 384] [--classes 40] [--threads 2]
"""

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from i2pmae.evaluation.classifiers import CLASSIFIERS, Fitted, choose, fit

TEST = 2000
"""Clouds that the accuracy is counted on."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clouds", type=int, default=9843)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--tolerances", type=float, nargs="*", default=[1e-2], help="of LIBLINEAR")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser


def liblinear(tolerance: float) -> Callable[[np.ndarray, np.ndarray], Callable[[float], Fitted]]:
    """The same machine by scikit-learn's wrapper of LIBLINEAR, each fit from nothing."""

    def fitter(features: np.ndarray, labels: np.ndarray) -> Callable[[float], Fitted]:
        ready = features.astype(np.float64)

        def fit_one(C: float) -> Fitted:
            machine = make_pipeline(StandardScaler(), LinearSVC(C=C, tol=tolerance, dual=True, random_state=0))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                return machine.fit(ready, labels)

        return fit_one

    return fitter


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    scales = np.geomspace(1, 0.02, options.features)
    centres = rng.normal(size=(options.classes, options.features)) * scales
    labels = np.arange(options.clouds + TEST) % options.classes
    # Features of a network go together: a few directions hold most of what they say.
    mixing = rng.normal(size=(options.features, options.features))
    features = ((centres[labels] + rng.normal(size=(len(labels), options.features)) * 3 * scales) @ mixing).astype("f4")
    train, test = slice(None, options.clouds), slice(options.clouds, None)
    names = [str(label) for label in range(options.classes)]
    solvers = {"own": CLASSIFIERS["svm"].fitter} | {f"LIBLINEAR, {tol:g}": liblinear(tol) for tol in options.tolerances}
    first: np.ndarray | None = None
    print("solver            choice (s)   fit (s)  C       accuracy  predictions that differ")
    for name, fitter in solvers.items():
        kind = replace(CLASSIFIERS["svm"], fitter=fitter)
        start = time.perf_counter()
        chosen = choose(kind, features[train], labels[train], values=None, folds=5, names=names, seed=0, shown=False)
        between = time.perf_counter()
        predicted = fit(kind, chosen.value, features[train], labels[train]).predict(features[test])
        end = time.perf_counter()
        first = predicted if first is None else first
        accuracy, differ = (predicted == labels[test]).mean(), (predicted != first).sum()
        times = f"{between - start:10.2f} {end - between:9.2f}"
        print(f"{name:<17s} {times}  {chosen.value:<7g} {accuracy:.4f}    {differ} of {TEST}", flush=True)


if __name__ == "__main__":
    main()
