"""How the cost of operations grows in points and in clouds, as a table and a picture with lines of N log N beside it.

python benchmarks/growth.py --output growth.png [--points 1024 ... 131072] [--clouds 1 ... 64] [--threads 1]
"""

import argparse
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib
import torch

from i2pmae import ops
from i2pmae.encoders.tokenizer import tokenise
from i2pmae.projection.rasterise import project

matplotlib.use("Agg")
from matplotlib import pyplot


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """The shortest, after a warm-up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def in_points(number: int) -> dict[str, Callable[[], object]]:
    """What is done with one cloud of so many points."""
    points, other = torch.randn(2, 1, number, 3)
    return {
        "FPS, 512 points": lambda: ops.fps(points, min(512, number)),
        "kNN, 16 of all points": lambda: ops.knn(points, points, 16),
        "Chamfer": lambda: ops.chamfer_l2(points, other),
        "projection, 3 views": lambda: project(points),
    }


def in_clouds(clouds: int) -> dict[str, Callable[[], object]]:
    """What is done with so many clouds of 1024 points."""
    points = torch.randn(clouds, 1024, 3)
    return {
        "tokens of three levels": lambda: tokenise(points, (256, 128, 32), (16, 8, 8)),
        "projection, 3 views": lambda: project(points),
    }


def draw(axes: pyplot.Axes, what: str, sizes: Sequence[int], rows: dict[str, list[float]], logarithm: bool) -> None:
    """Curves, each with a dotted line that grows as it should from its first value."""
    for name, values in rows.items():
        (line,) = axes.plot(sizes, values, marker="o", label=name)
        cost = [size * math.log2(size) if logarithm else size for size in sizes]
        axes.plot(sizes, [values[-1] * c / cost[-1] for c in cost], ":", color=line.get_color(), linewidth=1)
    axes.set(xscale="log", yscale="log", xlabel=what, ylabel="milliseconds")
    axes.legend(fontsize=8)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--points", type=int, nargs="+", default=[2**power for power in range(10, 18)])
    parser.add_argument("--clouds", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    before = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    figure, panels = pyplot.subplots(1, 2, figsize=(10, 4), layout="constrained")
    try:
        for axes, what, sizes, calls in (
            (panels[0], "points of one cloud (dotted: N log N)", options.points, in_points),
            (panels[1], "clouds of 1024 points (dotted: linear)", options.clouds, in_clouds),
        ):
            rows: dict[str, list[float]] = {}
            for size in sizes:
                for name, call in calls(size).items():
                    rows.setdefault(name, []).append(milliseconds(call, options.repeats))
            print(f"{what}: {' '.join(map(str, sizes))}")
            for name, values in rows.items():
                print(f"{name:24s}" + " ".join(f"{value:9.2f}" for value in values), flush=True)
            draw(axes, what, sizes, rows, calls is in_points)
    finally:
        torch.set_num_threads(before)
    figure.savefig(options.output, dpi=120)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
