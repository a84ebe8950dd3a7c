"""Clouds per second of the built-in shapes on one core: ``python benchmarks/shapes.py [--rounds 5]``."""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from i2pmae.data.shapes import ShapesConfig, make_shapes
from i2pmae.data.shapes.assemble import BLOCK
from i2pmae.data.shapes.catalogue import kinds

SCANNED = ShapesConfig(catalogue="wide", assemblies=0.5, warp=0.3, rotation=180, tilt=15, partial=0.3, fewest=256)
CONFIGS = {
    "default": ShapesConfig(),
    "wide": ShapesConfig(catalogue="wide"),
    "assemblies": ShapesConfig(assemblies=1),
    "scanned": SCANNED,
    "clean": ShapesConfig.clean(),
}
"""What is measured; ``scanned`` is everything at once."""


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        with open("/proc/cpuinfo") as lines:  # noqa: PTH123
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, nargs="+", default=[1024, 2048])
    parser.add_argument("--rounds", type=int, default=5)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    rounds = options.rounds
    print(f"{processor()}, 1 process, 1 thread, NumPy {np.__version__}, Python {platform.python_version()}")
    print(f"{BLOCK} clouds of every class a round, {rounds} rounds: median (best) clouds per CPU second")
    for points in options.points:
        for name, config in CONFIGS.items():
            count = BLOCK * sum(map(len, kinds(config)))
            rates = []
            for seed in range(rounds):
                start = time.process_time()
                make_shapes(count, points, seed=seed, config=config)
                rates.append(count / (time.process_time() - start))
            print(f"{points} points, {name:>10}: {statistics.median(rates):6.0f} ({max(rates):.0f})")


if __name__ == "__main__":
    main()
