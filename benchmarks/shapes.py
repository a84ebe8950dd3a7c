"""Clouds per second of the built-in shapes on one core: ``python benchmarks/shapes.py``."""

import os
import platform
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from i2pmae.data.shapes import CATEGORIES, ShapesConfig, make_shapes
from i2pmae.data.shapes.assemble import BLOCK

ROUNDS = 5


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main() -> None:
    count = BLOCK * len(CATEGORIES)
    print(f"{processor()}, 1 process, 1 thread, NumPy {np.__version__}, Python {platform.python_version()}")
    print(f"{len(CATEGORIES)} categories, {count} clouds a round, {ROUNDS} rounds: median (best) clouds per CPU second")
    for points in (1024, 2048):
        for name, config in (("default", ShapesConfig()), ("clean", ShapesConfig.clean())):
            rates = []
            for seed in range(ROUNDS):
                start = time.process_time()
                make_shapes(count, points, seed=seed, config=config)
                rates.append(count / (time.process_time() - start))
            print(f"{points} points, {name:>7}: {statistics.median(rates):6.0f} ({max(rates):.0f})")


if __name__ == "__main__":
    main()
