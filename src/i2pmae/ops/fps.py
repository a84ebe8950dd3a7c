"""Farthest point sampling."""

import torch

from i2pmae.common.errors import UsageError
from i2pmae.ops.arrays import array, has_kernels
from i2pmae.ops.exported import exported_fps
from i2pmae.typing import Float, Int, Tensor

__all__ = ["fps"]


@torch.no_grad()
def fps(
    points: Float[Tensor, "b n 3"], count: int, weight: Float[Tensor, "b w"] | None = None
) -> Int[Tensor, "b {count}"]:
    """Indices of ``count`` points that are far from each other, in the order in which they are chosen.

    Starts at index 0; each next point has the largest squared distance to the chosen set, ties go to the lowest index.
    With a ``weight``, which is positive and finite, it has the largest product of its weight and its distance, compared
    as the product of their squares: where weights are twice as large, points lie half as far from each other. Of equal
    weights 1 the result is that without any, bit for bit.

    The first ``k`` indices are the result for ``count = k``, so of an ordered set any prefix is its own sample.
    Where a cloud has fewer distinct points than ``count``, index 0 repeats. All points take part, those near the origin
    too. :class:`UsageError` where ``count`` exceeds the points, or where there is not one weight for each point.
    """
    number = points.shape[1]
    if not 1 <= count <= number:
        raise UsageError(f"fps: cannot choose {count} of {number} points; give clouds of at least {count} points.")
    if weight is not None and weight.shape != points.shape[:2]:
        raise UsageError(
            f"fps: expected a weight for each point, of shape {tuple(points.shape[:2])}, got {tuple(weight.shape)}."
        )
    if torch.compiler.is_exporting() and weight is None:
        return exported_fps(points, count)
    # The least of products is the product of the least, also when both are rounded: a factor of all distances to a
    # point does what the weight is to do, and nothing else has to know of it.
    factors = None if weight is None else weight.to(points.dtype).square()
    if not has_kernels(points, *(() if factors is None else (factors,))):
        return _fps(points, count, factors)
    from i2pmae.kernels import sampling

    multiplied = None if factors is None else array(factors)
    return torch.from_numpy(sampling.fps(array(points), count, torch.get_num_threads(), multiplied))


def _fps(
    points: Float[Tensor, "b n 3"], count: int, factors: Float[Tensor, "b n"] | None = None
) -> Int[Tensor, "b {count}"]:
    clouds, number, _ = points.shape
    x, y, z = points.unbind(-1)
    x, y, z = x.contiguous(), y.contiguous(), z.contiguous()
    nearest = torch.full((clouds, number), torch.inf, dtype=points.dtype, device=points.device)
    chosen = torch.zeros(clouds, count, dtype=torch.long, device=points.device)
    distance, term = torch.empty_like(nearest), torch.empty_like(nearest)
    last = chosen[:, :1]
    for step in range(1, count):
        torch.sub(x, x.gather(1, last), out=distance).square_()
        torch.sub(y, y.gather(1, last), out=term).square_()
        distance += term
        torch.sub(z, z.gather(1, last), out=term).square_()
        distance += term
        if factors is not None:
            distance *= factors
        torch.minimum(nearest, distance, out=nearest)
        last = nearest.argmax(1, keepdim=True)
        chosen[:, step] = last[:, 0]
    return chosen
