"""Sets of built-in shapes: which class each cloud has, and the blocks that the clouds come from."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from i2pmae.common.errors import UsageError, pick
from i2pmae.common.progress import track
from i2pmae.common.seeds import numpy_generator
from i2pmae.data.clouds import CloudSet
from i2pmae.data.shapes.assemble import BLOCK, Kind, make_block
from i2pmae.data.shapes.catalogue import kinds, part_names
from i2pmae.data.shapes.config import ShapesConfig

__all__ = ["SPLITS", "make_shapes", "make_splits"]

SPLITS: tuple[str, ...] = ("train", "val", "test")
"""Splits never share a cloud: the split's name is part of every seed."""
MANY = 5000
"""From so many clouds on, a progress bar is worth a line."""


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
    as many clouds as there are categories holds every one once, in an order of its own; assemblies are spread evenly
    among them, and so are their families. A wrong argument is a :class:`UsageError`.
    """
    made = make_splits({split: count}, points, seed=seed, parts=parts, config=config)
    return replace(made, name=f"{made.name} ({split})")


def make_splits(
    counts: dict[str, int],
    points: int = 2048,
    *,
    seed: int = 0,
    parts: bool = False,
    config: ShapesConfig | None = None,
    shown: bool = False,
) -> CloudSet:
    """One set of so many clouds of each split, each as :func:`make_shapes` makes it, with a progress bar if ``shown``.

    The points are there once: 100 000 clouds of 1024 points take 1.2 GB.
    """
    config = config or ShapesConfig()
    for split, count in counts.items():
        pick("split", split, dict.fromkeys(SPLITS))
        for what, value in (("count", count), ("points", points)):
            if value < 1:
                raise UsageError(f"make_shapes needs a {what} of at least 1, got {value}.")
    categories, families = kinds(config)
    catalogue = categories | families
    labels = {split: class_order(count, split, seed, config) for split, count in counts.items()}
    total = sum(counts.values())
    clouds = np.empty((total, points, 3), np.float32)
    part_labels = np.empty((total, points), np.int64) if parts else None
    first_parts = np.cumsum([0, *(len(kind.parts) for kind in catalogue.values())])
    blocks = list(_blocks(labels, catalogue))
    for split, label, kind, number, rows in track(blocks, "Making shapes", shown=shown and total >= MANY):
        made, part = make_block(kind, number, points, split=split, seed=seed, config=config)
        clouds[rows] = made[: len(rows)]
        if part_labels is not None:
            part_labels[rows] = part[: len(rows)] + first_parts[label]
    return CloudSet(
        points=clouds,
        ids=[f"shapes/{split}/{i:06d}" for split, count in counts.items() for i in range(count)],
        labels=np.concatenate(list(labels.values())),
        classes=tuple(catalogue),
        splits=np.repeat(list(counts), list(counts.values())),
        part_labels=part_labels,
        parts=part_names(catalogue) if parts else None,
        name="built-in shapes",
    )


def _blocks(
    labels: dict[str, np.ndarray], catalogue: dict[str, Kind]
) -> Iterator[tuple[str, int, Kind, int, np.ndarray]]:
    """What is made together: split, label, kind, the number of the block, and the rows of the set that it fills."""
    first = 0
    for split, classes in labels.items():
        for label, kind in enumerate(catalogue.values()):
            rows = np.flatnonzero(classes == label) + first
            for number, start in enumerate(range(0, len(rows), BLOCK)):
                yield split, label, kind, number, rows[start : start + BLOCK]
        first += len(classes)


def class_order(count: int, split: str, seed: int, config: ShapesConfig) -> np.ndarray:
    """The class of each cloud: shuffled rounds of all categories, and of all families at every so manieth place."""
    categories, families = kinds(config)
    reached = np.floor(np.arange(count + 1) * config.assemblies)
    unnamed = np.diff(reached) > 0
    labels = np.empty(count, np.int64)
    labels[~unnamed] = rounds(int((~unnamed).sum()), len(categories), (seed, "shapes", split, "round"))
    labels[unnamed] = len(categories) + rounds(int(unnamed.sum()), len(families), (seed, "shapes", split, "assemblies"))
    return labels


def rounds(count: int, size: int, names: tuple[int, str, str, str]) -> np.ndarray:
    """``count`` numbers below ``size``: one shuffled round of all of them after the other."""
    if not count:
        return np.empty(0, np.int64)
    shuffled = [numpy_generator(*names, number).permutation(size) for number in range(-(-count // size))]
    return np.concatenate(shuffled)[:count].astype(np.int64)
