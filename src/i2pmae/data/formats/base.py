"""What readers give: one raw cloud, or a set of clouds that is read in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

__all__ = ["RawCloud", "SetOfClouds"]


@dataclass(frozen=True)
class RawCloud:
    """What one file holds: points, or the vertices and triangles of a mesh."""

    points: np.ndarray
    """``(m, 3)`` coordinates as stored, float64: points of the cloud, or vertices."""
    faces: np.ndarray | None = None
    """``(f, 3)`` vertex indices of a mesh; None for a point cloud."""
    extras: bool = False
    """Whether the file has more columns (normals, colours, intensity), which were left aside."""
    part_labels: np.ndarray | None = None
    """``(m,)`` int64, the part label of each point as stored, where the file says so; never for a mesh."""


class SetOfClouds(Protocol):
    """Many clouds in one file, with what the file says about each."""

    @property
    def labels(self) -> np.ndarray | None:
        """``(clouds,)`` int64 class indices."""

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Class names in the order of the indices."""

    @property
    def splits(self) -> np.ndarray | None:
        """``(clouds,)`` strings."""

    @property
    def parts(self) -> tuple[str, ...] | None:
        """Part names in the order of the part labels."""

    @property
    def ids(self) -> Sequence[str] | None:
        """Names of the clouds, where they have any but their index."""

    @property
    def extras(self) -> bool:
        """Whether points have more columns than x, y, z."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[tuple[int, np.ndarray, np.ndarray | None]]:
        """The index of the first cloud of each block, its points ``(rows, n, 3)`` and part labels ``(rows, n)``."""
