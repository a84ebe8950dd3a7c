"""Farthest point sampling."""

import numpy as np

from i2pmae.kernels.compiled import inlined, kernel, spread

__all__ = ["fps"]

_BLOCK = 512
"""Points whose largest distance is known by itself, so that only one block is searched for it."""


def fps(points: np.ndarray, count: int, threads: int, factors: np.ndarray | None = None) -> np.ndarray:
    """Indices ``(b, count)`` of far points of contiguous clouds ``(b, n, 3)``, with squared distances multiplied by
    ``factors`` ``(b, n)``: see ``ops.fps``."""
    clouds, number, _ = points.shape
    chosen = np.empty((clouds, count), np.int64)
    sample = (_plain if factors is None else _weighted).of(points.dtype)

    def choose(first: int, last: int) -> None:
        nearest = np.empty((2, number), points.dtype)
        sample(points, factors, first, last, nearest, nearest.view(f"i{points.itemsize}"), chosen)

    spread(choose, clouds, threads, 1 + 100_000 // (number * count))
    return chosen


def _fps(points, factors, first, last, nearest, bits, chosen):  # type: ignore[no-untyped-def]
    """Fills ``chosen[first:last]``. ``nearest`` is room for distances, ``bits`` the same memory as integers.

    Floats that aren't negative are in the order of their bits, and vector instructions find the largest integer, but
    not the largest float, as it may not be a number.
    """
    number, count = points.shape[1], chosen.shape[1]
    x, y, z = np.empty_like(nearest[0]), np.empty_like(nearest[0]), np.empty_like(nearest[0])
    for cloud in range(first, last):
        for i in range(number):
            x[i], y[i], z[i] = points[cloud, i, 0], points[cloud, i, 1], points[cloud, i, 2]
            nearest[0, i] = np.inf
        chosen[cloud, 0] = latest = 0
        for step in range(1, count):
            old, new, order = nearest[1 - step % 2], nearest[step % 2], bits[step % 2]
            best, block = order[0] * 0 - 1, 0
            for start in range(0, number, _BLOCK):
                part = slice(start, min(start + _BLOCK, number))
                cx, cy, cz = x[latest], y[latest], z[latest]
                if factors is None:
                    _nearer(x[part], y[part], z[part], cx, cy, cz, None, old[part], new[part])
                else:
                    _nearer(x[part], y[part], z[part], cx, cy, cz, factors[cloud, part], old[part], new[part])
                most = _largest(order[part])
                if most > best:
                    best, block = most, start
            latest = block
            while order[latest] != best:
                latest += 1
            chosen[cloud, step] = latest


# Two kernels of one body: where nothing is multiplied, nothing is asked in the innermost loop.
_plain = kernel("void(F[:, :, ::1], none, i8, i8, F[:, ::1], I[:, ::1], i8[:, ::1])")(_fps)
_weighted = kernel("void(F[:, :, ::1], F[:, ::1], i8, i8, F[:, ::1], I[:, ::1], i8[:, ::1])")(_fps)


@inlined
def _nearer(x, y, z, cx, cy, cz, factors, old, new):  # type: ignore[no-untyped-def]
    # From one array to another: in place, the compiler would store only what changes, which takes twice as long.
    for i in range(len(new)):
        dx, dy, dz = x[i] - cx, y[i] - cy, z[i] - cz
        distance = dx * dx + dy * dy + dz * dz
        if factors is not None:  # answered when it is compiled
            distance *= factors[i]
        before = old[i]
        new[i] = distance if distance < before else before


@inlined
def _largest(order):  # type: ignore[no-untyped-def]
    most = order[0]
    for i in range(len(order)):
        most = order[i] if order[i] > most else most
    return most
