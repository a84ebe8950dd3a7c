"""What a recipe draws with: random measures for a whole block of clouds, and parts put in place.

A recipe is a function of one :class:`Sketch`; it runs once for a block of clouds, so a measure is a column ``(b, 1)``
with one value per cloud, and a measure with several copies is ``(b, k)``. Axes: x to the side, y up, z to the front.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from i2pmae.common.errors import pick
from i2pmae.data.shapes import primitives
from i2pmae.data.shapes.primitives import Pair, Surface, Triple, Value

__all__ = ["Category", "Instances", "Mesh", "Sketch", "category", "corners", "mirrored", "row", "spread"]

Axis = Literal["x", "y", "z"]
ORDER = {"x": [1, 2, 0], "y": [0, 1, 2], "z": [2, 0, 1]}
"""Where each new coordinate comes from when a shape along y is laid along another axis (a cyclic turn)."""


@dataclass(frozen=True)
class Instances:
    """Copies of the parts of a block of objects: each part lies in the frame of another one, any number of times.

    A point of a part is moved by one of the part's maps into the frame of the part that it is attached to, by one of
    that one's maps further, and so on to the first part, whose frame is that of the object.
    """

    parent: np.ndarray
    """``(b, parts)``: what each is attached to; the first, to itself."""
    copies: np.ndarray
    """``(b, parts)``: how many there are within what each is attached to."""
    linear: np.ndarray
    """``(b, parts, most copies, 3, 3)``: the maps, ``linear @ point + shift``."""
    shift: np.ndarray
    """``(b, parts, most copies, 3)``."""
    depth: int
    """After so many steps every point is in the frame of the object."""
    warp: np.ndarray
    """``(3, b)`` in [−1, 1]: how strongly the whole is tapered, twisted and bent."""

    def placed(self, points: np.ndarray, part: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Points ``(b, n, 3)`` of the parts ``(b, n)``, each moved to one of the copies."""
        rows = np.arange(len(points))[:, None]
        for _ in range(self.depth):
            copy = (generator.random(part.shape, np.float32) * self.copies[rows, part]).astype(np.int64)
            points = np.einsum("bnij,bnj->bni", self.linear[rows, part, copy], points) + self.shift[rows, part, copy]
            part = self.parent[rows, part]
        return warped(points, self.warp)


