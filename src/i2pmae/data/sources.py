"""From what a person writes after ``--data`` to clouds."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.data.clouds import CloudSet
from i2pmae.data.folder import open_clouds
from i2pmae.data.shapes import make_shapes

__all__ = ["SHAPES", "is_shapes", "open_source"]

SHAPES = "shapes"
"""The name that stands for the built-in shapes."""
SHAPE_COUNT = 4000
"""How many built-in shapes are made where nobody says."""
TEST_SHARE = 0.2


def is_shapes(data: str | Path) -> bool:
    """Whether ``data`` names the built-in shapes. A folder of that name is meant by ``./shapes``."""
    return str(data) == SHAPES


def open_source(
    data: str | Path,
    *,
    points: int = 2048,
    up: Literal["x", "y", "z"] = "y",
    labels: Literal["none", "folder"] = "none",
    clouds: int | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    max_bad_share: float = 0.1,
    seed: int = 0,
    shown: bool = True,
) -> CloudSet:
    """The clouds that ``data`` names: ``shapes`` for the built-in ones, else a folder, a file or an array file.

    Of the built-in shapes, a fifth is the test split, the rest the train split. ``clouds`` limits how many are read, or
    says how many are made. The other arguments and the errors are those of :func:`i2pmae.data.open_clouds`.
    """
    if not is_shapes(data):
        return open_clouds(
            data,
            points=points,
            up=up,
            labels=labels,
            cache=cache,
            workers=workers,
            max_bad_share=max_bad_share,
            limit=clouds,
            seed=seed,
            shown=shown,
        )
    if up != "y":
        raise UsageError(f"The built-in shapes are y up: leave --up {up} out.")
    count = SHAPE_COUNT if clouds is None else clouds
    if count < 2:
        raise UsageError(f"Expected at least 2 built-in shapes, one to train and one to test, got {count}.")
    held_out = max(1, round(TEST_SHARE * count))
    return _joined(
        make_shapes(count - held_out, points, split="train", seed=seed),
        make_shapes(held_out, points, split="test", seed=seed),
    )


def _joined(train: CloudSet, test: CloudSet) -> CloudSet:
    assert train.labels is not None and test.labels is not None
    return replace(
        train,
        points=np.concatenate([train.points, test.points]),
        ids=[*train.ids, *test.ids],
        labels=np.concatenate([train.labels, test.labels]),
        splits=np.array(["train"] * len(train) + ["test"] * len(test)),
        name="built-in shapes",
    )
