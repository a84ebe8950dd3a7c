"""Clouds per second of pre-training steps and of embedding, for each model size.

python benchmarks/step.py [--sizes tiny small paper] [--clouds 32] [--steps 5] [--device cpu] [--teacher embedded]
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence

import torch

from i2pmae.data.shapes import make_shapes
from i2pmae.methods.i2p_mae.config import I2PMAEMethodConfig
from i2pmae.methods.i2p_mae.model import I2PMAE
from i2pmae.methods.i2p_mae.recipes import SIZES
from i2pmae.methods.i2p_mae.task import I2PMAETask
from i2pmae.projection.views import parse_views
from i2pmae.teachers.base import Teacher
from i2pmae.teachers.loading import load_teacher
from i2pmae.teachers.maps import ViewMaps, look
from i2pmae.training.config import OptimiserConfig
from i2pmae.training.optimiser import build_optimiser
from i2pmae.typing import Tensor

POINTS = {"tiny": 1024, "small": 1024, "paper": 2048}
BATCH = {"tiny": 32, "small": 16, "paper": 8}


class Kept:
    """Maps of a batch that were made before, as those of a run are."""

    def __init__(self, maps: ViewMaps) -> None:
        self.maps = maps

    def __call__(self, index: Tensor) -> ViewMaps:
        del index
        return self.maps


def calls(size: str, clouds: int, teacher: Teacher, device: torch.device) -> dict[str, Callable[[], object]]:
    """What is measured of a model of that size, each on a batch of so many clouds."""
    config = I2PMAEMethodConfig(model=SIZES[size])
    views = len(parse_views(config.projection.views))
    torch.manual_seed(0)
    model = I2PMAE(config.model.changed(semantic_dim=views * teacher.feature_dim)).to(device)
    optimiser = build_optimiser(model, OptimiserConfig())
    points = torch.as_tensor(make_shapes(clouds, POINTS[size]).points, device=device)
    batch = {"points": points, "index": torch.arange(len(points), device=device)}
    rng = torch.Generator(device=device).manual_seed(0)
    kept = Kept(look(teacher, points, config.projection)[0])
    tasks = [I2PMAETask(model, config, teacher, cached, POINTS[size]) for cached in (kept, None)]  # type: ignore[arg-type]

    def step(task: I2PMAETask) -> None:
        model.train()
        losses = task.losses(batch, rng).values()
        sum(loss.weighted for loss in losses if loss.weight is not None).backward()  # type: ignore[union-attr]
        optimiser.step()
        optimiser.zero_grad()

    def embed() -> None:
        with torch.inference_mode():
            model.eval().embed(points)

    return {
        "teacher": lambda: look(teacher, points, config.projection),
        "step without teacher": lambda: step(tasks[0]),
        "step with teacher": lambda: step(tasks[1]),
        "embedding": embed,
    }


def seconds(call: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Mean time of a call, after a warm-up."""
    call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=list(SIZES)[::-1], choices=SIZES)
    parser.add_argument("--clouds", type=int, help="clouds in a batch, fewer for larger models where absent")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--teacher", default="embedded")
    return parser


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser().parse_args(arguments)
    device = torch.device(options.device)
    teacher = load_teacher(options.teacher, device=device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, teacher {teacher.name}")
    print("size     clouds/s: teacher  step without teacher  step with teacher  embedding")
    for size in options.sizes:
        clouds = options.clouds or BATCH[size]
        measured = calls(size, clouds, teacher, device)
        rates = [(name, clouds / seconds(call, options.steps, device)) for name, call in measured.items()]
        print(f"{size:18s}" + "  ".join(f"{rate:{len(name)}.1f}" for name, rate in rates), flush=True)


if __name__ == "__main__":
    main()