def warped(points: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Points ``(b, n, 3)`` tapered, twisted and bent along y by the strengths ``(3, b)``: up to three fifths, and by 70
    and 60 degrees over the height, either way."""
    if not strength.any():
        return points
    low, high = points.min(1), points.max(1)
    half = np.maximum((high - low) / 2, 1e-6)
    taper, twist, bend = strength[..., None]
    middle = ((low + high) / 2)[:, None]
    x, y, z = np.moveaxis(points - middle, -1, 0)
    level = y / half[:, 1:2]
    wide = 1 + np.float32(0.6) * taper * level
    cosine, sine = np.cos(np.radians(35 * twist) * level), np.sin(np.radians(35 * twist) * level)
    x, z = wide * (x * cosine - z * sine), wide * (x * sine + z * cosine)
    # Bending needs room: the radius of the arc stays above the width.
    angle = np.radians(60 * bend) * np.minimum(1, half[:, 1:2] / np.maximum(half[:, :1], half[:, 2:]))
    radius = 2 * half[:, 1:2] / np.where(np.abs(angle) < 1e-3, 1, angle)
    bent = (radius + x) * np.cos(y / radius) - radius, (radius + x) * np.sin(y / radius)
    x, y = (np.where(np.abs(angle) < 1e-3, old, new) for old, new in zip((x, y), bent, strict=True))
    return (np.stack((x, y, z), -1) + middle).astype(np.float32)


@dataclass(frozen=True)
class Mesh:
    """A block of objects of one category: they share their faces; a face may be absent from some of them."""

    vertices: np.ndarray
    """``(b, v, 3)`` float32."""
    faces: np.ndarray
    """``(f, 3)`` indices of vertices."""
    present: np.ndarray
    """``(b, f)``: whether the object has the face, or how many copies of it."""
    part: np.ndarray
    """``(f,)``: index into the category's parts."""
    instances: Instances | None = None
    """Where the copies of the parts are; None where each part is there once, in place."""


@dataclass(frozen=True)
class Category:
    """A kind of object: its name, the names of its parts, and the recipe that draws it."""

    name: str
    parts: tuple[str, ...]
    recipe: Callable[["Sketch"], None]

    def draw(self, generator: np.random.Generator, clouds: int) -> Mesh:
        """``clouds`` objects of this category."""
        sketch = Sketch(generator, clouds, self.parts)
        self.recipe(sketch)
        return sketch.mesh()


def category(*parts: str) -> Callable[[Callable[["Sketch"], None]], Category]:
    """Make a recipe a :class:`Category` with these parts, named as the function is."""

    def make(recipe: Callable[["Sketch"], None]) -> Category:
        return Category(recipe.__name__, parts, recipe)

    return make


def corners(x: Value, z: Value) -> Pair:
    """The four corners (±x, ±z) of a rectangle as two ``(b, 4)`` measures, for four copies of a part."""
    sign = np.array([[-1, -1, 1, 1], [-1, 1, -1, 1]], np.float32)
    return x * sign[0], z * sign[1]


def mirrored(right: Sequence[Pair]) -> list[Pair]:
    """An outline that is symmetric in x, from its right half (listed upwards)."""
    return [*right, *((-x, y) for x, y in reversed(right))]


def row(copies: int) -> np.ndarray:
    """``0, 1, …, copies − 1`` as a measure ``(1, copies)``."""
    return np.arange(copies, dtype=np.float32)[None]


def spread(count: Value, copies: int) -> np.ndarray:
    """Angles in degrees of ``count`` even steps around the circle, for ``copies`` copies (the rest go round again)."""
    return np.asarray(360 / np.asarray(count, np.float32) * row(copies), np.float32)


class Sketch:
    """Draws a block of objects of one category. Lengths are relative (clouds are normalised), angles are degrees."""

    def __init__(self, generator: np.random.Generator, clouds: int, parts: Sequence[str]) -> None:
        self.generator = generator
        self.clouds = clouds
        self._index = {name: i for i, name in enumerate(parts)}
        self._vertices: list[np.ndarray] = []
        self._faces: list[np.ndarray] = []
        self._present: list[np.ndarray] = []
        self._part: list[np.ndarray] = []
        self._count = 0

    # Random measures

    def uniform(self, low: Value, high: Value, copies: int = 1) -> np.ndarray:
        """One value per cloud and copy, uniform in [low, high)."""
        return low + (high - low) * self.generator.random((self.clouds, copies), np.float32)

    def chance(self, probability: float, copies: int = 1) -> np.ndarray:
        """True with this probability, per cloud and copy."""
        return self.generator.random((self.clouds, copies), np.float32) < probability

    def style(self, *weights: float) -> np.ndarray:
        """One of ``0, 1, …`` per cloud, in proportion to the weights."""
        edges = np.cumsum(weights) / sum(weights)
        return np.searchsorted(edges[:-1], self.generator.random((self.clouds, 1)), side="right")

    def count(self, low: int, high: int) -> np.ndarray:
        """A whole number from low to high, both included, per cloud."""
        return self.generator.integers(low, high + 1, (self.clouds, 1))

    # Parts

    def box(
        self,
        part: str,
        size: Triple,
        at: Triple = (0.0, 0.0, 0.0),
        *,
        taper: Pair = (1.0, 1.0),
        shear: Pair = (0.0, 0.0),
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """A box centred at ``at``; ``taper`` scales its top in x and z, ``shear`` moves it."""
        self._add(part, primitives.box(size, taper, shear), at, turn, "y", when)

    def lathe(
        self,
        part: str,
        profile: Sequence[Pair],
        at: Triple = (0.0, 0.0, 0.0),
        *,
        smooth: bool = False,
        squash: Pair = (1.0, 1.0),
        sides: int = 16,
        along: Axis = "y",
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """A surface of revolution through ``(radius, height)`` pairs about an axis through ``at``."""
        self._add(part, primitives.lathe(profile, sides, smooth, squash), at, turn, along, when)

    def cylinder(
        self,
        part: str,
        radius: Value,
        height: Value,
        at: Triple = (0.0, 0.0, 0.0),
        *,
        top: Value | None = None,
        squash: Pair = (1.0, 1.0),
        sides: int = 16,
        along: Axis = "y",
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """A closed cylinder that stands on ``at``, or with another ``top`` radius a (truncated) cone."""
        top = radius if top is None else top
        profile = ((0.0, 0.0), (radius, 0.0), (top, height), (0.0, height))
        self._add(part, primitives.lathe(profile, sides, False, squash), at, turn, along, when)

    def ellipsoid(
        self,
        part: str,
        radii: Triple,
        at: Triple = (0.0, 0.0, 0.0),
        *,
        power: Pair = (1.0, 1.0),
        span: tuple[float, float] = (-90.0, 90.0),
        along: Axis = "y",
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """A superellipsoid centred at ``at``, or the zone of it between two latitudes (``along`` is its axis)."""
        self._add(part, primitives.ellipsoid(radii, power, span), at, turn, along, when)

    def torus(
        self,
        part: str,
        radius: Value,
        tube: Value,
        at: Triple = (0.0, 0.0, 0.0),
        *,
        arc: tuple[float, float] = (0.0, 360.0),
        along: Axis = "y",
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """A ring about an axis through ``at``, or an arc of it."""
        self._add(part, primitives.torus(radius, tube, arc), at, turn, along, when)

    def tube(
        self,
        part: str,
        path: Sequence[Triple],
        radius: Value | Sequence[Value],
        *,
        smooth: bool = False,
        sides: int = 8,
        when: np.ndarray | None = None,
    ) -> None:
        """A round bar along control points, with one radius or one per control point."""
        radii = [radius] * len(path) if isinstance(radius, (int, float, np.ndarray)) else radius
        self._add(part, primitives.tube(path, radii, sides, smooth), (0.0, 0.0, 0.0), None, "y", when)

    def plate(
        self,
        part: str,
        outline: Sequence[Pair],
        thickness: Value,
        at: Triple = (0.0, 0.0, 0.0),
        *,
        smooth: bool = False,
        along: Axis = "y",
        turn: Triple | None = None,
        when: np.ndarray | None = None,
    ) -> None:
        """An outline in (x, y), ``thickness`` deep about z = 0, moved to ``at``.

        ``along="x"`` puts the outline into (z, x), so it lies flat; ``along="z"`` into (y, z), so it stands sideways.
        """
        self._add(part, primitives.plate(outline, thickness, smooth), at, turn, along, when)

    def mesh(self) -> Mesh:
        """All that was drawn so far."""
        return Mesh(
            np.concatenate(self._vertices, 1),
            np.concatenate(self._faces),
            np.concatenate(self._present, 1),
            np.concatenate(self._part),
        )

    def _add(
        self, part: str, surface: Surface, at: Triple, turn: Triple | None, along: Axis, when: np.ndarray | None
    ) -> None:
        """Lay a surface along an axis, turn it about its origin, move it to ``at`` and keep it as a part."""
        index = pick("part", part, self._index)
        vertices, faces = surface
        if along != "y":
            vertices = vertices[..., ORDER[along]]
        if turn is not None:
            vertices = vertices @ np.swapaxes(rotations(turn), -1, -2)
        vertices = vertices + primitives.stack(at)[..., None, :]
        present = np.ones((1, 1), bool) if when is None else np.atleast_2d(when)
        copies = np.broadcast_shapes(vertices.shape[:2], present.shape)[1]
        size = vertices.shape[2]
        vertices = np.broadcast_to(vertices, (self.clouds, copies, size, 3)).reshape(self.clouds, -1, 3)
        present = np.broadcast_to(present, (self.clouds, copies))
        firsts = self._count + size * np.arange(copies)[:, None, None]
        self._vertices.append(vertices)
        self._faces.append((faces + firsts).reshape(-1, 3))
        self._present.append(np.repeat(present, len(faces), 1))
        self._part.append(np.full(copies * len(faces), index))
        self._count += copies * size


def rotations(turn: Triple) -> np.ndarray:
    """Rotation matrices ``(b, k, 3, 3)`` for angles in degrees about x, then y, then z."""
    angle = np.radians(primitives.stack(turn))
    (cx, cy, cz), (sx, sy, sz) = np.moveaxis(np.cos(angle), -1, 0), np.moveaxis(np.sin(angle), -1, 0)
    rows = (
        (cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx),
        (sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx),
        (-sy, cy * sx, cy * cx),
    )
    return np.stack([np.stack(entries, -1) for entries in rows], -2)
