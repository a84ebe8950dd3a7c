"""One form for every set of point clouds, wherever it came from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from i2pmae.common.errors import DataError

__all__ = ["CloudSet", "normalise"]


def normalise(points: np.ndarray) -> np.ndarray:
    """Clouds ``(..., n, 3)`` moved to their centroid and scaled into the unit sphere.

    A cloud whose points are all equal has no scale and stays at the origin; readers refuse such clouds.
    """
    points = points - points.mean(-2, keepdims=True)
    radius = np.linalg.norm(points, axis=-1).max(-1)[..., None, None]
    return points / np.where(radius > 0, radius, 1)


@dataclass(frozen=True)
class CloudSet:
    """Point clouds of equal size, y up, in the unit sphere, with what is known about them.

    ``points`` may be memory-mapped, so a set need not fit into memory: index it by rows, a batch at a time.
    """

    points: np.ndarray
    """``(clouds, n, 3)`` float32 (or float16); possibly a memory map."""
    ids: Sequence[str]
    """One name per cloud, unique: the path below the folder, or ``name/index`` for arrays."""
    labels: np.ndarray | None = None
    """``(clouds,)`` int64 class indices, where known."""
    classes: tuple[str, ...] | None = None
    """Class names in the order of the indices."""
    splits: np.ndarray | None = None
    """``(clouds,)`` strings such as ``train`` and ``test``, where the source has a split."""
    part_labels: np.ndarray | None = None
    """``(clouds, n)`` int64 part indices, where known."""
    parts: tuple[str, ...] | None = None
    """Part names in the order of the indices."""
    name: str = "clouds"
    """What to call the set in messages and reports."""
    notes: tuple[str, ...] = field(default=())
    """What a reader had to do or leave out, one sentence each, for the user to see once."""

    def __post_init__(self) -> None:
        """Check that the fields fit together."""
        if self.points.ndim != 3 or self.points.shape[-1] != 3:
            raise DataError(f"{self.name}: expected points of shape (clouds, n, 3), got {self.points.shape}.")
        for what, values in (("ids", self.ids), ("labels", self.labels), ("splits", self.splits)):
            if values is not None and len(values) != len(self.points):
                raise DataError(f"{self.name}: {len(self.points)} clouds but {len(values)} {what}.")
        if self.part_labels is not None and self.part_labels.shape != self.points.shape[:2]:
            raise DataError(
                f"{self.name}: part labels have shape {self.part_labels.shape}, points {self.points.shape[:2]}."
            )

    def __len__(self) -> int:
        return len(self.points)

    def subset(self, rows: np.ndarray, name: str | None = None) -> "CloudSet":
        """The clouds at ``rows`` (indices or a boolean mask), in that order."""
        rows = np.arange(len(self))[rows]

        def take(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[rows]

        return replace(
            self,
            points=self.points[rows],
            ids=[self.ids[int(row)] for row in rows],
            labels=take(self.labels),
            splits=take(self.splits),
            part_labels=take(self.part_labels),
            name=name or self.name,
        )

    def split(self, name: str) -> "CloudSet":
        """The clouds of one split; :class:`DataError` names the splits that exist where there is no such one."""
        if self.splits is None or name not in self.splits:
            known = "none" if self.splits is None else ", ".join(sorted(set(self.splits.tolist())))
            raise DataError(f"{self.name} has no split {name!r} (splits: {known}).")
        return self.subset(self.splits == name, f"{self.name} ({name})")
