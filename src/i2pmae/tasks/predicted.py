"""What predictors share when they go through a set of clouds."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from i2pmae.common.errors import UsageError
from i2pmae.common.progress import track
from i2pmae.common.ranks import share_out
from i2pmae.data.clouds import CloudSet

__all__ = ["in_batches", "named_classes"]


T = TypeVar("T")


def in_batches(
    clouds: CloudSet, size: int, doing: str, shown: bool, compute: Callable[[slice, np.ndarray], T]
) -> Iterator[tuple[slice, T]]:
    """What ``compute`` makes of rows and points of a set, ``size`` at a time, with these rows, in order.

    The processes of a run share the batches out, and each gets all that comes of them. :class:`UsageError` for no
    clouds, or a size below 1.
    """
    if len(clouds) == 0:
        raise UsageError(f"{clouds.name} holds no clouds: there is nothing to predict.")
    if size < 1:
        raise UsageError(f"The batch size must be at least 1, got {size}.")
    rows = [slice(start, min(start + size, len(clouds))) for start in range(0, len(clouds), size)]
    found = share_out(rows, lambda part: compute(part, np.asarray(clouds.points[part], dtype=np.float32)))
    yield from zip(rows, track(found, f"{doing} {clouds.name}", total=len(rows), shown=shown), strict=True)


def named_classes(clouds: CloudSet) -> list[str]:
    """The class of each cloud of a labelled set as the set names it."""
    assert clouds.labels is not None
    names = clouds.classes
    return [str(int(label)) if names is None else names[int(label)] for label in clouds.labels]
