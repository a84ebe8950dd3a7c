"""Chamfer distances between point sets."""

from i2pmae.ops.gather import gather
from i2pmae.ops.knn import knn
from i2pmae.ops.pack import counted_mean
from i2pmae.typing import Bool, Float, Tensor

__all__ = ["chamfer_l1", "chamfer_l2"]


def chamfer_l2(
    a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"], counted: Bool[Tensor, "b"] | None = None
) -> Float[Tensor, ""]:
    """Mean over a of the smallest squared distance to b, plus the same from b to a; a scalar, over the batch.

    Over the ``counted`` pairs of sets alone, where the others are padding.

    Memory is linear in the points. Of points that are equally near, the one of the lowest index has the gradient.
    """
    found = _to_nearest(a, b), _to_nearest(b, a)
    if counted is None:
        return found[0].mean() + found[1].mean()
    return counted_mean(found[0].mean(1) + found[1].mean(1), counted)


def chamfer_l1(a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"]) -> Float[Tensor, ""]:
    """Half the sum of the two mean smallest distances (not squared); a scalar, averaged over the batch.

    Memory and ties as in :func:`chamfer_l2`. Where two points coincide the square root has no slope; its gradient there
    is zero.
    """
    return (_root(_to_nearest(a, b)).mean() + _root(_to_nearest(b, a)).mean()) / 2


def _to_nearest(a: Float[Tensor, "b n 3"], b: Float[Tensor, "b m 3"]) -> Float[Tensor, "b n"]:
    """Squared distances to the nearest points of the other set; which these are has no gradient."""
    x, y, z = (a - gather(b, knn(a, b, 1)[..., 0])).unbind(-1)
    return x * x + y * y + z * z


def _root(value: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    positive = value > 0
    return value.where(positive, value.new_ones(())).sqrt().where(positive, value.new_zeros(()))
