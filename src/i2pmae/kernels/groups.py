"""The largest of each group."""

import numpy as np

from i2pmae.kernels.compiled import kernel, spread

__all__ = ["group_max"]


def group_max(values: np.ndarray, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest of contiguous members ``(g, k, c)`` and their places, both ``(g, c)``: see ``ops.group_max``."""
    groups, members, channels = values.shape
    top, place = np.empty((groups, channels), values.dtype), np.empty((groups, channels), np.int64)
    find = _group_max.of(values.dtype)

    def search(first: int, last: int) -> None:
        find(values, first, last, np.empty(channels, f"i{values.itemsize}"), top, place)

    spread(search, groups, threads, 1 + 50_000 // (members * channels))
    return top, place


@kernel("void(F[:, :, ::1], i8, i8, I[::1], F[:, ::1], i8[:, ::1])")
def _group_max(values, first, last, at, top, place):  # type: ignore[no-untyped-def]
    """Fills ``top[first:last]`` and ``place[first:last]``; ``at`` is room for the places of a group."""
    for group in range(first, last):
        best = top[group]
        for c in range(len(at)):
            best[c], at[c] = values[group, 0, c], 0
        for member in range(1, values.shape[1]):
            row = values[group, member]
            for c in range(len(at)):
                value = row[c]
                larger = (value > best[c]) | (value != value)  # what is not a number stays to be seen
                best[c] = value if larger else best[c]
                at[c] = member if larger else at[c]
        for c in range(len(at)):
            place[group, c] = at[c]
