"""From what a file holds to a cloud of the wanted size: surface sampling, drawing of points, axes and checks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from i2pmae.common.errors import DataError, pick
from i2pmae.data.clouds import lengths, normalise
from i2pmae.data.formats.base import RawCloud
from i2pmae.data.formats.beside import kept

__all__ = ["UP_AXES", "Made", "draw_points", "make_cloud", "sample_surface", "three_distinct", "to_y_up", "turned"]

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


class OnSurface(NamedTuple):
    """Points on a mesh, and where on it they are."""

    points: np.ndarray
    """``(count, 3)``."""
    face: np.ndarray
    """``(count,)`` the triangle of each."""
    weights: tuple[np.ndarray, np.ndarray]
    """``(count,)`` shares of its second and third corner; the rest is that of the first."""


def sample_surface(vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count, 3)`` points drawn uniformly from the surface of a triangle mesh; :class:`DataError` for zero area."""
    return place_on_surface(vertices, faces, count, generator).points


def place_on_surface(vertices: np.ndarray, faces: np.ndarray, count: int, generator: np.random.Generator) -> OnSurface:
    """As :func:`sample_surface`, with where the points are."""
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
    return OnSurface(np.ascontiguousarray((corner + u * first + v * other).T), chosen, (u, v))


def _on_mesh(raw: RawCloud, placed: OnSurface, wanted: Sequence[str]) -> dict[str, np.ndarray]:
    """The wanted columns of points on a mesh, between those of the corners of their triangles.

    Where a mesh has no normals, that of a point is the one of its triangle.
    """
    assert raw.faces is not None
    corners = raw.faces[placed.face]
    found = {}
    if "normal" in wanted and "normal" not in raw.columns:
        first, second, third = (raw.points[corners[:, corner]] for corner in range(3))
        across = np.cross(second - first, third - first)
        found["normal"] = across / np.maximum(lengths(across), np.finfo(np.float64).tiny)[:, None]
    u, v = (weight[:, None] for weight in placed.weights)
    stored = kept(raw.columns, [kind for kind in wanted if kind not in found], raw.points.shape)
    for kind, values in stored.items():
        first, second, third = (values[corners[:, corner]] for corner in range(3))
        found[kind] = (1 - u - v) * first + u * second + v * third
    return found


def draw_points(available: int, count: int, generator: np.random.Generator) -> np.ndarray:
    """``(count,)`` indices in random order: a random subset of many points; all of few, and the rest drawn again."""
    if available >= count:
        return generator.choice(available, count, replace=False)
    again = generator.integers(available, size=count - available)
    return generator.permutation(np.concatenate([np.arange(available), again]))


class Made(NamedTuple):
    """A cloud of the wanted size."""

    points: np.ndarray
    """``(count, 3)`` float32, y up, in the unit sphere."""
    parts: np.ndarray | None
    """``(count,)`` part labels, if known."""
    columns: dict[str, np.ndarray]
    """``(count, 3)`` float32: the columns that were wanted."""


def make_cloud(raw: RawCloud, count: int, up: str, generator: np.random.Generator, columns: Sequence[str] = ()) -> Made:
    """The cloud of ``count`` points of a file's content, with the ``columns`` that are wanted.

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
        placed = place_on_surface((raw.points - low) / extent, raw.faces, count, generator)
        points, beside = placed.points, _on_mesh(raw, placed, columns) if columns else {}
    elif len(used) != count:
        drawn = draw_points(len(used), count, generator)
        points = (used[drawn] - low) / extent
        part_labels = None if part_labels is None else part_labels[drawn]
        beside = {kind: values[drawn] for kind, values in kept(raw.columns, columns, used.shape).items()}
    else:
        points = (used - low) / extent
        beside = kept(raw.columns, columns, used.shape)
    cloud = normalise(to_y_up(points, up)).astype(np.float32)
    if not np.isfinite(cloud).all() or not (_soon_distinct(cloud) or three_distinct(cloud)):
        raise DataError("there are fewer than 3 different points")
    return Made(cloud, part_labels, turned(beside, up))


def turned(columns: dict[str, np.ndarray], up: str) -> dict[str, np.ndarray]:
    """Columns ``(..., 3)`` as float32, of points that are turned so that the axis ``up`` becomes y.

    Normals turn with them and have length 1; :class:`DataError` where one between others has no direction.
    """
    found = {kind: np.asarray(values, dtype=np.float32) for kind, values in columns.items()}
    if "normal" in found:
        normals = to_y_up(found["normal"], up)
        found |= kept({"normal": normals}, ("normal",), normals.shape)
    return found
