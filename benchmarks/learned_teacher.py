"""How well a trained I2P-MAE stands for depth maps, 2D model and lift: its 2D features of points beside lifted ones.

    python benchmarks/learned_teacher.py RUN [--data DATA --up z] [--clouds 64] [--device cpu]

RUN is a run folder of pre-training with 2D features as targets; its configuration says by which 2D model and views.
Where the data has a test part, its clouds are looked at; else choose data that the run has not seen. All features are
in the form that the run's targets had. Cosines are those of the features of one point in one view, their mean over all:
as they are, that of a constant (the mean feature of each view) to the true ones, and about that mean, which a constant
has none of. Times are of whole batches, in milliseconds for a cloud; on a CPU, of processor time.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from i2pmae.data.clouds import CloudSet
from i2pmae.data.open.source import open_clouds
from i2pmae.methods.config import PretrainConfig
from i2pmae.methods.i2p_mae.build import open_teacher
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig
from i2pmae.methods.i2p_mae.dense import DenseTargets
from i2pmae.methods.i2p_mae.learned import open_run
from i2pmae.ops import fps, gather
from i2pmae.projection.lift import lift
from i2pmae.projection.rasterise import project
from i2pmae.projection.views import parse_views
from i2pmae.runs.folder import CONFIG_FILE
from i2pmae.teachers.catalogue import RUN
from i2pmae.teachers.lessons import PointTeacher, as_point_teacher
from i2pmae.typing import Float, Tensor


def chosen(clouds: CloudSet, count: int) -> CloudSet:
    """Some clouds of the test part, where there is one, spread over it."""
    unseen = clouds.split("test") if clouds.splits is not None and "test" in clouds.splits else clouds
    return unseen.subset(torch.linspace(0, len(unseen) - 1, min(count, len(unseen))).long().numpy())


def milliseconds(call: Callable[[], object], clouds: int, repeats: int, device: torch.device) -> float:
    """Median time for one cloud of a call."""
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    call()
    seconds = []
    for _ in range(repeats):
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = clock()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - start)
    return 1000 * statistics.median(seconds) / clouds


def closeness(said: Float[Tensor, "n v c"], true: Float[Tensor, "n v c"]) -> dict[str, float]:
    """How near features are to the true ones."""
    mean = true.mean(0)
    error = (said - true).square().sum() / (true - mean).square().sum()
    return {
        "cosine": float(torch.cosine_similarity(said, true, dim=-1).mean()),
        "of a constant": float(torch.cosine_similarity(mean.expand_as(true), true, dim=-1).mean()),
        "about the mean": float(torch.cosine_similarity(said - mean, true - mean, dim=-1).mean()),
        "R²": 1 - float(error),
    }


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run folder of pre-training")
    parser.add_argument("--data", help="what the clouds are read from; the data of the run where absent")
    parser.add_argument("--up", choices=("x", "y", "z"), help="the axis that points up; that of the data where absent")
    parser.add_argument("--clouds", type=int, default=64)
    parser.add_argument("--at", type=int, default=256, help="points of each cloud whose features are compared")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = torch.device(options.device)
    config = PretrainConfig.load(options.run / CONFIG_FILE)
    method = config.method
    learned = open_run(f"{RUN}{options.run}", device)
    if not isinstance(method, I2PMAEMethodConfig) or not learned.feature_dim:
        raise SystemExit(f"{options.run} predicts no 2D features: its loss.semantics must be above 0.")
    teacher = open_teacher(method, device)
    assert teacher is not None
    asked = as_point_teacher(teacher, method.projection)
    source = options.data or config.data.source
    up = options.up or config.data.up
    clouds = chosen(open_clouds(source, points=config.data.points, up=up, shown=False), options.clouds)
    batches = torch.as_tensor(np.asarray(clouds.points, np.float32), device=device).split(options.batch)
    said, lifted = [], []
    with torch.no_grad():
        for points in batches:
            at = gather(points, fps(points, min(options.at, points.shape[1])))
            said.append(learned.teach(points).features(at))
            lifted.append(asked.teach(points).features(at))
    dense = DenseTargets(method.loss, asked.feature_dim)
    dense.to(device)
    dense.settle(torch.cat(lifted))
    true = dense.prepared(torch.cat(lifted)).flatten(0, 1)
    found = closeness(torch.cat(said).flatten(0, 1).view_as(true), true)
    print(
        f"{len(clouds)} clouds of {clouds.name}, {config.data.points} points; {options.run}, taught by {teacher.name}"
    )
    print("2D features of points: " + ", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    points = batches[0]
    at = points[:, : options.at]
    calls: dict[str, Callable[[], object]] = {"student": lambda: learned.teach(points).features(at)}
    if not isinstance(teacher, PointTeacher):
        shown = method.projection
        views = parse_views(shown.views)
        images, frame = project(points, views, shown.image_size, shown.depth)
        flat = images.flatten(0, 1)[:, None]
        maps = teacher(flat).features.unflatten(0, images.shape[:2])
        calls |= {
            "projection": lambda: project(points, views, shown.image_size, shown.depth),
            "2D model": lambda: teacher(flat),
            "lift": lambda: lift(maps, at, frame),
        }
    with torch.no_grad():
        times = {name: milliseconds(call, len(points), options.repeats, device) for name, call in calls.items()}
    print("ms a cloud: " + ", ".join(f"{name} {value:.2f}" for name, value in times.items()), end="")
    whole = sum(times.values()) - times["student"]
    print(
        f"; projection, 2D model and lift {whole:.2f}, {whole / times['student']:.1f} times the student" * bool(whole)
    )


if __name__ == "__main__":
    main()
