"""Some clouds of a set, to be looked at."""

import numpy as np

from i2pmae.data.clouds import CloudSet

__all__ = ["one_per_class"]


def one_per_class(clouds: CloudSet, count: int) -> list[int]:
    """``count`` rows spread over the classes, or over the set where it has no labels."""
    if clouds.labels is None:
        return np.linspace(0, len(clouds) - 1, min(count, len(clouds))).astype(int).tolist()
    _, first = np.unique(clouds.labels, return_index=True)
    chosen = first[np.linspace(0, len(first) - 1, min(count, len(first))).astype(int)].tolist()
    rest = [row for row in range(len(clouds)) if row not in set(chosen)]
    return (chosen + rest)[: min(count, len(clouds))]
