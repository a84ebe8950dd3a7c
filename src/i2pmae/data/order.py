"""The order of clouds whose shards are fetched from elsewhere: mixed as far as few shards at a time allow it."""

import numpy as np

from i2pmae.data.clouds import CloudSet
from i2pmae.data.views import Lazy

__all__ = ["WINDOW", "far_shards", "windowed"]

WINDOW = 8
"""Shards that are mixed with each other: some ten thousand clouds. The order of every run follows from it."""


def far_shards(clouds: CloudSet) -> np.ndarray | None:
    """``(clouds,)`` the shard of each cloud where shards are fetched from elsewhere, else None."""
    return clouds.points.far_shards() if isinstance(clouds.points, Lazy) else None


def windowed(shards: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """``(clouds,)`` int64: a permutation in which shards are in random order, and clouds in random order within windows
    of :data:`WINDOW` shards.

    It follows from the generator and from which shard each cloud is in; nothing is read for it.
    """
    kinds, dense = np.unique(shards, return_inverse=True)
    window = (generator.permutation(len(kinds)) // WINDOW)[dense]
    order = generator.permutation(len(shards))
    return order[np.argsort(window[order], kind="stable")]
