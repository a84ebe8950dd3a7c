"""Built-in shapes: labelled parametric objects with parts, made from a seed, for runs without any data.

Each category is a recipe (:mod:`furniture`, :mod:`vessels`, …) that puts tapered, bent and turned primitives together
with random proportions, styles and optional parts. Points lie on the surfaces of these primitives, inner ones included,
in proportion to area; then come a sensor's noise, outliers, gaps and uneven density, as :class:`ShapesConfig` says.
"""

import numpy as np

from i2pmae.common.errors import UsageError, pick
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.shapes.assemble import BLOCK, make_block
from i2pmae.data.shapes.buildings import BUILDINGS
from i2pmae.data.shapes.config import ShapesConfig
from i2pmae.data.shapes.furniture import FURNITURE
from i2pmae.data.shapes.nature import NATURE
from i2pmae.data.shapes.sketch import Category
from i2pmae.data.shapes.tools import TOOLS
from i2pmae.data.shapes.vehicles import VEHICLES
from i2pmae.data.shapes.vessels import VESSELS

__all__ = ["CATALOGUE", "CATEGORIES", "PARTS", "SPLITS", "ShapesConfig", "make_shapes"]

CATALOGUE: dict[str, Category] = {
    kind.name: kind for kind in (*FURNITURE, *VESSELS, *VEHICLES, *TOOLS, *NATURE, *BUILDINGS)
}
"""Every category by name."""
CATEGORIES: tuple[str, ...] = tuple(CATALOGUE)
"""Class names in the order of the labels."""
PARTS: tuple[str, ...] = tuple(f"{kind.name}/{part}" for kind in CATALOGUE.values() for part in kind.parts)
"""Part names, ``category/part``, in the order of the part labels."""
SPLITS: tuple[str, ...] = ("train", "val", "test")
"""Splits never share a cloud: the split's name is part of every seed."""


def make_shapes(
    count: int,
    points: int = 2048,
    *,
    split: str = "train",
    seed: int = 0,
    parts: bool = False,
    config: ShapesConfig | None = None,
) -> CloudSet:
    """``count`` labelled clouds of ``points`` points, y up, in the unit sphere, with part labels where asked for.

    Cloud ``i`` of a seed and split is the same however many are made and wherever. Classes are balanced: each run of
    ``len(CATEGORIES)`` clouds holds every class once, in an order of its own. A wrong argument is a
    :class:`UsageError`.
    """
    pick("split", split, dict.fromkeys(SPLITS))
    for what, value in (("count", count), ("points", points)):
        if value < 1:
            raise UsageError(f"make_shapes needs a {what} of at least 1, got {value}.")
    config = config or ShapesConfig()
    labels = class_order(count, split, seed)
    rounds = np.arange(count) // len(CATEGORIES)
    clouds = np.empty((count, points, 3), np.float32)
    part_labels = np.empty((count, points), np.int64) if parts else None
    first_part = 0
    for label, kind in enumerate(CATALOGUE.values()):
        rows = np.flatnonzero(labels == label)
        for number in range(len(rows) and rounds[rows[-1]] // BLOCK + 1):
            made, part = make_block(kind, number, points, split=split, seed=seed, config=config)
            wanted = rows[number * BLOCK : (number + 1) * BLOCK]
            clouds[wanted] = made[: len(wanted)]
            if part_labels is not None:
                part_labels[wanted] = part[: len(wanted)] + first_part
        first_part += len(kind.parts)
    return CloudSet(
        points=clouds,
        ids=[f"shapes/{split}/{i:06d}" for i in range(count)],
        labels=labels,
        classes=CATEGORIES,
        splits=np.full(count, split),
        part_labels=part_labels,
        parts=PARTS if parts else None,
        name=f"built-in shapes ({split})",
    )


def class_order(count: int, split: str, seed: int) -> np.ndarray:
    """The class of each cloud: one shuffled round of all classes after the other."""
    size = len(CATEGORIES)
    rounds = [
        numpy_generator(seed, "shapes", split, "round", number).permutation(size) for number in range(-(-count // size))
    ]
    return np.concatenate(rounds)[:count].astype(np.int64)
