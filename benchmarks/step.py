"""Clouds per second of pre-training steps and of embedding, for each model size.

python benchmarks/step.py [--sizes tiny small paper] [--device cpu] [--teacher embedded]
"""

import argparse
import platform
import time

import torch

from i2pmae.data.shapes import make_shapes
from i2pmae.recipes.configurations import SIZES, tiny
from i2pmae.recipes.pretrain import build_model
from i2pmae.teachers import load_teacher
from i2pmae.training.config import DataConfig
from i2pmae.training.i2p import I2PPretraining
from i2pmae.training.optimiser import build_optimiser
from i2pmae.training.teacher_maps import look

POINTS = {"tiny": 1024, "small": 1024, "paper": 2048}
BATCH = {"tiny": 32, "small": 16, "paper": 8}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", default=["tiny", "small", "paper"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--teacher", default="embedded")
    parser.add_argument("--steps", type=int, default=5)
    options = parser.parse_args()
    device = torch.device(options.device)
    teacher = load_teacher(options.teacher, device=device)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    print(f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, teacher {teacher.name}")
    print("size     clouds/s: teacher  step without teacher  step with teacher  embedding")
    for size in options.sizes:
        config = tiny().model_copy(update={"model": SIZES[size], "clouds": DataConfig(points=POINTS[size])})
        clouds = make_shapes(BATCH[size], POINTS[size])
        points = torch.as_tensor(clouds.points, device=device)
        batch = {"points": points, "index": torch.arange(len(points), device=device)}
        model = build_model(config, teacher).to(device).train()
        optimiser = build_optimiser(model, config.optimiser)
        maps = look(teacher, points, config.projection)[0]
        rng = torch.Generator(device=device).manual_seed(0)

        def step(cached: object, model=model, optimiser=optimiser, batch=batch, rng=rng, config=config) -> None:
            losses = I2PPretraining(model, teacher, config, cached).losses(batch, rng)  # type: ignore[arg-type]
            sum(loss for name, loss in losses.items() if not name.startswith("metric/")).backward()
            optimiser.step()
            optimiser.zero_grad()

        def embed(model=model, points=points) -> None:
            with torch.inference_mode():
                model.eval().embed(points)

        def rate(call, *arguments: object) -> float:
            call(*arguments)
            start = time.perf_counter()
            for _ in range(options.steps):
                call(*arguments)
            if device.type == "cuda":
                torch.cuda.synchronize()
            return options.steps * BATCH[size] / (time.perf_counter() - start)  # noqa: B023

        seen = rate(lambda: look(teacher, points, config.projection))  # noqa: B023
        without, including = rate(step, lambda _: maps), rate(step, None)  # noqa: B023
        print(f"{size:8s} {seen:17.1f} {without:21.1f} {including:18.1f} {rate(embed):10.1f}", flush=True)


if __name__ == "__main__":
    main()
