"""Named configurations of Point-MAE. Each docstring states data, hardware, time and the number to expect."""

from pathlib import Path

from i2pmae.data.config import DataConfig
from i2pmae.methods.base import Recipes
from i2pmae.methods.config import PretrainConfig, PretrainOutput
from i2pmae.methods.point_mae.config import PointMAEConfig, PointMAEMethodConfig
from i2pmae.methods.tiny import TINY_PLAIN, TINY_TRAINING
from i2pmae.training.config import OptimiserConfig, TrainingConfig

__all__ = ["RECIPES"]


def point_mae() -> PretrainConfig:
    """Point-MAE as published: ShapeNet, 300 epochs at 1e-3, on a GPU. Published: 91.0 % (ModelNet40, SVM)."""
    return PretrainConfig(
        recipe="point-mae",
        method=PointMAEMethodConfig(),
        data=DataConfig(points=1024),
        training=TrainingConfig(batch_size=128, optimiser=OptimiserConfig(learning_rate=1e-3)),
        output=PretrainOutput(folder=Path("runs/point-mae")),
    )


def point_mae_tiny() -> PretrainConfig:
    """Point-MAE for a CPU: as wide as the coarsest level of `tiny`, trained alike."""
    return PretrainConfig(
        recipe="point-mae-tiny",
        method=PointMAEMethodConfig(model=PointMAEConfig(**TINY_PLAIN, decoder_depth=1)),
        data=DataConfig(points=1024),
        training=TINY_TRAINING,
        output=PretrainOutput(folder=Path("runs/point-mae-tiny")),
    )


RECIPES: Recipes = {"point-mae": point_mae, "point-mae-tiny": point_mae_tiny}
"""Recipes of Point-MAE by name."""
