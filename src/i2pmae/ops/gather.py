"""Picking rows of a batch by index, and putting them back."""

import torch

from i2pmae.ops.pack import fixed_shapes
from i2pmae.typing import Bool, Int, Shaped, Tensor

__all__ = ["gather", "scatter"]


def _flat(index: Int[Tensor, "b *picked"], rows: int) -> Int[Tensor, " flat"]:
    offset = torch.arange(index.shape[0], device=index.device) * rows
    return (index + offset.view(-1, *[1] * (index.dim() - 1))).flatten()


def gather(values: Shaped[Tensor, "b n *rest"], index: Int[Tensor, "b *picked"]) -> Shaped[Tensor, "b ..."]:
    """``values[i, index[i, ...]]`` for every cloud i: shape ``(b, *picked, *rest)``. Differentiable in ``values``."""
    flat = values.flatten(0, 1).index_select(0, _flat(index, values.shape[1]))
    return flat.view(*index.shape, *values.shape[2:])


def scatter(
    target: Shaped[Tensor, "b n c"],
    index: Int[Tensor, "b t"],
    values: Shaped[Tensor, "b t c"],
    valid: Bool[Tensor, "b t"],
) -> Shaped[Tensor, "b n c"]:
    """A copy of ``target`` with row ``index[i, j]`` of cloud i replaced by ``values[i, j]`` wherever ``valid[i, j]``.

    The indices of a cloud must differ. Differentiable in ``target`` and ``values``.
    """
    if fixed_shapes(target):
        values = torch.where(valid[..., None], values.to(target.dtype), gather(target, index))
        rows = _flat(index, target.shape[1])
        return target.flatten(0, 1).index_copy(0, rows, values.flatten(0, 1)).view_as(target)
    rows = _flat(index, target.shape[1])[valid.flatten()]
    flat = target.flatten(0, 1).index_copy(0, rows, values[valid].to(target.dtype))
    return flat.view_as(target)
