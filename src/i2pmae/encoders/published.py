"""Neighbourhoods and attention radii that the methods' authors used, by benchmark: no shape of a weight shows them."""

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["HIERARCHICAL_SETTINGS", "PLAIN_SETTINGS", "Settings"]


class Settings(NamedTuple):
    """What decides about a model's outputs, yet shows in no shape."""

    group_counts: tuple[int, ...]
    """Tokens per level, finest first."""
    group_sizes: tuple[int, ...]
    """Neighbours per token of every level."""
    attention_radii: tuple[float, ...] | None
    """How far a token attends, per level; without limit where absent."""
    points: int
    """Points per cloud."""
    heads: int = 6
    """Attention heads."""


LEVELS = (512, 256, 64)
HIERARCHICAL_SETTINGS: Mapping[str, Settings] = {
    "shapenet": Settings(LEVELS, (16, 8, 8), None, 2048),
    "modelnet40": Settings(LEVELS, (48, 24, 24), (0.24, 0.48, 0.96), 1024),
    "scanobjectnn": Settings(LEVELS, (32, 16, 16), (0.32, 0.64, 1.28), 2048),
    "scanobjectnn-pb": Settings(LEVELS, (32, 16, 16), (0.48, 0.96, 1.92), 2048),
    "shapenetpart": Settings(LEVELS, (16, 8, 8), (0.32, 0.64, 1.28), 2048),
}
"""Encoders of several levels: I2P-MAE and Point-M2AE."""
PLAIN_SETTINGS: Mapping[str, Settings] = {
    "shapenet": Settings((64,), (32,), None, 1024),
    "modelnet40": Settings((64,), (32,), None, 1024),
    "modelnet40-8k": Settings((512,), (32,), None, 8192),
    "scanobjectnn": Settings((128,), (32,), None, 2048),
    "scanobjectnn-pb": Settings((128,), (32,), None, 2048),
    "shapenetpart": Settings((128,), (32,), None, 2048),
}
"""Encoders of one level: Point-MAE and Point-BERT."""
