"""A cloud as groups of neighbouring points at several levels."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from i2pmae.common.errors import UsageError
from i2pmae.ops import fps, gather, knn
from i2pmae.typing import Float, Int, Tensor

__all__ = ["Hierarchy", "Level", "check_points", "point_indices", "tokenise"]


class Level(NamedTuple):
    """The groups of one level."""

    centres: Float[Tensor, "b m 3"]
    """Where the groups are."""
    origin: Int[Tensor, "b m"]
    """Which entry of the level below (for level 0: which point) each centre is."""
    neighbours: Int[Tensor, "b m k"]
    """Indices into the level below (for level 0: into the points), nearest first."""
    offsets: Float[Tensor, "b m k 3"]
    """Coordinates of the neighbours relative to the centre."""


Hierarchy = tuple[Level, ...]
"""Levels of a batch of clouds, finest first."""


def check_points(points: Tensor, least: int) -> None:
    """:class:`UsageError` unless ``points`` is a float tensor ``(b, n, 3)`` with b ≥ 1 and n ≥ ``least``."""
    if points.dim() != 3 or points.shape[-1] != 3:
        hint = " Drop extra columns with points[..., :3]." if points.dim() == 3 and points.shape[-1] > 3 else ""
        raise UsageError(f"Expected points of shape (clouds, points, 3), got {tuple(points.shape)}.{hint}")
    if not points.is_floating_point():
        raise UsageError(f"Expected floating-point coordinates, got {points.dtype}; convert with points.float().")
    if points.shape[0] == 0:
        raise UsageError("Expected at least one cloud, got an empty batch.")
    if points.shape[1] < least:
        raise UsageError(
            f"Expected at least {least} points per cloud (one per token of the finest level), got {points.shape[1]}. "
            "Give more points, repeat some, or use a model with fewer tokens."
        )


@torch.no_grad()
def tokenise(
    points: Float[Tensor, "b n 3"],
    counts: Sequence[int],
    sizes: Sequence[int],
    weight: Float[Tensor, "b n"] | None = None,
) -> Hierarchy:
    """Groups at every level (Point-M2AE §3.1): centres by FPS, neighbours by kNN.

    Level 0 groups ``sizes[0]`` points around each of ``counts[0]`` centres. Level i groups ``sizes[i]`` centres of
    level i-1 around each of ``counts[i]``, which are the first of them: FPS of an FPS order is its prefix, and so it is
    with a ``weight`` of the points' distances (:func:`~i2pmae.ops.fps`), which decides where the centres are dense.
    """
    levels: list[Level] = []
    below = points
    for level, (count, size) in enumerate(zip(counts, sizes, strict=True)):
        if level == 0:
            origin = fps(points, count, weight)
            centres = gather(points, origin)
        else:
            origin = torch.arange(count, device=points.device).expand(points.shape[0], -1)
            centres = below[:, :count]
        neighbours = knn(centres, below, size)
        levels.append(Level(centres, origin, neighbours, gather(below, neighbours) - centres[:, :, None]))
        below = centres
    return tuple(levels)


def point_indices(hierarchy: Hierarchy, level: int) -> Int[Tensor, "b m"]:
    """Which points the centres of a level are (-1 for the coarsest)."""
    index = hierarchy[0].origin
    for groups in hierarchy[1 : range(len(hierarchy))[level] + 1]:
        index = gather(index, groups.origin)
    return index
