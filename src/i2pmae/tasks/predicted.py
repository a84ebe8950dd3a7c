"""What predictors share when they go through a set of clouds."""

from collections.abc import Iterator

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.common.progress import track
from i2pmae.data.clouds import CloudSet

__all__ = ["in_batches", "named_classes"]


def in_batches(clouds: CloudSet, size: int, doing: str, shown: bool) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows and points of a set, ``size`` at a time; :class:`UsageError` for no clouds, or a size below 1."""
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to predict.")
    if size < 1:
        raise UsageError(f"The batch size must be at least 1, got {size}.")
    rows = [slice(start, min(start + size, len(clouds))) for start in range(0, len(clouds), size)]
    for part in track(rows, f"{doing} {clouds.name}", shown=shown):
        yield part, np.asarray(clouds.points[part], dtype=np.float32)


def named_classes(clouds: CloudSet) -> list[str]:
    """The class of each cloud of a labelled set as the set names it."""
    assert clouds.labels is not None
    names = clouds.classes
    return [str(int(label)) if names is None else names[int(label)] for label in clouds.labels]
