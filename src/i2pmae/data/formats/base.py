"""What readers give: one raw cloud, or a set of clouds that is read in blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

__all__ = ["Block", "RawCloud", "SetOfClouds"]


@dataclass(frozen=True)
class RawCloud:
    """What one file holds: points, or the vertices and triangles of a mesh."""

    points: np.ndarray
    """``(m, 3)`` coordinates as stored, float64: points of the cloud, or vertices."""
    faces: np.ndarray | None = None
    """``(f, 3)`` vertex indices of a mesh; None for a point cloud."""
    extras: bool = False
    """Whether the file has more columns (normals, colours, intensity)."""
    part_labels: np.ndarray | None = None
    """``(m,)`` int64, the part label of each point as stored, where the file says so; never for a mesh."""
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    """``(m, 3)`` values of each point or vertex as stored, by the names of :mod:`i2pmae.data.formats.beside`."""


class Block(NamedTuple):
    """Some clouds of a set, one after the other, as stored."""

    first: int
    """The index of the first."""
    points: np.ndarray
    """``(rows, n, 3)``."""
    parts: np.ndarray | None = None
    """``(rows, n)`` part labels."""
    columns: Mapping[str, np.ndarray] = {}
    """``(rows, n, 3)`` values of each point, where they were asked for and are there."""
    bad: Sequence[tuple[int, str]] = ()
    """The indices of clouds that cannot be used, with reasons; a block of these has no rows."""


class SetOfClouds(Protocol):
    """Many clouds in one file, with what the file says about each."""

    @property
    def labels(self) -> np.ndarray | None:
        """``(clouds,)`` int64 class indices, -1 for a cloud without one."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names in the order of the indices."""

    @property
    def splits(self) -> np.ndarray | None:
        """``(clouds,)`` strings, or None for a cloud without one."""

    @property
    def parts(self) -> tuple[str, ...] | None:
        """Part names in the order of the part labels."""

    @property
    def ids(self) -> Sequence[str] | None:
        """Names of the clouds, where they have any but their index."""

    @property
    def extras(self) -> bool:
        """Whether points have more columns than x, y, z."""

    @property
    def size(self) -> int | None:
        """Points of each cloud; None where they differ, or nobody knows before they are read."""

    def __len__(self) -> int: ...

    def blocks(self, columns: Sequence[str] = ()) -> Iterator[Block]:
        """The clouds in their order, some at a time, with the ``columns`` that are wanted where the file has them."""
