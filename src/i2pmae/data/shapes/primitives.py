"""Parametric surfaces as small triangle grids, many at once.

Every function returns vertices ``(b, k, v, 3)`` and the faces ``(f, 3)`` that they share: ``b`` clouds, ``k`` copies of
the primitive in a cloud. Measures are numbers or arrays that broadcast to ``(b, k)``. Grids make one sampler with
exact areas serve every surface, however it is tapered, bent or squashed; a round one with ``s`` sides lies within
``1 − cos(π/s)`` of its radius.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

__all__ = ["Pair", "Surface", "Triple", "Value", "box", "ellipsoid", "lathe", "plate", "stack", "torus", "tube"]

Value = float | np.ndarray
"""A measure: one number, or an array that broadcasts to (clouds, copies)."""
Pair = tuple[Value, Value]
Triple = tuple[Value, Value, Value]
Surface = tuple[np.ndarray, np.ndarray]
"""Vertices ``(b, k, v, 3)`` and faces ``(f, 3)``."""

SMOOTHING = 4
"""Segments between two control points of a smooth curve."""


def stack(values: Sequence[Value]) -> np.ndarray:
    """Measures broadcast against each other and stacked on a new last axis: ``(b, k, len(values))`` float32."""
    arrays = [np.atleast_2d(np.asarray(value, np.float32)) for value in values]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    out = np.empty((*shape, len(arrays)), np.float32)
    for i, array in enumerate(arrays):
        out[..., i] = array
    return out


def stack_points(points: Sequence[Sequence[Value]]) -> np.ndarray:
    """Control points with coordinates that broadcast: ``(b, k, points, coordinates)``."""
    flat = stack([value for point in points for value in point])
    return flat.reshape(*flat.shape[:-1], len(points), len(points[0]))


@lru_cache(maxsize=256)
def grid_faces(rows: int, columns: int, closed_rows: bool = False, closed_columns: bool = False) -> np.ndarray:
    """Two triangles for each cell of a grid of vertices, which may close on itself in either direction."""
    i = np.arange(rows if closed_rows else rows - 1)[:, None]
    j = np.arange(columns if closed_columns else columns - 1)[None]
    low, high = i * columns, (i + 1) % rows * columns
    right = (j + 1) % columns
    first = np.stack(np.broadcast_arrays(low + j, low + right, high + j), -1)
    second = np.stack(np.broadcast_arrays(high + right, high + j, low + right), -1)
    return np.concatenate((first.reshape(-1, 3), second.reshape(-1, 3)))


@lru_cache(maxsize=64)
def smoothing(count: int, closed: bool) -> np.ndarray:
    """Weights ``(fine, count)`` of the uniform Catmull-Rom spline, which passes through its control points."""
    segments = count if closed else count - 1
    t = np.arange(SMOOTHING) / SMOOTHING
    basis = np.stack((-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3), -1) / 2
    weights = np.zeros((segments * SMOOTHING + (not closed), count), np.float32)
    for segment in range(segments):
        rows = slice(segment * SMOOTHING, (segment + 1) * SMOOTHING)
        for tap in range(4):
            i = segment + tap - 1
            weights[rows, i % count if closed else min(max(i, 0), count - 1)] += basis[:, tap]
    if not closed:
        weights[-1, -1] = 1
    return weights


@lru_cache(maxsize=64)
def circle(sides: int) -> np.ndarray:
    """Cosine and sine of ``sides`` equal steps around the circle: ``(sides, 2)``."""
    angle = 2 * np.pi * np.arange(sides) / sides
    return np.stack((np.cos(angle), np.sin(angle)), -1).astype(np.float32)


CORNERS = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32)
BOX_FACES = np.array(
    [
        *([0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]),  # -x, +x, -y
        *([2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]),  # +y, -z, +z
    ]
)


def box(size: Triple, taper: Pair = (1.0, 1.0), shear: Pair = (0.0, 0.0)) -> Surface:
    """A box around the origin; its top is scaled by ``taper`` and moved by ``shear`` in x and z."""
    measures = stack((*size, *taper, *shear))[..., None, :]
    x, y, z = CORNERS.T
    top = y + np.float32(0.5)
    across = measures[..., 0] * x * (1 + (measures[..., 3] - 1) * top) + measures[..., 5] * top
    deep = measures[..., 2] * z * (1 + (measures[..., 4] - 1) * top) + measures[..., 6] * top
    vertices = np.stack((across, measures[..., 1] * y, deep), -1)
    return vertices, BOX_FACES


def lathe(profile: Sequence[Pair], sides: int, smooth: bool, squash: Pair = (1.0, 1.0)) -> Surface:
    """A surface of revolution about y through ``(radius, height)`` pairs; ``squash`` scales x and z."""
    curve = stack_points(profile)
    if smooth:
        curve = smoothing(len(profile), False) @ curve
    radius = np.maximum(curve[..., 0], 0)[..., None, None] * circle(sides)
    radius = radius * stack(squash)[..., None, None, :]
    heights = np.broadcast_to(curve[..., 1][..., None], radius.shape[:-1])
    vertices = np.stack((radius[..., 0], heights, radius[..., 1]), -1)
    faces = grid_faces(vertices.shape[2], sides, closed_columns=True)
    return vertices.reshape(*vertices.shape[:2], -1, 3), faces


def ellipsoid(radii: Triple, power: Pair = (1.0, 1.0), span: tuple[float, float] = (-90.0, 90.0)) -> Surface:
    """A superellipsoid about y between two latitudes in degrees.

    ``power`` is the exponent along and around the axis: 1 is round, towards 0 a box, above 1 pinched.
    """
    rows, sides = 9, 16
    latitude = np.radians(np.linspace(*span, rows)).astype(np.float32)
    along = stack(power)[..., None, None, :]

    def bent(values: np.ndarray, exponent: np.ndarray) -> np.ndarray:
        return np.sign(values) * np.abs(values) ** exponent

    ring = np.maximum(np.cos(latitude), 0)[:, None] ** along[..., 0]
    height = bent(np.sin(latitude)[:, None], along[..., 0])
    around = bent(circle(sides), along[..., 1][..., None])
    x = ring * around[..., 0]
    parts = np.broadcast_arrays(x, height, ring * around[..., 1])
    vertices = np.stack(parts, -1).reshape(*parts[0].shape[:2], -1, 3)
    return vertices * stack(radii)[..., None, :], grid_faces(rows, sides, closed_columns=True)


def torus(radius: Value, tube_radius: Value, arc: tuple[float, float] = (0.0, 360.0), sides: int = 8) -> Surface:
    """A torus about y, or the part of it between two angles in degrees (0 is +x, 90 is +z)."""
    whole = arc[1] - arc[0] >= 360
    angle = np.radians(np.linspace(*arc, 24 if whole else 13, endpoint=not whole)).astype(np.float32)
    around = circle(sides)
    measures = stack((radius, tube_radius))[..., None, None, :]
    out = measures[..., 0] + measures[..., 1] * around[:, 0]
    height = measures[..., 1] * around[:, 1]
    parts = np.broadcast_arrays(out * np.cos(angle)[:, None], height, out * np.sin(angle)[:, None])
    vertices = np.stack(parts, -1).reshape(*parts[0].shape[:2], -1, 3)
    return vertices, grid_faces(len(angle), sides, closed_rows=whole, closed_columns=True)


def tube(path: Sequence[Triple], radii: Sequence[Value], sides: int, smooth: bool) -> Surface:
    """A tube with flat ends swept along the control points, with a radius at each.

    The rings are held upright by the coordinate axis along which the path runs least: a path should not turn into it.
    """
    curve = stack_points(path)
    width = stack(radii)
    if smooth:
        weights = smoothing(len(path), False)
        curve, width = weights @ curve, width @ weights.T
    tangent = np.empty_like(curve)
    tangent[..., 1:-1, :] = curve[..., 2:, :] - curve[..., :-2, :]
    tangent[..., 0, :] = curve[..., 1, :] - curve[..., 0, :]
    tangent[..., -1, :] = curve[..., -1, :] - curve[..., -2, :]
    least = np.abs(tangent).sum(-2).argmin(-1)
    side = unit(cross(tangent, np.eye(3, dtype=np.float32)[least][..., None, :]))
    normal = unit(cross(side, tangent))
    # The end rings once more with radius 0 close the tube.
    rows = np.r_[0, 0 : curve.shape[-2], curve.shape[-2] - 1]
    width = width[..., rows].copy()
    width[..., [0, -1]] = 0
    ring = circle(sides)
    frame = side[..., rows, None, :] * ring[:, :1] + normal[..., rows, None, :] * ring[:, 1:]
    vertices = curve[..., rows, None, :] + width[..., None, None] * frame
    faces = grid_faces(len(rows), sides, closed_columns=True)
    return vertices.reshape(*vertices.shape[:2], -1, 3), faces


@lru_cache(maxsize=64)
def plate_faces(count: int) -> np.ndarray:
    """A front fan, a back fan and the rim between them: vertices are front ring, back ring, front and back centre."""
    i = np.arange(count)
    following = (i + 1) % count
    front = np.stack((i, following, np.full(count, 2 * count)), -1)
    back = np.stack((i + count, following + count, np.full(count, 2 * count + 1)), -1)
    return np.concatenate((front, back, grid_faces(2, count, closed_columns=True)))


def plate(outline: Sequence[Pair], thickness: Value, smooth: bool = False) -> Surface:
    """A plate in the x-y plane, ``thickness`` deep in z, whose outline can be seen whole from its mean corner."""
    curve = stack_points(outline)
    if smooth:
        curve = smoothing(len(outline), True) @ curve
    half = stack((thickness,))[..., None, :] / 2
    flat = np.concatenate((curve, curve, *2 * (curve.mean(-2, keepdims=True),)), -2)
    count = curve.shape[-2]
    depth = half * np.r_[np.ones(count), -np.ones(count), 1, -1][:, None].astype(np.float32)
    shape = np.broadcast_shapes(flat.shape[:-1], depth.shape[:-1])
    parts = (np.broadcast_to(flat, (*shape, 2)), np.broadcast_to(depth, (*shape, 1)))
    return np.concatenate(parts, -1), plate_faces(count)


def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cross product along the last axis (several times as fast as NumPy's for small arrays)."""
    ax, ay, az = a[..., 0], a[..., 1], a[..., 2]
    bx, by, bz = b[..., 0], b[..., 1], b[..., 2]
    return np.stack((ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx), -1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1 (a zero vector stays zero)."""
    length = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return vectors / np.maximum(length, 1e-12)
