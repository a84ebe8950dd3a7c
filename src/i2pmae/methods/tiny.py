"""What recipes of several methods share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2pmae.methods.config import PretrainConfig
from i2pmae.training.config import OptimiserConfig, TrainingConfig

__all__ = ["TINY_PLAIN", "TINY_TRAINING", "named"]

TINY_TRAINING = TrainingConfig(
    epochs=20, batch_size=32, optimiser=OptimiserConfig(learning_rate=1e-3, warmup_epochs=0.5, clip_norm=10)
)
"""Training of the small models, the same for all methods, so that they can be compared."""
TINY_PLAIN: Mapping[str, Any] = {
    "embed_widths": (32, 64, 128),
    "width": 192,
    "depth": 3,
    "drop_path": 0.0,
}
"""An encoder of one level with about as many parameters as the hierarchical one of the size ``tiny``."""


def named(config: PretrainConfig, recipe: str) -> PretrainConfig:
    """The configuration under a name, with a run folder of that name."""
    return config.changed(recipe=recipe, output=Path("runs") / recipe)
