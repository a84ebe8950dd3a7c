"""Unnamed assemblies: random solids put together by a grammar, with no end of structures for pre-training.

An assembly grows from one solid. Each further one is attached to one that is there: on a face, at a corner or an edge,
or through it; at a proportion of its size; upright, leaning or turned; and as one copy, mirrored, in a ring, in a row
or in a grid. What is attached to a copy is repeated with it. At last the whole may be tapered, bent or twisted.

Families (:mod:`assemblies`) differ in the weights of these choices. Unlike those of a category, the objects of a block
share nothing: each has its own structure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from i2pmae.data.shapes.sketch import Instances, Mesh, rotations
from i2pmae.data.shapes.sweep import FORMS, OUTLINES, PROFILES, faces, solids, styles

__all__ = ["MOST", "PLACES", "REPEATS", "Family", "Weights"]

MOST = 6
"""Solids of an assembly, copies not counted."""
COPIES = 16
"""Copies of a solid under one that it is attached to."""
DEPTH = 3
"""How often something may be attached to what is attached."""
PLACES = ("top", "bottom", "sides", "front", "low corners", "high corners", "anywhere", "inside")
"""Where on a solid another is attached."""
REPEATS = ("one", "mirrored", "four", "ring", "row", "grid")
"""How it is repeated, within what it is attached to."""

Weights = dict[str, float]


def listed(names: Sequence[str], weights: Weights) -> list[float]:
    """The weights in the order of ``names``; those that are not given are 0."""
    assert set(weights) <= set(names)
    return [weights.get(name, 0.0) for name in names]


@dataclass(frozen=True)
class Family:
    """A kind of structure: how likely each choice of the grammar is. It draws objects as a category does."""

    name: str
    roots: Weights
    """Forms of the first solid."""
    forms: Weights
    """Forms of the others."""
    outlines: Weights
    profiles: Weights
    root_profiles: Weights
    places: Weights
    repeats: Weights
    chain: float = 0.3
    """Chance that a solid is attached to the one before, instead of the first."""
    solids: tuple[int, int] = (2, MOST)
    """Fewest and most of an assembly."""
    sizes: tuple[float, float] = (0.2, 1.0)
    """Smallest and largest extent relative to that of what a solid is attached to."""
    spanning: float = 0.25
    """Chance that a solid is as wide and deep as what it is attached to."""
    leaning: float = 0.2
    """Chance that a solid leans."""
    bent: float = 0.2
    """Share of solids that are bent."""
    parts: tuple[str, ...] = tuple(f"solid_{number}" for number in range(1, MOST + 1))

    def draw(self, generator: np.random.Generator, clouds: int) -> Mesh:
        """``clouds`` assemblies. The mesh has one copy of each solid; ``present`` says how many there are."""
        vertices = self._solids(generator, clouds)
        count = generator.integers(self.solids[0], self.solids[1] + 1, clouds)
        grown = Growth(self, generator, vertices)
        for number in range(1, MOST):
            grown.attach(number)
        copies = np.where(np.arange(MOST) < count[:, None], grown.repeated, 0)
        per_solid = faces(MOST)
        solid = np.repeat(np.arange(MOST), len(per_solid) // MOST)
        return Mesh(
            grown.vertices.reshape(clouds, -1, 3), per_solid, copies[:, solid], solid, grown.instances(generator)
        )

    def _solids(self, generator: np.random.Generator, clouds: int) -> np.ndarray:
        """All solids ``(b, MOST, v, 3)``, each about the middle of its box, along any axis."""
        form = styles(generator, listed(FORMS, self.forms), (clouds, MOST))
        form[:, 0] = styles(generator, listed(FORMS, self.roots), (clouds,))
        outline = listed(OUTLINES, self.outlines)
        first = solids(generator, form[:, :1], outline, listed(PROFILES, self.root_profiles), self.bent)
        others = solids(generator, form[:, 1:], outline, listed(PROFILES, self.profiles), self.bent)
        made = np.concatenate((first, others), 1)
        # Upright for the most part, else along x or z: a turn of the axes.
        along = styles(generator, (0.6, 0.2, 0.2), (clouds, MOST))
        order = np.array([[0, 1, 2], [1, 2, 0], [2, 0, 1]])[along]
        return np.take_along_axis(made, order[:, :, None], -1)


class Growth:
    """A block of assemblies while solids are attached to one another."""

    def __init__(self, family: Family, generator: np.random.Generator, vertices: np.ndarray) -> None:
        clouds = len(vertices)
        self.family, self.generator, self.vertices = family, generator, vertices
        self.half = (vertices.max(2) - vertices.min(2)) / 2
        self.parent = np.zeros((clouds, MOST), np.int64)
        self.depth = np.zeros((clouds, MOST), np.int64)
        self.copies = np.ones((clouds, MOST), np.int64)
        self.repeated = np.ones((clouds, MOST), np.int64)
        self.linear = np.broadcast_to(np.eye(3, dtype=np.float32), (clouds, MOST, COPIES, 3, 3)).copy()
        self.shift = np.zeros((clouds, MOST, COPIES, 3), np.float32)
        self.rows = np.arange(clouds)

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        return self.generator.uniform(low, high, (len(self.rows), *shape))

    def chance(self, probability: float) -> np.ndarray:
        return self.generator.random(len(self.rows)) < probability

    def attach(self, number: int) -> None:
        """Choose for solid ``number`` what it is attached to, where, how large and how often."""
        family, rows = self.family, self.rows
        parent = np.where(self.chance(family.chain), number - 1, 0)
        parent = np.where(self.chance(0.25), self.generator.integers(0, number, len(rows)), parent)
        parent = np.where(self.depth[rows, parent] >= DEPTH, 0, parent)
        # Copies of copies of copies would leave no points for anything else.
        repeat = styles(self.generator, listed(REPEATS, family.repeats), (len(rows),))
        repeat = np.where(self.repeated[rows, parent] > 8, 0, repeat)
        place = styles(self.generator, listed(PLACES, family.places), (len(rows),))
        under = self.half[rows, parent]
        copies, linear, shift, step = self._copies(repeat, under)
        self._size(number, under, step, place)
        towards, at = self._place(place, repeat, parent, under)
        own = support(self.vertices[:, number], -towards) * self.uniform(0.75, 1.0, 1)
        lean = np.where(self.chance(family.leaning)[:, None], self.uniform(-30, 30, 3), 0).astype(np.float32)
        turn = rotations((lean[:, :1], lean[:, 1:2], lean[:, 2:]))[:, 0]
        moved = at - np.einsum("bij,bj->bi", turn, own)
        self.linear[:, number] = linear @ turn[:, None]
        self.shift[:, number] = np.einsum("bcij,bj->bci", linear, moved) + shift
        self.parent[:, number], self.depth[:, number] = parent, self.depth[rows, parent] + 1
        self.copies[:, number], self.repeated[:, number] = copies, copies * self.repeated[rows, parent]

    def _copies(self, repeat: np.ndarray, under: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """How many copies ``(b,)``, the map of each ``(b, COPIES, 3, 3)`` and ``(b, COPIES, 3)``, and the free room
        ``(b, 3)`` along each axis (infinite where there is but one)."""
        clouds, index = len(self.rows), np.arange(COPIES)
        linear = np.broadcast_to(np.eye(3, dtype=np.float32), (clouds, COPIES, 3, 3)).copy()
        across = self.chance(0.65)
        sign = np.where(index % 2 == 0, 1, -1)
        two, four = repeat == 1, repeat == 2
        linear[two & across, :, 0, 0] = sign
        linear[two & ~across, :, 2, 2] = sign
        linear[four, :, 0, 0], linear[four, :, 2, 2] = sign, np.where(index // 2 % 2 == 0, 1, -1)
        ring = self.generator.integers(3, 9, clouds)
        angle = 360 / ring[:, None] * index
        around = rotations((0.0, angle, 0.0))
        linear[repeat == 3] = around[repeat == 3]
        axis = self.generator.choice(3, clouds, p=(0.4, 0.4, 0.2))
        other = (axis + self.generator.integers(1, 3, clouds)) % 3
        along, beside = self.generator.integers(2, 9, clouds), self.generator.integers(2, 5, clouds)
        along = np.where(repeat == 5, np.minimum(along, 4), along)
        span = under * self.uniform(1.4, 2.0, 1)
        room = np.full((clouds, 3), np.inf)
        shift = np.zeros((clouds, COPIES, 3), np.float32)
        for kind, way, many, order in (
            (repeat >= 4, axis, along, index % along[:, None]),
            (repeat == 5, other, beside, index // along[:, None]),
        ):
            step = span[self.rows, way] / many
            place = (order - (many[:, None] - 1) / 2) * step[:, None]
            shift[self.rows, :, way] = np.where(kind[:, None], place, shift[self.rows, :, way])
            room[self.rows, way] = np.where(kind, step / 2, room[self.rows, way])
        counts = np.stack(
            (np.ones_like(ring), np.full_like(ring, 2), np.full_like(ring, 4), ring, along, along * beside)
        )
        return counts[repeat, self.rows], linear, shift, room

    def _size(self, number: int, under: np.ndarray, room: np.ndarray, place: np.ndarray) -> None:
        """Scale a solid to what it is attached to, and into the room between copies."""
        low, high = self.family.sizes
        half = self.half[:, number]
        ratio = np.exp(self.uniform(np.log(low), np.log(high), 1))
        scale = np.repeat(ratio * under.max(1, keepdims=True) / half.max(1, keepdims=True), 3, 1)
        spanning = self.chance(self.family.spanning)
        fitted = under * self.uniform(0.75, 1.1, 1) / half
        # As wide and deep as what is below, above or around it: a board, a lid, a drawer.
        flat = np.array([True, False, True])
        scale = np.where(spanning[:, None] & flat, fitted, scale)
        inside = place == PLACES.index("inside")
        scale = np.where(inside[:, None], np.minimum(scale, 1.3 * under / half), scale)
        tight = np.where(self.chance(0.8)[:, None], self.uniform(0.4, 0.98, 1) * room, np.inf)
        scale = np.minimum(scale, tight / half).astype(np.float32)
        self.vertices[:, number] *= scale[:, None]
        self.half[:, number] *= scale

    def _place(
        self, place: np.ndarray, repeat: np.ndarray, parent: np.ndarray, under: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The direction ``(b, 3)`` in which a solid leaves what it is attached to, and the point where it does."""
        rows = self.rows
        side = np.where(self.chance(0.5), 1.0, -1.0)
        zero, one = np.zeros(len(rows)), np.ones(len(rows))
        anywhere = np.eye(3)[self.generator.integers(0, 3, len(rows))] * side[:, None]
        fixed = [(zero, one, zero), (zero, -one, zero), (side, zero, zero), (zero, zero, side),
                 (zero, -one, zero), (zero, one, zero)]  # fmt: skip
        table = np.stack([*(np.stack(way, -1) for way in fixed), anywhere, anywhere])
        towards = table[place, rows]
        # In the middle of a face, or at a point of the surface that lies far out in a direction near this one.
        middle = support(self.vertices[rows, parent], towards)
        corner = (place == 4) | (place == 5)
        aside = self.uniform(-1, 1, 3)
        aside = np.where(corner[:, None], np.sign(aside), aside)
        wanted = (towards + np.where(towards == 0, aside, 0)) / np.maximum(under, 1e-6)
        surface = self.vertices[rows, parent]
        found = surface[rows, np.einsum("bvi,bi->bv", surface, wanted).argmax(1)]
        inset = np.where(towards == 0, self.uniform(0.75, 1.0, 1), 1)
        # Mirrored copies of what lies in the middle would coincide, and a ring would have no radius.
        many = (repeat > 0) & (repeat < 4)
        outer = corner | (place == 6) | many & self.chance(0.85) | self.chance(0.2)
        at = np.where(outer[:, None], found * inset, middle)
        at = np.where((place == 7)[:, None], at * self.uniform(-0.7, 0.5, 3), at)
        # A row or a grid has its own places along its axes; it starts from the middle.
        return towards, np.where(((repeat >= 4) & ~corner)[:, None], middle * (place != 7)[:, None], at)

    def instances(self, generator: np.random.Generator) -> "Instances":
        """Where the copies are, and the deformation of the whole."""
        clouds = len(self.rows)
        some = generator.random((3, clouds)) < 0.15
        strength = generator.uniform(-1, 1, (3, clouds)) * some
        return Instances(self.parent, self.copies, self.linear, self.shift, DEPTH + 1, strength.astype(np.float32))


def support(vertices: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Where solids ``(b, v, 3)`` end in a direction ``(b, 3)``: the middle of the vertices that lie farthest out."""
    reach = np.einsum("bvi,bi->bv", vertices, direction)
    high = reach.max(1, keepdims=True)
    near = reach >= high - 0.04 * (high - reach.min(1, keepdims=True))
    return np.einsum("bv,bvi->bi", near, vertices) / near.sum(1, keepdims=True)
