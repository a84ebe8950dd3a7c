"""Seconds and score of the probe's SVM by tolerance, on features of the size of ModelNet40's.

python benchmarks/probe.py [--clouds 9843] [--features 384] [--classes 40]
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from i2pmae.evaluation import classifiers
from i2pmae.evaluation.probe import linear_probe

TEST = 2000
"""Clouds that the accuracy is counted on."""


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clouds", type=int, default=9843)
    parser.add_argument("--features", type=int, default=384)
    parser.add_argument("--classes", type=int, default=40)
    parser.add_argument("--tolerances", type=float, nargs="+", default=[1e-1, 1e-2, 1e-3])
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(options.classes, options.features)) * np.geomspace(1, 0.02, options.features)
    labels = rng.integers(options.classes, size=options.clouds + TEST)
    features = (centres[labels] + rng.normal(size=(len(labels), options.features)) * 0.6).astype(np.float32)
    train, test = slice(None, options.clouds), slice(options.clouds, None)
    print("tolerance  seconds  C      accuracy")
    usual = classifiers.TOLERANCE
    try:
        for tolerance in options.tolerances:
            classifiers.TOLERANCE = tolerance
            start = time.perf_counter()
            found = linear_probe(features[train], labels[train], features[test], labels[test])
            seconds = time.perf_counter() - start
            print(f"{tolerance:9g} {seconds:8.1f}  {found.selected['C']:<6g} {found.accuracy:.4f}", flush=True)
    finally:
        classifiers.TOLERANCE = usual


if __name__ == "__main__":
    main()
