"""Nearest neighbours."""

import torch

from i2pmae.common.errors import UsageError
from i2pmae.ops.arrays import array, has_kernels
from i2pmae.ops.exported import exported_knn
from i2pmae.typing import Float, Int, Tensor

__all__ = ["by_key", "knn", "squared_distances"]

_LARGEST = 128
"""The largest k for compiled loops: lists grow by insertion, and longer ones take longer than sorting all distances."""
_CHUNK = 1 << 26
"""Distances held at once: 256 MiB in float32."""
_CPU_CHUNK = 1 << 19
"""The same on a CPU, where what fits into the cache is twice as fast."""


def squared_distances(a: Float[Tensor, "*b n 3"], b: Float[Tensor, "*b m 3"]) -> Float[Tensor, "*b n m"]:
    """Squared distances by differences, never by expansion: exact zeros for equal points, never negative."""
    x, y, z = (a[..., :, None, axis] - b[..., None, :, axis] for axis in range(3))
    return x * x + y * y + z * z


@torch.no_grad()
def knn(query: Float[Tensor, "b m 3"], points: Float[Tensor, "b n 3"], k: int) -> Int[Tensor, "b m {k}"]:
    """Indices of the ``k`` points nearest to each query, nearest first, ties to the lowest index.

    A query that is one of the points is its own first neighbour (or its lowest duplicate is).
    :class:`UsageError` where there are fewer than ``k`` points.
    """
    number = points.shape[1]
    if not 1 <= k <= number:
        raise UsageError(f"knn: cannot choose {k} neighbours among {number} points; give at least {k} points.")
    if torch.compiler.is_exporting():
        return exported_knn(query, points, k)
    if k > _LARGEST or not has_kernels(query, points):
        return _knn(query, points, k)
    from i2pmae.kernels import neighbours

    return torch.from_numpy(neighbours.knn(array(query), array(points), k, torch.get_num_threads()))


def _knn(query: Float[Tensor, "b m 3"], points: Float[Tensor, "b n 3"], k: int) -> Int[Tensor, "b m {k}"]:
    number = points.shape[1]
    chunk = _CPU_CHUNK if query.device.type == "cpu" else _CHUNK
    clouds = max(1, chunk // max(1, query.shape[1] * number))
    rows = max(1, chunk // (clouds * number))
    found = [
        torch.cat([_nearest(squared_distances(part, some), k) for part in queries.split(rows, dim=1)], dim=1)
        for queries, some in zip(query.split(clouds), points.split(clouds), strict=True)
    ]
    return torch.cat(found)


def by_key(distance: Float[Tensor, "*b n"]) -> Int[Tensor, "*b n"]:
    """Whole numbers in the order (distance, index): the bits of a number that is not negative are in its order."""
    index = torch.arange(distance.shape[-1], device=distance.device)
    return distance.view(torch.int32).long() << 32 | index


def _nearest(distance: Float[Tensor, "b m n"], k: int) -> Int[Tensor, "b m {k}"]:
    """The k smallest per row in the order (distance, index)."""
    if k == 1:
        return distance.argmin(-1, keepdim=True)
    if distance.dtype == torch.float32 and distance.device.type not in ("cpu", "mps"):
        return by_key(distance).topk(k, largest=False, sorted=True).indices  # no look at which rows have ties
    take = min(k + 1, distance.shape[-1])
    value, index = distance.topk(take, largest=False, sorted=True)
    if take > k:
        # topk keeps any of the entries that tie for the last place: such rows, which are rare, are sorted in full.
        tied = value[..., k] == value[..., k - 1]
        value, index = value[..., :k], index[..., :k]
        if tied.any():
            index = index.clone()
            index[tied] = distance[tied].argsort(dim=-1, stable=True)[..., :k]
            value = distance.gather(-1, index)
    index, order = index.sort(dim=-1)
    return index.gather(-1, value.gather(-1, order).argsort(dim=-1, stable=True))
