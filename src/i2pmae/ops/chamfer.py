"""Chamfer distances between small point sets."""

from i2pmae.ops.knn import squared_distances
from i2pmae.typing import Float, Tensor

__all__ = ["chamfer_l1", "chamfer_l2"]


def chamfer_l2(a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"]) -> Float[Tensor, ""]:
    """Mean over a of the smallest squared distance to b, plus the same from b to a; a scalar, over the batch."""
    distance = squared_distances(a, b)
    return distance.amin(2).mean() + distance.amin(1).mean()


def chamfer_l1(a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"]) -> Float[Tensor, ""]:
    """Half the sum of the two mean smallest distances (not squared); a scalar, averaged over the batch.

    Where two points coincide the square root has no slope; its gradient there is zero.
    """
    distance = squared_distances(a, b)
    return (_root(distance.amin(2)).mean() + _root(distance.amin(1)).mean()) / 2


def _root(value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    positive = value > 0
    return value.where(positive, value.new_ones(())).sqrt().where(positive, value.new_zeros(()))
