"""A run that takes a second: BatchNorm, Dropout and noise, so that all that must be restored is there."""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from i2pmae.common.errors import I2PError
from i2pmae.data.clouds import CloudSet
from i2pmae.training.config import OptimiserConfig, TrainingConfig
from i2pmae.training.task import Loss, Losses


def small_clouds(count: int = 44, points: int = 16) -> CloudSet:
    values = np.random.default_rng(3).normal(size=(count, points, 3)).astype(np.float32)
    return CloudSet(values, [f"cloud-{i}" for i in range(count)], labels=np.arange(count) % 4)


def settings(**changes: object) -> TrainingConfig:
    optimiser = {"learning_rate": 1e-2, "warmup_epochs": 1, "clip_norm": 0.5, **changes.pop("optimiser", {})}
    return TrainingConfig(
        **{"epochs": 3, "batch_size": 8, "device": "cpu", "optimiser": OptimiserConfig(**optimiser)} | changes
    )


class SmallTask:
    """Reconstructs noisy points; ``pause`` seconds a step, so that a test can interrupt it."""

    def __init__(self, pause: float = 0.0) -> None:
        torch.manual_seed(5)
        self.model = nn.Sequential(
            nn.Linear(3, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(16, 16),
            nn.ReLU(),
            nn.Linear(16, 3),
        )
        self.pause = pause
        self.calls = 0

    def to(self, device: torch.device) -> "SmallTask":
        self.model.to(device)
        return self

    def losses(self, batch: dict[str, torch.Tensor], rng: torch.Generator) -> Losses:
        self.calls += 1
        if self.pause:
            time.sleep(self.pause)
        points = batch["points"].flatten(0, 1)
        noisy = points + 0.1 * torch.randn(points.shape, generator=rng)
        rebuilt = self.model(noisy)
        return {
            "near": Loss((rebuilt - points).square().mean(), "Squared error"),
            "small": Loss(rebuilt.abs().mean(), "Size of what is rebuilt", 0.1),
            "spread": Loss(rebuilt.std(), "Deviation of what is rebuilt", None),
        }


def weights(task) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in task.model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


class Acting(SmallTask):
    """Does something when the losses are asked for the ``when``-th time."""

    def __init__(self, when: int, action) -> None:
        super().__init__()
        self.when, self.action = when, action

    def losses(self, batch, rng):
        losses = super().losses(batch, rng)
        return (self.action(losses) or losses) if self.calls == self.when else losses


class Linear:
    """No randomness and no BatchNorm: gradients of parts add up to the gradient of the whole."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.model = nn.Linear(3, 3)
        self.teacher = nn.Linear(3, 3)

    def to(self, device):
        return self

    def losses(self, batch, rng):
        error = (self.model(batch["points"]) - self.teacher(batch["points"]).detach()).square().mean()
        return {"match": Loss(error, "Squared error")}


def main() -> int:
    """``small.py FOLDER WORKERS ACCUMULATE PAUSE``: train, or go on; the weights are written where the run ends."""
    from i2pmae.runs.folder import prepare_run_folder
    from i2pmae.training.engine import fit

    folder, workers, accumulate, pause = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    chosen = settings(loaders=workers, optimiser={"accumulate": accumulate}, epochs=6, checkpoint_minutes=0.002)
    try:
        with prepare_run_folder(folder, chosen, resume=True, may_start=True) as run:
            result = fit(SmallTask(pause), small_clouds(), chosen, folder, resume=run.resumed)
    except I2PError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    torch.save(result.task.model.state_dict(), folder / "weights.pt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
