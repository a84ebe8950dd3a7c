"""From what a file holds to a cloud of the wanted size: surface sampling, drawing of points, axes and checks."""

import numpy as np

from i2pmae.common.errors import DataError, pick
from i2pmae.data.clouds import lengths, normalise
from i2pmae.data.formats.base import RawCloud

__all__ = ["UP_AXES", "draw_points", "make_cloud", "sample_surface", "three_distinct", "to_y_up"]

UP_AXES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "y": ((0, 1, 2), (1, 1, 1)),
    "z": ((0, 2, 1), (1, 1, -1)),
    "x": ((1, 0, 2), (-1, 1, 1)),
}
"""For each axis that may point up: which coordinates become (x, y, z) and with what sign. All are rotations."""

LINE = 1e-12
"""Area of a mesh, in squares of its longest edge, below which it is rounding noise of triangles that are lines."""

FIRST = 8
"""Points among which three that differ are looked for first."""


def to_y_up(points: np.ndarray, up: str) -> np.ndarray:
    """``(..., 3)`` coordinates rotated so that the axis ``up`` becomes y; for z-up (x, y, z) becomes (x, z, −y)."""
    order, sign = pick("up axis", up, UP_AXES)
    if up == "y":
        return points
    return points[..., list(order)] * np.asarray(sign, dtype=points.dtype)


def three_distinct(points: np.ndarray) -> np.ndarray:
    """Whether clouds ``(..., n, 3)`` hold at least three different points: fewer have no shape at all."""
    from_first = _differ(points, points[..., :1, :])
    second = np.take_along_axis(points, from_first.argmax(-1)[..., None, None], axis=-2)
    return (from_first & _differ(points, second)).any(-1)


def _soon_distinct(cloud: np.ndarray) -> bool:
    """Whether the first few points of a cloud ``(n, 3)`` are enough to see three different ones, as they mostly are."""
    return len(set(map(tuple, cloud[:FIRST].tolist()))) >= 3


def _differ(points: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Which points ``(..., n, 3)`` differ from one other ``(..., 1, 3)``; NumPy is slow along an axis of three."""
    x, y, z = (points[..., axis] != other[..., axis] for axis in range(3))
    return x | y | z


def sample_surface(vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count, 3)`` points drawn uniformly from the surface of a triangle mesh; :class:`DataError` for zero area."""
    # One row for each axis: NumPy is several times as fast along the points as along an axis of three.
    corner, second, third = (np.take(vertices.T, faces[:, column], axis=1) for column in range(3))
    (ax, ay, az), (bx, by, bz) = edges = second - corner, third - corner
    total = np.cumsum(lengths(np.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx]).T) / 2)
    extent = max(np.abs(edge).max() for edge in edges)
    if not total[-1] > LINE * extent**2:
        raise DataError("the mesh has no surface (zero area)")
    drawn = generator.random(count) * total[-1]
    order = np.argsort(drawn)  # A search for each in turn is several times as fast as for one here and one there.
    chosen = np.empty(count, dtype=np.int64)
    chosen[order] = np.searchsorted(total, drawn[order], side="right").clip(max=len(faces) - 1)
    u, v = generator.random((2, count))
    # Reflect the half of the unit square that lies outside the triangle.
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u), np.where(outside, 1 - v, v)
    corner, first, other = (np.take(rows, chosen, axis=1) for rows in (corner, *edges))
    return np.ascontiguousarray((corner + u * first + v * other).T)


def draw_points(available: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count,)`` indices in random order: a random subset of many points; all of few, and the rest drawn again."""
    if available >= count:
        return generator.choice(available, count, replace=False)
    again = generator.integers(available, size=count - available)
    return generator.permutation(np.concatenate([np.arange(available), again]))


def make_cloud(
    raw: RawCloud, count: int, up: str, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """``(count, 3)`` float32 points of a file's content, y up, in the unit sphere, and their part labels if known.

    A cloud that already has ``count`` points keeps them in their order. :class:`DataError` gives the reason where
    the content has no usable shape: no points, coordinates that are not finite, no surface, all points equal.
    """
    used = raw.points
    if raw.faces is not None:
        mask = np.zeros(len(raw.points), dtype=bool)
        mask[raw.faces] = True
        used = used[mask]
    if len(used) == 0:
        raise DataError("there are no points" if raw.faces is None else "the mesh has no faces")
    if not np.isfinite(used).all():
        raise DataError("some coordinates are NaN or infinite")
    # Into a box near the origin first: survey coordinates are large, and squares of large numbers overflow.
    rows = np.ascontiguousarray(used.T)
    low, high = rows.min(1), rows.max(1)
    extent = float((high / 2 - low / 2).max()) * 2
    if not np.isfinite(extent):
        raise DataError("the coordinates are too large for floating-point numbers")
    if extent == 0:
        raise DataError("all points are equal")
    part_labels = raw.part_labels
    if raw.faces is not None:
        points = sample_surface((raw.points - low) / extent, raw.faces, count, generator)
    elif len(used) != count:
        drawn = draw_points(len(used), count, generator)
        points = (used[drawn] - low) / extent
        part_labels = None if part_labels is None else part_labels[drawn]
    else:
        points = (used - low) / extent
    cloud = normalise(to_y_up(points, up)).astype(np.float32)
    if not np.isfinite(cloud).all() or not (_soon_distinct(cloud) or three_distinct(cloud)):
        raise DataError("there are fewer than 3 different points")
    return cloud, part_labels
